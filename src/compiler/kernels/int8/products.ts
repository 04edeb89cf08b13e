/**
 * The steps of a matrix tile's inner loop: weights of one or two output quads times one word of input channels of m
 * pixels. With relaxed SIMD a group of steps is summed in 16 bits before it is widened to the sums of 32 bits, which
 * takes fewer instructions than a dot product that adds to 32 bits each time; `largestGroup` says how long a group may
 * be for given weights.
 */
import { levels } from '../../../passes/quantize/network.js';
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import { dotAdd } from './element.js';

/** Lengths of groups, longest first. */
export const groupLengths = [8, 4, 2, 1] as const;
export type GroupLength = (typeof groupLengths)[number];

/** Cuts of `count` steps that follow each other into groups. */
export function groupsOf(count: number, length: number): readonly number[] {
  return Array.from({ length: Math.ceil(count / length) }, (_, i) => Math.min(length, count - i * length));
}

/**
 * The longest group whose sums fit 16 bits for a stored filter [rows][columns][taps] (columns a multiple of 4): a lane
 * holds two channels of every quad in the group. `run` is how many steps are grouped at most: quads where there is one
 * tap, else columns of the kernel.
 */
export function largestGroup(
  values: Int8Array,
  rows: number,
  columns: number,
  taps: number,
  run: number,
): GroupLength {
  const limit = Math.floor((2 ** 15 - 1) / levels);
  const steps = taps === 1 ? columns / 4 : taps;
  /** Largest magnitude of one sign over steps [from, to) of a row's lane pair. */
  const fits = (row: number, quad: number, pair: number, from: number, to: number): boolean => {
    let [positive, negative] = [0, 0];
    for (let step = from; step < to; step++)
      for (let lane = pair; lane < pair + 2; lane++) {
        const column = (taps === 1 ? step : quad) * 4 + lane;
        const value = values[(row * columns + column) * taps + (taps === 1 ? 0 : step)] as number;
        if (value > 0) positive += value;
        else negative -= value;
      }
    return positive <= limit && negative <= limit;
  };
  const allFit = (length: number): boolean => {
    for (let row = 0; row < rows; row++)
      for (let quad = 0; quad < (taps === 1 ? 1 : columns / 4); quad++)
        for (let start = 0; start < steps; start += run)
          for (let from = start; from < Math.min(start + run, steps); from += length)
            for (const pair of [0, 2])
              if (!fits(row, quad, pair, from, Math.min(from + length, start + run, steps))) return false;
    return true;
  };
  return groupLengths.find((length) => length === 1 || allFit(length)) ?? 1;
}

/** One step: where its input is from the address on, its weights from the weight address on. */
export interface Step {
  readonly input: number;
  readonly weights: number;
}

export interface ProductTile {
  /** Pixels and the bytes between them. */
  readonly m: number;
  readonly pixelStep: number;
  readonly quads: number;
  readonly address: Local;
  readonly weight: Local;
  /** Sums of 32 bits of pixel i and quad j: sums[j * m + i]. */
  readonly sums: readonly Local[];
  /** Sums of 16 bits in the same order; only with relaxed SIMD. */
  readonly shorts: readonly Local[];
  readonly weights: readonly Local[];
  readonly x: Local;
}

/** Adds the products of a group of steps. */
export function addProducts(f: FunctionBuilder, tile: ProductTile, steps: readonly Step[], isa: Isa): void {
  const { m, quads, sums, shorts, weights, x } = tile;
  steps.forEach((step, s) => {
    for (let j = 0; j < quads; j++)
      f.get(tile.weight)
        .mem('v128Load', step.weights + j * 16)
        .set(weights[j] as Local);
    for (let i = 0; i < m; i++) {
      f.get(tile.address)
        .mem('v128Load32Splat', step.input + i * tile.pixelStep)
        .set(x);
      for (let j = 0; j < quads; j++) {
        const [sum, short, w] = [sums[j * m + i], shorts[j * m + i], weights[j]] as [Local, Local, Local];
        if (!isa.relaxed) {
          dotAdd(f, sum, w, x);
          continue;
        }
        // the steps come second: seven bits, so that engines agree
        if (s > 0) f.get(short);
        f.get(w).get(x).op('i16x8RelaxedDotI8x16I7x16S');
        if (s > 0) f.op('i16x8Add');
        if (s < steps.length - 1) f.set(short);
        else f.op('i32x4ExtaddPairwiseI16x8S').get(sum).op('i32x4Add').set(sum);
      }
    }
  });
}
