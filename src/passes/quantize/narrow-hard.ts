/**
 * Hard activations in 16 bits, behind the same shift and factors as other sums (narrow.ts). With
 * a = round15(saturate16(sum >> shift) * factor):
 *
 *   hard-swish    q = clamp(round15(a * clamp((a >> gateShift) + half, 0, 2 half)) + zeroPoint, 0, 127)
 *   hard-sigmoid  q = clamp(clamp(a, 0, top) + zeroPoint, 0, 127)
 *
 * where round15(x) = (x + 2^14) >> 15. Of hard-swish, `half` stands for 3 in units of a >> gateShift. A product of two
 * such numbers over 2^15 counts whole steps of size s where half^2 = 3 * 2^14 / (s 2^gateShift); rounding `half` moves the
 * bends at -3 and 3, not the steps behind them. Steps so fine that `half` would be too large have a gateShift. Of
 * hard-sigmoid a counts steps, the half of x / 6 + 1 / 2 is in the bias, and `top` is 1.
 */
import { type FilterUnits, factorsOf, type HardEnds, type Narrow, plainUnits } from './narrow.js';

/** Of `half`: enough to be a bend; so little that a unit of a counts less than 0.28 steps where no clamp hides it. */
const [leastHalf, mostHalf] = [8, 8000];
const mostGateShift = 10;
/** Where factors of hard-swish end: one unit of a shifted sum is then at most one of a. */
const largestFactor = 32000;
/** Tops beyond the last step make no difference. */
const mostTop = 1000;

/** `half` of outputs in steps of `scales`, and the shift; undefined where there are none. */
function halvesOf(
  scales: ArrayLike<number>,
): { readonly halves: Float64Array; readonly gateShift: number } | undefined {
  const squares = Float64Array.from(scales, (scale) => (3 * 2 ** 14) / scale);
  const finest = squares.reduce((most, square) => Math.max(most, square), 0);
  const gateShift = Math.max(0, Math.ceil(Math.log2(finest / mostHalf ** 2)));
  const halves = squares.map((square) => Math.round(Math.sqrt(square / 2 ** gateShift)));
  return gateShift <= mostGateShift && halves.every((half) => half >= leastHalf)
    ? { halves, gateShift }
    : undefined;
}

/** Units of a filter with a hard activation behind it; undefined where 16 bits would not do. */
export function hardUnits(
  activation: HardEnds['activation'],
  scales: ArrayLike<number>,
): FilterUnits | undefined {
  if (activation === 'hardSigmoid')
    return { ...plainUnits(Float64Array.from(scales, (scale) => 6 * scale)), lift: 3 };
  const found = halvesOf(scales);
  if (!found) return undefined;
  const { halves, gateShift } = found;
  return {
    unit: halves.map((half, o) => (half * (scales[o] as number)) / 2 ** 14),
    largest: largestFactor,
    // a sum that saturates is beyond the bends, and beyond the last step
    safe: halves.map((half) => Math.max(half * 2 ** gateShift, Math.ceil((128 * 2 ** 14) / half)) + 1),
    lift: 0,
  };
}

/**
 * For sums of a filter, `multipliers` real units of one; undefined where saturating could show, or factors do not fit.
 * `reach` is the largest magnitude of each sum, of hard-sigmoid with the 3 that is added to its bias.
 */
export function hardNarrowing(
  activation: HardEnds['activation'],
  multipliers: Float32Array,
  scales: Float32Array,
  reach: Float64Array,
): Narrow | undefined {
  const units = hardUnits(activation, scales);
  const factors = units && factorsOf(multipliers, units, reach);
  if (!factors) return undefined;
  const { halves, gateShift = 0 } = (activation === 'hardSwish' && halvesOf(scales)) || {};
  const tops = scales.map((scale) => Math.min(mostTop, Math.round(1 / scale)));
  return { ...factors, hard: { activation, ends: Int16Array.from(halves ?? tops), gateShift } };
}
