/**
 * Symmetric positive definite systems in float64, by Cholesky decomposition. Matrices are row-major; sizes are those of
 * layers (up to some thousands), so plain loops over rows serve.
 */
import { rangeError } from '../errors.js';

/**
 * The lower triangle L with L Lᵀ = A, of A [n, n] (only the lower triangle is read).
 * Throws RangeError `NOT_POSITIVE` when A is not positive definite.
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j <= i; j++) {
      const other = j * n;
      let sum = a[row + j] as number;
      for (let k = 0; k < j; k++) sum -= (l[row + k] as number) * (l[other + k] as number);
      if (j < i) l[row + j] = sum / (l[other + j] as number);
      else {
        if (!(sum > 0))
          throw rangeError(
            'NOT_POSITIVE',
            `Cholesky: pivot ${i} of ${n} is ${sum}, expected above 0; add to the diagonal`,
          );
        l[row + i] = Math.sqrt(sum);
      }
    }
  }
  return l;
}

/** Solves X A = B for X [rows, n] with A = L Lᵀ symmetric: each row of B on its own. */
export function solveRows(l: Float64Array, n: number, b: Float64Array, rows: number): Float64Array {
  const x = b.slice();
  for (let r = 0; r < rows; r++) {
    const at = r * n;
    for (let i = 0; i < n; i++) {
      let sum = x[at + i] as number;
      for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (x[at + k] as number);
      x[at + i] = sum / (l[i * n + i] as number);
    }
    for (let i = n - 1; i >= 0; i--) {
      const value = (x[at + i] as number) / (l[i * n + i] as number);
      x[at + i] = value;
      // column i of Lᵀ above the diagonal is row i of L
      for (let k = 0; k < i; k++) x[at + k] = (x[at + k] as number) - (l[i * n + k] as number) * value;
    }
  }
  return x;
}
