/**
 * Eigenvalues and vectors of symmetric matrices in float64: Householder reduction to three diagonals, then implicit QL
 * steps. What low-rank decomposition needs of linear algebra; not a general library.
 * Source: Golub and Van Loan, "Matrix Computations", sections 8.3.1 and 8.3.3.
 */
import { rangeError } from '../errors.js';

export interface Eigen {
  /** Descending. */
  readonly values: Float64Array;
  /** Row k is the unit vector of values[k]: [n, n], so that A = Vᵀ diag(values) V. */
  readonly vectors: Float64Array;
}

/** A = Qᵀ T Q with T of three diagonals; rows of `q` are the transposed columns of the orthogonal factor. */
function tridiagonalize(
  matrix: Float64Array,
  n: number,
): { diagonal: Float64Array; off: Float64Array; q: Float64Array } {
  const a = matrix.slice();
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  const v = new Float64Array(n);
  const p = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    let norm = 0;
    for (let i = k + 1; i < n; i++) norm += (a[i * n + k] as number) ** 2;
    norm = Math.sqrt(norm);
    if (norm === 0) continue;
    const first = a[(k + 1) * n + k] as number;
    const alpha = first > 0 ? -norm : norm;
    let length = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = (a[i * n + k] as number) - (i === k + 1 ? alpha : 0);
      length += (v[i] as number) ** 2;
    }
    if (length === 0) continue;
    const scale = Math.sqrt(2 / length);
    for (let i = k + 1; i < n; i++) v[i] = (v[i] as number) * scale;
    // A becomes (I - v vᵀ) A (I - v vᵀ), q becomes (I - v vᵀ) q
    let dot = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += (a[i * n + j] as number) * (v[j] as number);
      p[i] = sum;
      dot += sum * (v[i] as number);
    }
    for (let i = k + 1; i < n; i++) p[i] = (p[i] as number) - (dot / 2) * (v[i] as number);
    for (let i = k + 1; i < n; i++) {
      const [vi, pi] = [v[i] as number, p[i] as number];
      for (let j = k + 1; j < n; j++)
        a[i * n + j] = (a[i * n + j] as number) - vi * (p[j] as number) - pi * (v[j] as number);
    }
    for (let i = k + 1; i < n; i++) {
      a[i * n + k] = i === k + 1 ? alpha : 0;
      a[k * n + i] = a[i * n + k] as number;
    }
    p.fill(0);
    for (let i = k + 1; i < n; i++) {
      const vi = v[i] as number;
      for (let j = 0; j < n; j++) p[j] = (p[j] as number) + vi * (q[i * n + j] as number);
    }
    for (let i = k + 1; i < n; i++) {
      const vi = v[i] as number;
      for (let j = 0; j < n; j++) q[i * n + j] = (q[i * n + j] as number) - vi * (p[j] as number);
    }
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i] as number);
  const off = Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? (a[(i + 1) * n + i] as number) : 0));
  return { diagonal, off, q };
}

/** Makes T diagonal in place by implicit QL steps; every rotation is applied to the rows of q too. */
function diagonalize(diagonal: Float64Array, off: Float64Array, q: Float64Array, n: number): void {
  // what is this small beside the whole matrix is rounding, also between two values near zero
  const rounding = diagonal.reduce(
    (most, value, i) => Math.max(most, Math.abs(value) + Math.abs(off[i] as number)),
    0,
  );
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      for (; m < n - 1; m++) {
        if (Math.abs(off[m] as number) <= Number.EPSILON * rounding) break;
      }
      if (m === l) break;
      if (step === 60)
        throw rangeError(
          'NO_CONVERGENCE',
          `eigenvalues: value ${l} of ${n} did not settle; is the matrix finite?`,
        );
      let g = ((diagonal[l + 1] as number) - (diagonal[l] as number)) / (2 * (off[l] as number));
      let r = Math.hypot(g, 1);
      g = (diagonal[m] as number) - (diagonal[l] as number) + (off[l] as number) / (g + (g < 0 ? -r : r));
      let [s, c, shift] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * (off[i] as number);
        const b = c * (off[i] as number);
        r = Math.hypot(f, g);
        off[i + 1] = r;
        if (r === 0) {
          diagonal[i + 1] = (diagonal[i + 1] as number) - shift;
          off[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = (diagonal[i + 1] as number) - shift;
        r = ((diagonal[i] as number) - g) * s + 2 * c * b;
        shift = s * r;
        diagonal[i + 1] = g + shift;
        g = c * r - b;
        const [low, high] = [i * n, (i + 1) * n];
        for (let k = 0; k < n; k++) {
          const [x, y] = [q[low + k] as number, q[high + k] as number];
          q[high + k] = s * x + c * y;
          q[low + k] = c * x - s * y;
        }
      }
      if (r === 0 && i >= l) continue;
      diagonal[l] = (diagonal[l] as number) - shift;
      off[l] = g;
      off[m] = 0;
    }
  }
}

/** Of a symmetric matrix [n, n]. Throws RangeError `NO_CONVERGENCE` (values that are not finite). */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const { diagonal, off, q } = tridiagonalize(matrix, n);
  diagonalize(diagonal, off, q, n);
  const order = Array.from(diagonal.keys()).sort((a, b) => (diagonal[b] as number) - (diagonal[a] as number));
  const vectors = new Float64Array(n * n);
  order.forEach((from, k) => {
    vectors.set(q.subarray(from * n, (from + 1) * n), k * n);
  });
  return { values: Float64Array.from(order, (from) => diagonal[from] as number), vectors };
}

/** A Aᵀ [rows, rows] of A [rows, columns]. */
export function gramOfRows(a: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++)
        sum += (a[i * columns + k] as number) * (a[j * columns + k] as number);
      gram[i * rows + j] = sum;
      gram[j * rows + i] = sum;
    }
  return gram;
}
