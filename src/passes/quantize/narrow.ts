/**
 * Rounding in 16 bits: how the sums of a convolution become steps without floats.
 *
 *   q = clamp((saturate16(sum >> shift) * factor + 2^14) >> 15) + zeroPoint, 0, 127)
 *
 * An operation has one shift, every output a factor of 15 bits. The quantiser chooses the scales of filters so that
 * factors are whole numbers; with other scales they are rounded.
 *
 * With a residual r, or for the intrinsic maps x of a Ghost module's end (whose 256 x stands for the sum), in eighths:
 *
 *   q = clamp((round15(short * factor) + round15(256 r * residual) + offset) >> 3, 0, 127)
 *
 * Hard activations are in narrow-hard.ts.
 */

export interface Narrow {
  readonly shift: number;
  /** For each output. */
  readonly factors: Int16Array;
  readonly eighths?: Eighths | undefined;
  readonly hard?: HardEnds | undefined;
}

/** What a hard activation needs beside factors. */
export interface HardEnds {
  readonly activation: 'hardSwish' | 'hardSigmoid';
  /** `half` of hard-swish, `top` of hard-sigmoid, by output. */
  readonly ends: Int16Array;
  /** Of hard-swish; 0 otherwise. */
  readonly gateShift: number;
}

/** The terms that are added in eighths of a step. */
export interface Eighths {
  /** Factors of 256 times the residual; zeros where there is none. */
  readonly residual: Int16Array;
  /** Eight times the zero point and what else is added, and a half. */
  readonly offset: Int16Array;
}

/** Terms in eighths may be so large at most, so that three of them fit 16 bits. */
const mostEighths = 8192;

function eighths(values: ArrayLike<number>, unit: number): Int16Array | undefined {
  const rounded = Array.from(values, (value) => Math.round(value * unit));
  return rounded.every((value) => Math.abs(value) <= mostEighths) ? Int16Array.from(rounded) : undefined;
}

function makeEighths(
  residual: ArrayLike<number>,
  offset: ArrayLike<number>,
  zeroPoint: ArrayLike<number>,
): Eighths | undefined {
  const factors = eighths(residual, 1024);
  const added = eighths(
    Array.from(offset, (value, o) => value * 8 + (zeroPoint[o] as number) * 8 + 4),
    1,
  );
  return factors && added && { residual: factors, offset: added };
}

/** For sums of a filter with a residual; undefined where a term would not fit or a sum could saturate. */
export function residualNarrowing(
  multipliers: Float32Array,
  reach: Float64Array,
  residual: Float32Array,
  zeroPoint: Int32Array,
): Narrow | undefined {
  const fine = multipliers.map((value) => value * 8);
  const shift = narrowShift(fine);
  if (shift === undefined || !reach.every((most) => most < 2 ** (15 + shift) - 2 ** shift)) return undefined;
  const factors = eighths(fine, 2 ** (15 + shift));
  const added = makeEighths(residual, new Float32Array(multipliers.length), zeroPoint);
  return factors && added && { shift, factors, eighths: added };
}

/** For x * multiplier + offset + residual; undefined where a term would not fit. */
export function chainNarrowing(
  multipliers: Float32Array,
  offset: Float32Array,
  residual: Float32Array,
  zeroPoint: Int32Array,
): Narrow | undefined {
  const factors = eighths(multipliers, 1024);
  const added = makeEighths(residual, offset, zeroPoint);
  return factors && added && { shift: 0, factors, eighths: added };
}

/** The outputs that `pick` takes of each array. */
export function pickNarrow(
  narrow: Narrow | undefined,
  pick: (values: Int16Array) => Int16Array,
): Narrow | undefined {
  if (!narrow) return undefined;
  const { shift, factors, eighths: added, hard } = narrow;
  return {
    shift,
    factors: pick(factors),
    eighths: added && { residual: pick(added.residual), offset: pick(added.offset) },
    hard: hard && { ...hard, ends: pick(hard.ends) },
  };
}

/** Output o from its sum (or 256 x) and its residual. */
export function narrowedEighths(
  sum: number,
  { shift, factors, eighths: added }: Narrow,
  o: number,
  residual: number,
): number {
  const short = Math.min(2 ** 15 - 1, Math.max(-(2 ** 15), sum >> shift));
  const round = (value: number): number => (value + 2 ** 14) >> 15;
  const own = round(short * (factors[o] as number));
  const other = round(residual * 256 * (added?.residual[o] ?? 0));
  return Math.min(127, Math.max(0, (own + other + (added?.offset[o] ?? 0)) >> 3));
}

/** Where factors end: at 4096, what the shift cuts off is at most an eighth of a step. */
const largestFactor = 4096;
const mostShift = 15;
/** A sum that saturates is a step's end in any case when it counts for so many steps. */
const safeFactor = 128;

/** What the sums of a filter are counted in once they are multiplied by their factors; by output. */
export interface FilterUnits {
  /** Real value of one. */
  readonly unit: Float64Array;
  /** Where factors end. */
  readonly largest: number;
  /** From which factor on a sum may saturate. */
  readonly safe: ArrayLike<number>;
  /** Real value that is added to biases. */
  readonly lift: number;
}

/** Units of filters with nothing but a clamp behind them. */
export function plainUnits(unit: Float64Array): FilterUnits {
  return { unit, largest: largestFactor, safe: unit.map(() => safeFactor), lift: 0 };
}

/** The shift for multipliers (units per unit of the sum); undefined: some factor would not fit. */
export function narrowShift(multipliers: ArrayLike<number>, largest = largestFactor): number | undefined {
  let most = 0;
  for (let o = 0; o < multipliers.length; o++) most = Math.max(most, multipliers[o] as number);
  if (!(Math.round(most * 2 ** 15) < 2 ** 15)) return undefined;
  let shift = 0;
  while (shift < mostShift && most * 2 ** (16 + shift) <= largest) shift++;
  return shift;
}

/**
 * Shift and factors of sums, `multipliers` real units of one; `reach` is the largest magnitude of each. Undefined where
 * saturating could show, or factors do not fit.
 */
export function factorsOf(
  multipliers: Float32Array,
  { unit, largest, safe }: FilterUnits,
  reach: Float64Array,
): Pick<Narrow, 'shift' | 'factors'> | undefined {
  const relative = multipliers.map((value, o) => value / (unit[o] as number));
  const shift = narrowShift(relative, largest);
  if (shift === undefined) return undefined;
  const factors = Int16Array.from(relative, (value) => Math.round(value * 2 ** (15 + shift)));
  const isSafe = factors.every(
    (factor, o) => factor >= (safe[o] as number) || (reach[o] as number) < 2 ** (15 + shift),
  );
  return isSafe ? { shift, factors } : undefined;
}

/** For sums with nothing but a clamp behind them, `multipliers` steps of one. */
export function narrowing(multipliers: Float32Array, reach: Float64Array): Narrow | undefined {
  return factorsOf(multipliers, plainUnits(new Float64Array(multipliers.length).fill(1)), reach);
}

/** The factors of products of two maps of steps, which fit 16 bits; undefined where factors do not. */
export function productNarrowing(multipliers: Float32Array): Narrow | undefined {
  const factors = Array.from(multipliers, (value) => Math.round(value * 2 ** 15));
  const fit = factors.every((factor) => factor < 2 ** 15);
  return fit ? { shift: 0, factors: Int16Array.from(factors) } : undefined;
}

/** Output o from its sum or product. */
export function narrowed(
  sum: number,
  { shift, factors, hard }: Narrow,
  o: number,
  zeroPoint: number,
): number {
  const short = Math.min(2 ** 15 - 1, Math.max(-(2 ** 15), sum >> shift));
  const round = (value: number): number => (value + 2 ** 14) >> 15;
  const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, value));
  const own = round(short * (factors[o] as number));
  if (!hard) return clamp(own + zeroPoint, 127);
  const end = hard.ends[o] as number;
  if (hard.activation === 'hardSigmoid') return clamp(clamp(own, end) + zeroPoint, 127);
  return clamp(round(own * clamp((own >> hard.gateShift) + end, 2 * end)) + zeroPoint, 127);
}
