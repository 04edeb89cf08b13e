/**
 * The tensor of the reference ops: 32- or 64-bit floats, row-major. An op's result has the precision of its first
 * input and sums are always kept in 64 bits, so the same op serves as an oracle for a 32-bit engine (float64
 * throughout) and in finite-difference checks. No views, no broadcasting.
 */
import { elementCount } from '../graph/graph.js';

export type RealArray = Float32Array | Float64Array;

export interface RealTensor {
  readonly shape: readonly number[];
  readonly data: RealArray;
}

/** A zero tensor of this shape with the precision of `like`. */
export function zeros(shape: readonly number[], like: RealTensor): RealTensor {
  const length = elementCount(shape);
  return {
    shape,
    data: like.data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length),
  };
}

/** A copy in float64. */
export function toFloat64(x: RealTensor): RealTensor {
  return { shape: x.shape, data: Float64Array.from(x.data) };
}

/** N, C, H, W of a feature map; a flattened [N, C] counts as [N, C, 1, 1]. */
export function mapSize(x: RealTensor): { n: number; c: number; h: number; w: number } {
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  return { n, c, h, w };
}

/** Same shape, each value through `f`. */
export function mapValues(x: RealTensor, f: (value: number) => number): RealTensor {
  const y = zeros(x.shape, x);
  for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i] as number);
  return y;
}
