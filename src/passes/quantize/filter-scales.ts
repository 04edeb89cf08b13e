/**
 * The scale of each output of a filter: as fine as 8 bits of weight allow, coarser where sums would not fit the
 * 16 bits that engines add in fastest, and such that rounding (narrow.ts) has whole factors.
 */

import { type FilterUnits, narrowShift } from './narrow.js';
import { levels } from './network.js';

/** Input quads, or columns of a kernel's row, whose products engines add up in 16 bits. */
const groupSteps = 8;

/** Weights of one output, [columns][taps], in real units with the input's scales inside. */
export interface ScaledFilter {
  readonly columns: number;
  readonly taps: number;
  readonly kernelWidth: number;
}

/** Kernels of more taps are added in several sums: one of 16 bits would leave their weights too few steps. */
const mostDepthwiseTaps = 25;
/** What rounding the bias and the sum may add. */
const slack = 64;

/** Least scale at which all sums of a depthwise filter fit 16 bits; `bias` has the zero points' share inside. */
function depthwiseScale(weights: Float64Array, bias: number): number {
  if (weights.length > mostDepthwiseTaps) return 0;
  return reachOf(weights, bias) / (2 ** 15 - 1 - slack - (levels * weights.length) / 2);
}

/** Largest magnitude of an output in real units, over all steps of its inputs. */
export function reachOf(weights: Float64Array, bias: number): number {
  let [positive, negative] = [0, 0];
  for (const value of weights)
    if (value > 0) positive += value;
    else negative -= value;
  return Math.max(levels * positive + bias, levels * negative - bias, Math.abs(bias));
}

/**
 * The positive or the negative weights of a group, whichever add up to more, of the group where they do most. A lane adds
 * two neighbouring channels of each step. Where channels are stored in another order, groups may be shorter.
 */
function largestGroup(weights: ArrayLike<number>, { columns, taps, kernelWidth }: ScaledFilter): number {
  let largest = 0;
  const run = taps === 1 ? Math.ceil(columns / 4) : taps;
  const rowLength = taps === 1 ? run : kernelWidth;
  for (let quad = 0; quad < (taps === 1 ? 1 : Math.ceil(columns / 4)); quad++)
    for (let pair = 0; pair < 4; pair += 2)
      for (let row = 0; row < run; row += rowLength)
        for (let from = row; from < row + rowLength; from += groupSteps) {
          let [positive, negative] = [0, 0];
          for (let step = from; step < Math.min(from + groupSteps, row + rowLength); step++)
            for (let lane = pair; lane < pair + 2; lane++) {
              const column = (taps === 1 ? step : quad) * 4 + lane;
              if (column >= columns) continue;
              const value = weights[column * taps + (taps === 1 ? 0 : step)] as number;
              if (value > 0) positive += value;
              else negative -= value;
            }
          largest = Math.max(largest, positive, negative);
        }
  return largest;
}

/** The sum of a group's products may be so many times an input's largest step. */
const groupLimit = Math.floor((2 ** 15 - 1) / levels);

/** Least scale at which the positive and the negative products of every group fit 16 bits. */
function groupScale(weights: Float64Array, shape: ScaledFilter): number {
  // half a step for each weight that rounding may add
  return largestGroup(weights, shape) / (groupLimit - groupSteps);
}

/** Whether the sums of one output fit, its weights and bias (the zero points' share inside) in steps. */
export function sumsFit(weights: ArrayLike<number>, bias: number, shape: ScaledFilter): boolean {
  if (shape.columns > 1) return largestGroup(weights, shape) <= groupLimit;
  if (shape.taps > mostDepthwiseTaps) return true;
  return reachOf(Float64Array.from(weights), bias) <= 2 ** 15 - 1 - slack;
}

/** Least scale of one output; `bias` in real units, with the zero points' share inside. */
export function leastScale(weights: Float64Array, bias: number, shape: ScaledFilter): number {
  const largest = weights.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const sums = shape.columns === 1 ? depthwiseScale(weights, bias) : groupScale(weights, shape);
  // the bias must fit 32 bits also where the weights are zeros
  return Math.fround(Math.max(largest / levels, sums, Math.abs(bias) / 2 ** 23, 1e-30));
}

/**
 * Scales, none finer than `least`, whose factors are whole: scale = factor * unit / 2^(15 + shift). `reach` is the
 * largest magnitude of every output in real units. Scales stay where no shift fits.
 */
export function wholeFactors(
  least: Float32Array,
  { unit, largest, safe, lift }: FilterUnits,
  reach: Float64Array,
): Float32Array {
  const shift = narrowShift(
    least.map((scale, o) => scale / (unit[o] as number)),
    largest,
  );
  if (shift === undefined) return least;
  return least.map((scale, o) => {
    const real = unit[o] as number;
    const fine = real / 2 ** (15 + shift);
    // enough that a saturated sum is beyond what the output can reach
    const most = Math.ceil((1.1 * ((reach[o] as number) + lift)) / real) + 1;
    return Math.fround(Math.max(Math.ceil(scale / fine - 1e-3), Math.min(safe[o] as number, most)) * fine);
  });
}
