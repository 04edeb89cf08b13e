/**
 * Small dense linear algebra in float64 for passes that fit weights: Cholesky factors of normal equations and the
 * pivoted form that picks columns. Matrices are row-major. Not a general library.
 */

/**
 * The lower Cholesky factor of a symmetric matrix [n, n] with `ridge` times its mean diagonal added, so that singular
 * normal equations (a constant map, a map seen only at borders) still have an answer.
 */
export function choleskyFactor(matrix: Float64Array, n: number, ridge = 1e-9): Float64Array {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += matrix[i * n + i] as number;
  const extra = (ridge * trace) / n;
  const least = Math.max(extra, Number.MIN_VALUE * 1e16);
  const l = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    let diagonal = (matrix[j * n + j] as number) + extra;
    for (let k = 0; k < j; k++) diagonal -= (l[j * n + k] as number) ** 2;
    const root = Math.sqrt(Math.max(diagonal, least));
    l[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = matrix[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number);
      l[i * n + j] = sum / root;
    }
  }
  return l;
}

/** L^-1 b, in place of b. */
export function forwardSubstitute(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    let sum = b[i] as number;
    for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  return b;
}

/** L^-T b, in place of b. */
export function backSubstitute(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i] as number;
    for (let k = i + 1; k < n; k++) sum -= (l[k * n + i] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  return b;
}

/** x of A x = b for a symmetric, not negative A [n, n]. */
export function solveSymmetric(a: Float64Array, n: number, b: Float64Array, ridge = 1e-9): Float64Array {
  const l = choleskyFactor(a, n, ridge);
  return backSubstitute(l, n, forwardSubstitute(l, n, b.slice()));
}

/**
 * The `count` columns that QR with column pivoting takes first, given the columns' inner products [n, n]: each time the
 * one with the largest part that the others so far do not span (Businger and Golub 1965; Golub and Van Loan, Matrix
 * Computations, algorithm 5.4.1), done on the Gram matrix as a pivoted Cholesky factorisation.
 */
export function pivotedColumns(gram: Float64Array, n: number, count: number): number[] {
  const left = Float64Array.from({ length: n }, (_, i) => gram[i * n + i] as number);
  const factors: Float64Array[] = [];
  const chosen: number[] = [];
  const taken = new Uint8Array(n);
  while (chosen.length < count) {
    let pivot = -1;
    for (let i = 0; i < n; i++)
      if (!taken[i] && (pivot < 0 || (left[i] as number) > (left[pivot] as number))) pivot = i;
    taken[pivot] = 1;
    chosen.push(pivot);
    const root = Math.sqrt(Math.max(left[pivot] as number, 0));
    if (root === 0) continue;
    const row = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      if (taken[i]) continue;
      let value = gram[pivot * n + i] as number;
      for (const factor of factors) value -= (factor[pivot] as number) * (factor[i] as number);
      row[i] = value / root;
      left[i] = (left[i] as number) - (row[i] as number) ** 2;
    }
    row[pivot] = root;
    factors.push(row);
  }
  return chosen;
}

/** Inner products of all pairs of rows of a [rows, length] matrix: [rows, rows]. Tiles keep the rows in the cache. */
export function rowProducts(a: Float64Array, b: Float64Array, rows: number, length: number): Float64Array {
  const out = new Float64Array(rows * rows);
  const tile = 8;
  for (let i0 = 0; i0 < rows; i0 += tile)
    for (let j = 0; j < rows; j++) {
      const atB = j * length;
      const end = Math.min(i0 + tile, rows);
      for (let i = i0; i + 1 < end; i += 2) {
        const first = i * length;
        const second = first + length;
        let x = 0;
        let y = 0;
        for (let k = 0; k < length; k++) {
          const value = b[atB + k] as number;
          x += (a[first + k] as number) * value;
          y += (a[second + k] as number) * value;
        }
        out[i * rows + j] = x;
        out[(i + 1) * rows + j] = y;
      }
      if ((end - i0) % 2 === 1) {
        const first = (end - 1) * length;
        let x = 0;
        for (let k = 0; k < length; k++) x += (a[first + k] as number) * (b[atB + k] as number);
        out[(end - 1) * rows + j] = x;
      }
    }
  return out;
}
