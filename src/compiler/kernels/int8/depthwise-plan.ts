/**
 * How an int8 depthwise convolution is cut up: units of taps that one multiplication serves, tiles of output pixels,
 * and sums that fit 16 bits. Decides what is loaded, multiplied and widened where; emits nothing.
 *
 * A vector holds 16 bytes of a quad's row: four pixels with relaxed SIMD, two without. With relaxed SIMD a unit is two
 * taps, whose products the dot product adds up; without it is one. A vector's sums are i16x8 of two pixels each.
 */
import type { Padding, Pair } from '../../../graph/nodes.js';
import type { Epilogue } from '../../../passes/quantize/arithmetic.js';
import { levels } from '../../../passes/quantize/network.js';
import { type Isa, keepsOrder } from '../kernel.js';
import { type Element, elementOf } from './element.js';

export interface DepthwiseShape {
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Row of the kernel, and columns of the input from the window's first. */
export interface Tap {
  readonly row: number;
  readonly column: number;
}

/** Taps in row-major order, two by two with relaxed SIMD; the last may be alone. */
export function tapUnits(
  { kernel, dilation }: DepthwiseShape,
  element: Element,
): readonly (readonly Tap[])[] {
  const taps = Array.from({ length: kernel[0] * kernel[1] }, (_, t) => ({
    row: Math.floor(t / kernel[1]),
    column: (t % kernel[1]) * dilation[1],
  }));
  const perUnit = element.bytes === 1 ? 2 : 1;
  return Array.from({ length: Math.ceil(taps.length / perUnit) }, (_, unit) =>
    taps.slice(unit * perUnit, (unit + 1) * perUnit),
  );
}

/** Output pixels from `x` on; the last of the vectors may stand over the row's end. */
export interface Tile {
  readonly x: number;
  readonly vectors: number;
  readonly pixels: number;
  /** Whether some vector that is loaded reaches over the left or right border. */
  readonly clipped: boolean;
}

export function rowTiles(shape: DepthwiseShape, most: number, element: Element): readonly Tile[] {
  const { kernel, stride, dilation, padding, outWidth, width } = shape;
  const perVector = 16 / element.pixelBytes;
  const tiles: Tile[] = [];
  for (let x = 0; x < outWidth; ) {
    const pixels = Math.min(most * perVector, outWidth - x);
    const vectors = Math.ceil(pixels / perVector);
    const first = x * stride[1] - padding[1];
    const last = first + (vectors * perVector - 1) * stride[1] + (kernel[1] - 1) * dilation[1];
    tiles.push({ x, vectors, pixels, clipped: first < 0 || last >= width });
    x += pixels;
  }
  return tiles;
}

/** Vectors of a tile: engines that move loads ahead must hold all of a loop body's. */
export function tileVectors(isa: Isa, groups: readonly number[]): number {
  if (groups.length > 1) return 1;
  if (!isa.relaxed) return 4;
  return keepsOrder(isa) ? 2 : 1;
}

/** How the sums stay exact in 16 bits. */
export interface SumPlan {
  /** Units of each sum of 16 bits; the sums of several groups are added in 32 bits. */
  readonly groups: readonly number[];
  /** Whether the bias is added in 32 bits; else it is in `start`. */
  readonly addsBias: boolean;
  /** What the sums of 16 bits start with, by output. */
  readonly start: Int16Array;
}

/**
 * The plan for filters [O][taps]. Sums may wrap on the way, only where they end counts: with steps of 0 to 127 that is
 * between start - 127 * (sum of negative magnitudes) and start + 127 * (sum of positive weights).
 */
export function planSums(values: Int8Array, taps: number, bias: Int32Array, element: Element): SumPlan {
  const outputs = bias.length;
  const perUnit = element.bytes === 1 ? 2 : 1;
  const units = Math.ceil(taps / perUnit);
  const limit = 2 ** 15 - 1;
  /** Least and most that units [from, to) of an output add up to. */
  const reach = (output: number, from: number, to: number): readonly [number, number] => {
    let [least, most] = [0, 0];
    for (let t = from * perUnit; t < Math.min(taps, to * perUnit); t++) {
      const value = (values[output * taps + t] as number) * levels;
      if (value < 0) least += value;
      else most += value;
    }
    return [least, most];
  };
  const all = Array.from(bias, (_, output) => reach(output, 0, units));
  const inside = all.every(([least, most], o) => {
    const start = bias[o] as number;
    return start + least >= -limit && start + most <= limit;
  });
  if (inside) return { groups: [units], addsBias: false, start: Int16Array.from(bias) };
  if (all.every(([least, most]) => most - least <= 2 * limit - 1)) {
    const start = Int16Array.from(all, ([least, most]) => -Math.round((least + most) / 2));
    return { groups: [units], addsBias: true, start };
  }
  const groups: number[] = [];
  for (let from = 0; from < units; ) {
    let to = from + 1;
    const fits = (end: number): boolean =>
      Array.from(bias.keys()).every((o) => {
        const [least, most] = reach(o, from, end);
        return least >= -limit && most <= limit;
      });
    while (to < units && fits(to + 1)) to++;
    groups.push(to - from);
    from = to;
  }
  return { groups, addsBias: true, start: new Int16Array(outputs) };
}

/** The epilogue with what the sums start with taken off its bias. */
export function restOfBias(epilogue: Epilogue, { start }: SumPlan): Epilogue {
  return { ...epilogue, bias: epilogue.bias.map((value, o) => value - (start[o] as number)) };
}

/**
 * Filters [C][taps] in stored order (C a multiple of 4) to [C/4][1 + units][16 bytes], every vector for two pixels:
 * what the sums start with, then units of [2][4] weights or [2][4][2] with relaxed SIMD.
 */
export function packInt8Depthwise(
  weights: Int8Array,
  start: Int16Array,
  shape: DepthwiseShape,
  isa: Pick<Isa, 'relaxed'>,
): Int8Array | Int16Array {
  const element = elementOf(isa);
  const units = tapUnits(shape, element);
  const taps = shape.kernel[0] * shape.kernel[1];
  const quads = start.length / 4;
  const perUnit = element.bytes === 1 ? 2 : 1;
  const bytes = new ArrayBuffer(quads * (1 + units.length) * 16);
  const packed = element.bytes === 1 ? new Int8Array(bytes) : new Int16Array(bytes);
  const starts = new Int16Array(bytes);
  for (let quad = 0; quad < quads; quad++) {
    const base = quad * (1 + units.length);
    for (let lane = 0; lane < 8; lane++) {
      const c = quad * 4 + (lane & 3);
      starts[base * 8 + lane] = start[c] as number;
      for (let t = 0; t < taps; t++)
        packed[((base + 1 + Math.floor(t / perUnit)) * 8 + lane) * perUnit + (t % perUnit)] = weights[
          c * taps + t
        ] as number;
    }
  }
  return packed;
}
