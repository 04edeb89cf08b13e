/**
 * The constants of int8 arithmetic, the same for reference and compiler. Every operation makes for each output an
 * integer `a` or float, then, each step rounded to float32:
 *
 *   v = float(a) * multiplier (+ offset) (+ float(residual) * residualMultiplier)
 *   v = hard-swish or hard-sigmoid of v, times post, where the operation has one
 *   q = clamp(roundHalfToEven(v) + zeroPoint, 0, 127)
 *
 * ReLU is the clamp at a zero point of 0. Convolutions round in 16 bits instead where they can (narrow.ts,
 * narrow-hard.ts), but for those that have both a residual and a hard activation. All steps are plain IEEE operations, so every engine gives the same bits.
 */
import { rangeError } from '../../errors.js';
import type { Weights } from '../../graph/graph.js';
import type { ActivationName } from '../../graph/nodes.js';
import { batchNormAffine } from '../fold-batch-norm.js';
import type { Operation } from '../fuse.js';
import {
  chainNarrowing,
  type FilterUnits,
  type Narrow,
  narrowing,
  plainUnits,
  productNarrowing,
  residualNarrowing,
} from './narrow.js';
import { hardNarrowing, hardUnits } from './narrow-hard.js';
import type { ChannelScales, QuantizedFilter } from './network.js';
import { levels } from './network.js';

/** Activations that are computed on real values before they are scaled. */
export type Hard = 'hardSwish' | 'hardSigmoid' | null;

export function hardOf(activation: ActivationName | null): Hard {
  return activation === 'hardSwish' || activation === 'hardSigmoid' ? activation : null;
}

/** Constants of each output channel. */
export interface Epilogue {
  /** Added to the integer sum (convolutions, pools). */
  readonly bias: Int32Array;
  /** Added after the multiplier (elementwise). */
  readonly offset: Float32Array;
  readonly multiplier: Float32Array;
  readonly residual: Float32Array;
  readonly post: Float32Array;
  readonly zeroPoint: Int32Array;
  /** Rounding in 16 bits instead, from the sum or product alone. */
  readonly narrow?: Narrow | undefined;
}

/** Where rounding by adding 1.5 * 2^23 stays exact. */
const largest = 2 ** 22;

function empty(channels: number): Epilogue {
  return {
    bias: new Int32Array(channels),
    offset: new Float32Array(channels),
    multiplier: new Float32Array(channels),
    residual: new Float32Array(channels),
    post: new Float32Array(channels),
    zeroPoint: new Int32Array(channels),
  };
}

export interface Scaling {
  readonly activation: ActivationName | null;
  /** Scales of the output's channels; undefined: the output is floats. */
  readonly out: ChannelScales | undefined;
  readonly residual: ChannelScales | undefined;
}

/** Real value of one step of v, and what turns a hard activation's result into steps. */
function unit({ activation, out }: Scaling, c: number): { readonly step: number; readonly post: number } {
  const scale = out?.scale[c] ?? 1;
  return hardOf(activation) ? { step: 1, post: 1 / scale } : { step: scale, post: 1 };
}

/** Most steps that are rounded when v is at most `most`: a hard sigmoid ends at 1, floats are not rounded. */
function reachedSteps(most: number, post: number, { activation, out }: Scaling): number {
  if (!out) return 0;
  return (activation === 'hardSigmoid' ? Math.min(most, 1) : most) * post;
}

/**
 * A convolution's constants. `input(o, i)` is the input channel of filter column i of output o.
 * Throws RangeError `QUANTIZATION_RANGE` when sums could leave the range in which rounding is exact.
 */
export function filterEpilogue(
  name: string,
  filter: QuantizedFilter,
  taps: number,
  zeroPoint: (output: number, column: number) => number,
  scaling: Scaling,
): Epilogue {
  const channels = filter.scales.length;
  const columns = filter.values.length / channels / taps;
  const result = empty(channels);
  const sums = new Float64Array(channels);
  for (let o = 0; o < channels; o++) {
    const { step, post } = unit(scaling, o);
    const scale = filter.scales[o] as number;
    let shift = 0;
    let [positive, negative] = [0, 0];
    for (let i = 0; i < columns; i++) {
      let row = 0;
      for (let t = 0; t < taps; t++) {
        const value = filter.values[(o * columns + i) * taps + t] as number;
        row += value;
        if (value > 0) positive += value;
        else negative -= value;
      }
      shift += row * zeroPoint(o, i);
    }
    const r = scaling.residual;
    const residualShift = r ? (r.zeroPoint[o] as number) * (r.scale[o] as number) : 0;
    const bias = Math.round(((filter.bias[o] as number) - residualShift) / scale) - shift;
    const multiplier = Math.fround(scale / step);
    sums[o] = Math.max(levels * positive + bias, levels * negative - bias, Math.abs(bias));
    const reach = reachedSteps((sums[o] as number) * multiplier, post, scaling);
    if (!(Math.abs(bias) < 2 ** 30) || reach > largest)
      throw rangeError(
        'QUANTIZATION_RANGE',
        `int8 "${name}": channel ${o} can reach ${reach.toExponential(1)} steps of its output's scale; calibrate with more typical pictures`,
      );
    result.bias[o] = bias;
    result.multiplier[o] = multiplier;
    result.residual[o] = r ? (r.scale[o] as number) / step : 0;
    result.post[o] = post;
    result.zeroPoint[o] = scaling.out?.zeroPoint[o] ?? 0;
  }
  return scaling.out ? narrowFilter(result, sums, scaling, scaling.out) : result;
}

/** The same in 16 bits where they do; `sums` are the largest magnitudes of the sums. */
function narrowFilter(
  epilogue: Epilogue,
  sums: Float64Array,
  { activation, residual }: Scaling,
  { scale }: ChannelScales,
): Epilogue {
  const { multiplier } = epilogue;
  const hard = hardOf(activation);
  if (hard && residual) return epilogue;
  // the 3 of (x + 3) / 6
  const lifts = multiplier.map((value) => (hard === 'hardSigmoid' ? Math.round(3 / value) : 0));
  const lifted = sums.map((sum, o) => sum + (lifts[o] as number));
  if (!lifted.every((sum) => sum < 2 ** 30)) return epilogue;
  const narrow = hard
    ? hardNarrowing(hard, multiplier, scale, lifted)
    : residual
      ? residualNarrowing(multiplier, sums, epilogue.residual, epilogue.zeroPoint)
      : narrowing(multiplier, sums);
  if (!narrow) return epilogue;
  // half a unit of what the shift cuts off, so that it rounds
  const half = (1 << narrow.shift) >> 1;
  return { ...epilogue, bias: epilogue.bias.map((value, o) => value + (lifts[o] as number) + half), narrow };
}

/** Units of a filter's sums by the scales of its outputs; undefined where floats are rounded. */
export function filterUnits(
  activation: ActivationName | null,
  scales: Float32Array,
  hasResidual: boolean,
): FilterUnits | undefined {
  const hard = hardOf(activation);
  if (hard) return hasResidual ? undefined : hardUnits(hard, scales);
  // with a residual, sums count in eighths
  return plainUnits(Float64Array.from(scales, (scale) => (hasResidual ? scale / 8 : scale)));
}

/** Whether sums become steps with nothing else added and no activation but a clamp. */
export function isNarrow({ activation, out, residual }: Scaling): boolean {
  return out !== undefined && residual === undefined && hardOf(activation) === null;
}

/** act(x * scale + shift + residual) of each channel, the scale and shift those of a batch norm where there is one. */
export function chainEpilogue(
  operation: Pick<Operation, 'affine'>,
  weights: Weights,
  x: ChannelScales,
  scaling: Scaling,
): Epilogue {
  const affine = operation.affine ? batchNormAffine(operation.affine, weights) : null;
  const channels = x.scale.length;
  const result = empty(channels);
  for (let c = 0; c < channels; c++) {
    const { step, post } = unit(scaling, c);
    const a = (affine?.scale[c] ?? 1) * (x.scale[c] as number);
    const r = scaling.residual;
    const residualShift = r ? (r.zeroPoint[c] as number) * (r.scale[c] as number) : 0;
    result.offset[c] = ((affine?.shift[c] ?? 0) - (x.zeroPoint[c] as number) * a - residualShift) / step;
    result.multiplier[c] = a / step;
    result.residual[c] = r ? (r.scale[c] as number) / step : 0;
    result.post[c] = post;
    result.zeroPoint[c] = scaling.out?.zeroPoint[c] ?? 0;
  }
  return result;
}

/** The same for the intrinsic maps of a Ghost module's end, in 16 bits where they fit. */
export function intrinsicEpilogue(...given: Parameters<typeof chainEpilogue>): Epilogue {
  const result = chainEpilogue(...given);
  const { activation, out } = given[3];
  if (!out || hardOf(activation)) return result;
  const { multiplier, offset, residual, zeroPoint } = result;
  return { ...result, narrow: chainNarrowing(multiplier, offset, residual, zeroPoint) };
}

/** (a - za) * (b - zb) of two maps, or of a map and its gate: `bias` is -za, `offset` is -zb. */
export function productEpilogue(a: ChannelScales, b: ChannelScales, scaling: Scaling): Epilogue {
  const channels = a.scale.length;
  const result = empty(channels);
  for (let c = 0; c < channels; c++) {
    const { step, post } = unit(scaling, c);
    result.bias[c] = -(a.zeroPoint[c] as number);
    result.offset[c] = -(b.zeroPoint[c] as number);
    result.multiplier[c] = ((a.scale[c] as number) * (b.scale[c] as number)) / step;
    result.post[c] = post;
    result.zeroPoint[c] = scaling.out?.zeroPoint[c] ?? 0;
  }
  return isNarrow(scaling) ? { ...result, narrow: productNarrowing(result.multiplier) } : result;
}

/** The mean of P pixels, from their sum; `out` undefined: as floats. */
export function meanEpilogue(x: ChannelScales, pixels: number, out: ChannelScales | undefined): Epilogue {
  const channels = x.scale.length;
  const result = empty(channels);
  for (let c = 0; c < channels; c++) {
    result.bias[c] = -pixels * (x.zeroPoint[c] as number);
    result.multiplier[c] = (x.scale[c] as number) / (pixels * (out?.scale[c] ?? 1));
    result.post[c] = 1;
    result.zeroPoint[c] = out?.zeroPoint[c] ?? 0;
  }
  return result;
}

/** A table activation: entry q of channel c is table[c * 128 + q]. */
export function activationTable(name: 'sigmoid' | 'silu', x: ChannelScales, out: ChannelScales): Uint8Array {
  const table = new Uint8Array(x.scale.length * 128);
  for (let c = 0; c < x.scale.length; c++)
    for (let q = 0; q < 128; q++) {
      const value = (q - (x.zeroPoint[c] as number)) * (x.scale[c] as number);
      const gate = 1 / (1 + Math.exp(-value));
      const y = name === 'sigmoid' ? gate : value * gate;
      const steps = Math.round(y / (out.scale[c] as number)) + (out.zeroPoint[c] as number);
      table[c * 128 + q] = Math.min(levels, Math.max(0, steps));
    }
  return table;
}
