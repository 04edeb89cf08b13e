/**
 * Rounding in 16 bits: how the sums of a convolution become steps without floats, where nothing else is added and no
 * activation but a clamp follows.
 *
 *   q = clamp((saturate16(sum >> shift) * factor + 2^14) >> 15) + zeroPoint, 0, 127)
 *
 * An operation has one shift, every output a factor of 15 bits. The quantiser chooses the scales of filters so that
 * factors are whole numbers; with other scales they are rounded.
 */

export interface Narrow {
  readonly shift: number;
  /** 0 to 32767 for each output. */
  readonly factors: Int16Array;
}

/** Where factors end: at 4096, what the shift cuts off is at most an eighth of a step. */
const largestFactor = 4096;
const mostShift = 15;
/** A sum that saturates is a step's end in any case when it counts for so many steps. */
export const safeFactor = 128;

/** The shift for multipliers (steps per unit of the sum); undefined: some factor would not fit. */
export function narrowShift(multipliers: ArrayLike<number>): number | undefined {
  let most = 0;
  for (let o = 0; o < multipliers.length; o++) most = Math.max(most, multipliers[o] as number);
  if (!(Math.round(most * 2 ** 15) < 2 ** 15)) return undefined;
  let shift = 0;
  while (shift < mostShift && most * 2 ** (16 + shift) <= largestFactor) shift++;
  return shift;
}

/**
 * The factors of multipliers; `reach` is the largest magnitude of each sum. Undefined where saturating could show, or
 * factors do not fit.
 */
export function narrowing(multipliers: Float32Array, reach: Float64Array): Narrow | undefined {
  const shift = narrowShift(multipliers);
  if (shift === undefined) return undefined;
  const factors = Int16Array.from(multipliers, (value) => Math.round(value * 2 ** (15 + shift)));
  const isSafe = factors.every(
    (factor, o) => factor >= safeFactor || (reach[o] as number) < 2 ** (15 + shift),
  );
  return isSafe ? { shift, factors } : undefined;
}

/** The factors of products of two maps of steps, which fit 16 bits; undefined where they would be rounded too coarsely. */
export function productNarrowing(multipliers: Float32Array): Narrow | undefined {
  const factors = Int16Array.from(multipliers, (value) => Math.min(2 ** 15 - 1, Math.round(value * 2 ** 15)));
  const isFine = multipliers.every((value) => value * 2 ** 15 >= safeFactor && value < 0.99);
  return isFine ? { shift: 0, factors } : undefined;
}

/** One sum to steps. */
export function narrowed(sum: number, shift: number, factor: number, zeroPoint: number): number {
  const short = Math.min(2 ** 15 - 1, Math.max(-(2 ** 15), sum >> shift));
  return Math.min(127, Math.max(0, ((short * factor + 2 ** 14) >> 15) + zeroPoint));
}
