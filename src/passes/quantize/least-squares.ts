/**
 * Rounding weights by least squares: GPTQ (Frantar et al. 2022, arXiv 2210.17323) in the form of Babai's nearest plane.
 * Rounding each weight to its nearest step keeps the weights' own error least; what counts is that of the sums,
 * (w - q)ᵀ H (w - q) with H the covariance of the inputs (their mean is the bias's affair). With H = L Lᵀ the
 * weights are rounded from the last to the first, each once what the errors of those behind it can be made up for by it
 * is added to it. Columns are ordered by variance, so that those that count most are rounded first and those that are
 * hardly ever used take what is left.
 */
import { choleskyFactor } from '../linear-algebra.js';
import { levels } from './network.js';

/** How weights become whole numbers: such that sums change least, or each by itself. */
export const roundingMethods = ['least-squares', 'nearest'] as const;
export type RoundingMethod = (typeof roundingMethods)[number];

/** What of the mean variance is added to each, so that errors do not go where few pictures have looked. */
const damping = 0.01;
/** The same for each column over rows: a covariance from few rows is believed less. */
const sampleNoise = 0.1;

/** A covariance made ready for rounding the rows of all outputs that read the same inputs. */
export interface RoundingOrder {
  readonly order: Int32Array;
  /** Lower Cholesky factor of the covariance in that order. */
  readonly factor: Float64Array;
}

/** `covariance`: [n][n], the lower triangle, from `rows` rows. */
export function roundingOrder(covariance: Float64Array, n: number, rows: number): RoundingOrder {
  const variance = (i: number): number => covariance[i * n + i] as number;
  const order = Int32Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => variance(a) - variance(b) || b - a,
  );
  const sorted = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const [a, b] = [order[i] as number, order[j] as number];
      sorted[i * n + j] = covariance[Math.max(a, b) * n + Math.min(a, b)] as number;
    }
  const factor = choleskyFactor(sorted, n, damping + (sampleNoise * n) / Math.max(1, rows));
  return { order, factor };
}

/** Whole numbers from -127 to 127 for the row of one output, `weights` in its steps. */
export function roundRow(weights: Float64Array, { order, factor }: RoundingOrder): Int8Array {
  const n = order.length;
  const rounded = new Int8Array(n);
  // sums over the errors so far of column i of the factor, for every i
  const owed = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    const place = order[i] as number;
    const weight = weights[place] as number;
    const target = weight + (owed[i] as number) / (factor[i * n + i] as number);
    const value = Math.min(levels, Math.max(-levels, Math.round(target)));
    rounded[place] = value;
    const error = weight - value;
    for (let k = 0; k < i; k++) owed[k] = (owed[k] as number) + (factor[i * n + k] as number) * error;
  }
  return rounded;
}
