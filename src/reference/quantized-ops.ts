/**
 * The operations of an int8 network on one image, as plain integer loops: the definition that every engine must equal
 * to the bit. Rounding is written out; the constants are those of passes/quantize/arithmetic.ts.
 *
 * Shape legend: C channels, H and W input size, O output channels, P and Q output size. Values are [C][H][W].
 */
import type { Padding, Pair } from '../graph/nodes.js';
import type { Epilogue, Hard } from '../passes/quantize/arithmetic.js';
import { narrowed, narrowedEighths } from '../passes/quantize/narrow.js';
import type { ChannelScales, QuantizedFilter } from '../passes/quantize/network.js';
import { levels } from '../passes/quantize/network.js';
import { type PoolGeometry, poolWindow } from './pooling.js';

/** An int8 value: steps of 0 to 127. */
export interface Steps {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

export type Size = Pick<Steps, 'channels' | 'height' | 'width'>;

const f32 = Math.fround;
/** Adding and taking off 1.5 * 2^23 rounds a float32 to a whole number, halves to even. */
const magic = 12582912;

/** v to steps; `hard` works on real values. */
export function finish(v: number, hard: Hard, post: number, zeroPoint: number): number {
  let x = v;
  if (hard) {
    const gate = Math.min(Math.max(f32(x + 3), 0), 6);
    x = f32(f32(hard === 'hardSwish' ? f32(x * gate) : gate) * f32(1 / 6));
    x = f32(x * post);
  }
  const rounded = f32(x + magic) - magic;
  return Math.min(levels, Math.max(0, rounded + zeroPoint));
}

export function quantizeInput(x: Float32Array, size: Size, scales: ChannelScales): Steps {
  const pixels = size.height * size.width;
  const inverse = scales.scale.map((scale) => 1 / scale);
  const data = Uint8Array.from(x, (value, i) => {
    const c = Math.floor(i / pixels);
    const steps = f32(value * (inverse[c] as number));
    return finish(Math.min(1e6, Math.max(-1e6, steps)), null, 1, scales.zeroPoint[c] as number);
  });
  return { ...size, data };
}

export function dequantize(x: Steps, scales: ChannelScales): Float32Array {
  const pixels = x.height * x.width;
  return Float32Array.from(x.data, (q, i) => {
    const c = Math.floor(i / pixels);
    return f32((q - (scales.zeroPoint[c] as number)) * (scales.scale[c] as number));
  });
}

export interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
}

/** The sum of every output of a convolution. */
function convolve(
  x: Steps,
  zeroPoint: Int32Array,
  filter: QuantizedFilter,
  bias: Int32Array,
  window: Window,
  size: Size,
  visit: (o: number, index: number, sum: number) => void,
): void {
  const { kernel, stride, padding, dilation, groups } = window;
  const columns = x.channels / groups;
  const length = columns * kernel[0] * kernel[1];
  const outputs = size.channels / groups;
  const pixels = size.height * size.width;
  const { values } = filter;
  /** What the filters of a group see of one output pixel: [C/G][R][S], zero points outside of the map. */
  const patch = new Int32Array(length);
  const look = (first: number, p: number, q: number): void => {
    let at = 0;
    for (let c = first; c < first + columns; c++)
      for (let r = 0; r < kernel[0]; r++) {
        const row = p * stride[0] - padding[0] + r * dilation[0];
        for (let s = 0; s < kernel[1]; s++) {
          const column = q * stride[1] - padding[1] + s * dilation[1];
          const inside = row >= 0 && row < x.height && column >= 0 && column < x.width;
          patch[at++] = (inside ? x.data[(c * x.height + row) * x.width + column] : zeroPoint[c]) as number;
        }
      }
  };
  for (let g = 0; g < groups; g++)
    for (let pixel = 0; pixel < pixels; pixel++) {
      look(g * columns, Math.floor(pixel / size.width), pixel % size.width);
      for (let o = g * outputs; o < (g + 1) * outputs; o++) {
        let sum = bias[o] as number;
        for (let k = 0; k < length; k++) sum += (values[o * length + k] as number) * (patch[k] as number);
        visit(o, o * pixels + pixel, sum);
      }
    }
}

/** float(sum) * multiplier + residual, before rounding. */
function scaled(
  sum: number,
  o: number,
  index: number,
  epilogue: Epilogue,
  residual: Steps | undefined,
): number {
  const v = f32(f32(sum) * (epilogue.multiplier[o] as number));
  return residual ? f32(v + f32((residual.data[index] as number) * (epilogue.residual[o] as number))) : v;
}

export function filterForward(
  x: Steps,
  zeroPoint: Int32Array,
  filter: QuantizedFilter,
  epilogue: Epilogue,
  hard: Hard,
  window: Window,
  size: Size,
  residual: Steps | undefined,
): Steps {
  const data = new Uint8Array(size.channels * size.height * size.width);
  const { narrow } = epilogue;
  convolve(x, zeroPoint, filter, epilogue.bias, window, size, (o, index, sum) => {
    const point = epilogue.zeroPoint[o] as number;
    if (narrow?.eighths) {
      data[index] = narrowedEighths(sum, narrow, o, residual?.data[index] ?? 0);
      return;
    }
    data[index] = narrow
      ? narrowed(sum, narrow, o, point)
      : finish(scaled(sum, o, index, epilogue, residual), hard, epilogue.post[o] as number, point);
  });
  return { ...size, data };
}

/** A filter whose outputs stay floats. */
export function floatForward(
  x: Steps,
  zeroPoint: Int32Array,
  filter: QuantizedFilter,
  epilogue: Epilogue,
  hard: Hard,
  relu: number | null,
  window: Window,
  size: Size,
  residual: Steps | undefined,
): Float32Array {
  const values = new Float32Array(size.channels * size.height * size.width);
  convolve(x, zeroPoint, filter, epilogue.bias, window, size, (o, index, sum) => {
    let y = scaled(sum, o, index, epilogue, residual);
    if (relu !== null) y = Math.min(Math.max(y, 0), relu);
    if (hard) {
      const gate = Math.min(Math.max(f32(y + 3), 0), 6);
      y = f32(f32(hard === 'hardSwish' ? f32(y * gate) : gate) * f32(1 / 6));
    }
    values[index] = y;
  });
  return values;
}

/** act(x * a + b + residual). */
export function chainForward(x: Steps, epilogue: Epilogue, hard: Hard, residual: Steps | undefined): Steps {
  const pixels = x.height * x.width;
  const data = x.data.map((q, index) => {
    const c = Math.floor(index / pixels);
    if (epilogue.narrow) return narrowedEighths(q * 256, epilogue.narrow, c, residual?.data[index] ?? 0);
    let v = f32(f32(q * (epilogue.multiplier[c] as number)) + (epilogue.offset[c] as number));
    if (residual) v = f32(v + f32((residual.data[index] as number) * (epilogue.residual[c] as number)));
    return finish(v, hard, epilogue.post[c] as number, epilogue.zeroPoint[c] as number);
  });
  return { ...x, data };
}

/** Product of two maps, or of a map and a gate of one pixel. */
export function productForward(a: Steps, b: Steps, epilogue: Epilogue, hard: Hard): Steps {
  const pixels = a.height * a.width;
  const isGate = b.height * b.width === 1 && pixels !== 1;
  const data = a.data.map((q, index) => {
    const c = Math.floor(index / pixels);
    const other = b.data[isGate ? c : index] as number;
    const product = (q + (epilogue.bias[c] as number)) * (other + (epilogue.offset[c] as number));
    const { narrow } = epilogue;
    if (narrow) return narrowed(product, narrow, c, epilogue.zeroPoint[c] as number);
    const v = f32(product * (epilogue.multiplier[c] as number));
    return finish(v, hard, epilogue.post[c] as number, epilogue.zeroPoint[c] as number);
  });
  return { ...a, data };
}

export function tableForward(x: Steps, table: Uint8Array): Steps {
  const pixels = x.height * x.width;
  return { ...x, data: x.data.map((q, i) => table[Math.floor(i / pixels) * 128 + q] as number) };
}

/** The mean of every channel before rounding: the output where it stays floats. */
export function floatMeanForward(x: Steps, epilogue: Epilogue): Float32Array {
  const pixels = x.height * x.width;
  return Float32Array.from({ length: x.channels }, (_, c) => {
    let sum = epilogue.bias[c] as number;
    for (let p = 0; p < pixels; p++) sum += x.data[c * pixels + p] as number;
    return f32(f32(sum) * (epilogue.multiplier[c] as number));
  });
}

export function meanForward(x: Steps, epilogue: Epilogue): Steps {
  const means = floatMeanForward(x, epilogue);
  const data = Uint8Array.from(means, (v, c) => finish(v, null, 1, epilogue.zeroPoint[c] as number));
  return { channels: x.channels, height: 1, width: 1, data };
}

/** Max or average of windows, in the scale of the input. */
export function poolForward(
  x: Steps,
  zeroPoint: Int32Array,
  mode: 'max' | { readonly countIncludePad: boolean },
  { kernel, stride, padding }: PoolGeometry,
  size: Size,
): Steps {
  const data = new Uint8Array(size.channels * size.height * size.width);
  const [top, left, bottom, right] = padding;
  let at = 0;
  for (let c = 0; c < size.channels; c++)
    for (let p = 0; p < size.height; p++)
      for (let q = 0; q < size.width; q++) {
        const rows = poolWindow(p, x.height, kernel[0], stride[0], top, bottom);
        const columns = poolWindow(q, x.width, kernel[1], stride[1], left, right);
        let most = 0;
        let sum = 0;
        for (let i = rows.from; i < rows.to; i++)
          for (let j = columns.from; j < columns.to; j++) {
            const value = x.data[(c * x.height + i) * x.width + j] as number;
            most = Math.max(most, value);
            sum += value - (zeroPoint[c] as number);
          }
        const valid = (rows.to - rows.from) * (columns.to - columns.from);
        const count = mode !== 'max' && mode.countIncludePad ? rows.padded * columns.padded : valid;
        data[at++] = mode === 'max' ? most : finish(f32(sum / count), null, 1, zeroPoint[c] as number);
      }
  return { ...size, data };
}

export function upsampleForward(x: Steps, scale: Pair): Steps {
  const height = x.height * scale[0];
  const width = x.width * scale[1];
  const data = Uint8Array.from({ length: x.channels * height * width }, (_, i) => {
    const row = Math.floor((Math.floor(i / width) % height) / scale[0]);
    const column = Math.floor((i % width) / scale[1]);
    return x.data[(Math.floor(i / (width * height)) * x.height + row) * x.width + column] as number;
  });
  return { channels: x.channels, height, width, data };
}
