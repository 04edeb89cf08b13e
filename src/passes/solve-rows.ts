/**
 * Many right-hand sides of one symmetric system at once, row by row. The factor is linear-algebra.ts's; rows are worked
 * on in place along rows of the factor, which keeps large systems in the cache.
 */

/** X with X A = B for X [rows, n], given the lower factor L of A = L Lᵀ [n, n]. */
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
