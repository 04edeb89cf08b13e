/**
 * Which channels a layer can do without, from how their contributions to its outputs hang together. With Y_i the part
 * of the output that channel i gives, A_ij = E[Y_i · Y_j] holds all that either method asks:
 *
 * - `lasso`: He et al. 2017 ("Channel Pruning for Accelerating Very Deep Neural Networks", equation 2): minimise
 *   E|Y - sum b_i Y_i|² + penalty sum |b_i|, the penalty raised until few enough b_i are left.
 * - `greedy`: ThiNet (Luo et al. 2017, algorithm 1): add to the set that goes, one by one, the channel with which the
 *   set's joint contribution stays smallest.
 *
 * Works on matrices only; samples.ts measures, reconstruct.ts refits.
 */
import type { Moments } from './samples.js';

export type Selection = 'lasso' | 'greedy';

/**
 * A [C, C] of a layer with weight [O, C, positions] from the covariance of its inputs (a bias takes up the means):
 * A_ij = sum over outputs and positions of w_i cov(x_i, x_j) w_jᵀ. Divided by the energy of the whole output.
 */
export function contributions(moments: Moments, weight: Float32Array, channels: number): Float64Array {
  const { inputs, products, sum: sums, count } = moments;
  const positions = inputs / channels;
  const outputs = weight.length / inputs;
  // filters' inner products per pair of inputs: sum over outputs of w_p w_q
  const a = new Float64Array(channels * channels);
  for (let p = 0; p < inputs; p++)
    for (let q = 0; q <= p; q++) {
      const mean = ((sums[p] as number) * (sums[q] as number)) / count;
      const product = (products[p * inputs + q] as number) - mean;
      if (product === 0) continue;
      let sum = 0;
      for (let o = 0; o < outputs; o++)
        sum += (weight[o * inputs + p] as number) * (weight[o * inputs + q] as number);
      const [i, j] = [Math.floor(p / positions), Math.floor(q / positions)];
      const value = (sum * product) / count;
      a[i * channels + j] = (a[i * channels + j] as number) + value;
      if (p !== q) a[j * channels + i] = (a[j * channels + i] as number) + value;
    }
  const energy = a.reduce((sum, value) => sum + value, 0);
  return energy > 0 ? a.map((value) => value / energy) : a;
}

/** b of the lasso for one penalty, by coordinate descent from `start` (changed in place). */
function lasso(a: Float64Array, n: number, rowSums: Float64Array, penalty: number, b: Float64Array): void {
  // gradient of the smooth part at b, halved: A b - A 1
  const residual = Float64Array.from({ length: n }, (_, i) => {
    let sum = -(rowSums[i] as number);
    for (let j = 0; j < n; j++) sum += (a[i * n + j] as number) * (b[j] as number);
    return sum;
  });
  for (let sweep = 0; sweep < 60; sweep++) {
    let moved = 0;
    for (let i = 0; i < n; i++) {
      const curvature = a[i * n + i] as number;
      if (!(curvature > 0)) continue;
      const old = b[i] as number;
      const target = curvature * old - (residual[i] as number);
      const next = (Math.sign(target) * Math.max(Math.abs(target) - penalty / 2, 0)) / curvature;
      const step = next - old;
      if (step === 0) continue;
      b[i] = next;
      moved = Math.max(moved, Math.abs(step) * Math.sqrt(curvature));
      for (let j = 0; j < n; j++) residual[j] = (residual[j] as number) + step * (a[j * n + i] as number);
    }
    if (moved < 1e-7) return;
  }
}

/** Worth of n channels so that the `keep` best are those that the lasso leaves; ties by their b. */
function lassoWorth(a: Float64Array, n: number, keep: number): Float64Array {
  const rowSums = Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += a[i * n + j] as number;
    return sum;
  });
  let high = 2 * rowSums.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let low = 0;
  let best: Float64Array = new Float64Array(n).fill(1);
  for (let step = 0; step < 25; step++) {
    const penalty = (low + high) / 2;
    const b = best.slice();
    lasso(a, n, rowSums, penalty, b);
    const left = b.reduce((count, value) => count + (value !== 0 ? 1 : 0), 0);
    if (left >= keep) [low, best] = [penalty, b];
    else high = penalty;
    if (left === keep) break;
  }
  // what a channel still contributes, its b times its own size
  return best.map((value, i) => Math.abs(value) * Math.sqrt(Math.max(a[i * n + i] as number, 0)));
}

/** Worth of n channels: the order in which the greedy set takes them; those that never go are worth most. */
function greedyWorth(a: Float64Array, n: number, keep: number): Float64Array {
  const worth = new Float64Array(n).fill(n);
  /** Sum over the set of A_ij. */
  const joint = new Float64Array(n);
  for (let step = 0; step < n - keep; step++) {
    let next = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const added = (a[i * n + i] as number) + 2 * (joint[i] as number);
      if (worth[i] === n && added < least) [next, least] = [i, added];
    }
    if (next < 0) break;
    worth[next] = step;
    for (let i = 0; i < n; i++) joint[i] = (joint[i] as number) + (a[i * n + next] as number);
  }
  return worth;
}

/** By channel: what it is worth when `keep` of the n are to stay. */
export function selectionWorth(method: Selection, a: Float64Array, n: number, keep: number): Float64Array {
  return method === 'lasso' ? lassoWorth(a, n, keep) : greedyWorth(a, n, keep);
}
