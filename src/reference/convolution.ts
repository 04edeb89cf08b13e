/**
 * 2-D convolution (cross-correlation, as everywhere in this field) with stride, asymmetric padding, dilation and
 * groups, as plain loops. The oracle, not the engine.
 *
 * Shape legend: N batch, C input channels, O output channels, G groups, H and W input size, P and Q output size,
 * R and S kernel size.
 */
import type { Padding, Pair } from '../graph/nodes.js';
import { windowShape } from '../graph/shapes.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

export interface ConvolutionGeometry {
  readonly stride: Pair;
  /** Zeros at top, left, bottom, right. */
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
}

/** The output positions p in [from, to) for which `p * stride + offset` lies in [0, size). */
export function validOutputs(
  outputs: number,
  size: number,
  stride: number,
  offset: number,
): { readonly from: number; readonly to: number } {
  const from = Math.max(0, Math.ceil(-offset / stride));
  const to = Math.min(outputs, Math.floor((size - 1 - offset) / stride) + 1);
  return { from, to };
}

/** x [N, C, H, W], weight [O, C/G, R, S], bias [O] or undefined; result [N, O, P, Q]. */
export function conv2dForward(
  x: RealTensor,
  weight: RealTensor,
  bias: RealTensor | undefined,
  geometry: ConvolutionGeometry,
): RealTensor {
  const { n: batch, c: inChannels, h, w } = mapSize(x);
  const { n: outChannels, c: channelsPerGroup, h: kernelH, w: kernelW } = mapSize(weight);
  const { stride, padding, dilation, groups } = geometry;
  const y = zeros(windowShape(x.shape, outChannels, { kernel: [kernelH, kernelW], ...geometry }), x);
  const { h: outH, w: outW } = mapSize(y);
  const outPerGroup = outChannels / groups;
  const length = channelsPerGroup * kernelH * kernelW;
  const [xs, ys] = [x.data, y.data];
  const filters = weight.data instanceof Float64Array ? weight.data : new Float64Array(weight.data);
  /** What the filters of a group see of one output pixel, in their own order [C/G, R, S]; zeros outside of the map. */
  const patch = new Float64Array(length);
  const look = (from: number, p: number, q: number): void => {
    let at = 0;
    for (let c = 0; c < channelsPerGroup; c++)
      for (let r = 0; r < kernelH; r++) {
        const row = p * stride[0] - padding[0] + r * dilation[0];
        const start = from + (c * h + row) * w;
        for (let s = 0; s < kernelW; s++) {
          const column = q * stride[1] - padding[1] + s * dilation[1];
          const inside = row >= 0 && row < h && column >= 0 && column < w;
          patch[at++] = inside ? (xs[start + column] as number) : 0;
        }
      }
  };

  const start = (o: number): number => bias?.data[o] ?? 0;
  const put = (n: number, o: number, pixel: number, sum: number): void => {
    ys[(n * outChannels + o) * outH * outW + pixel] = sum;
  };

  for (let n = 0; n < batch; n++)
    for (let g = 0; g < groups; g++)
      for (let pixel = 0; pixel < outH * outW; pixel++) {
        look((n * inChannels + g * channelsPerGroup) * h * w, Math.floor(pixel / outW), pixel % outW);
        const end = (g + 1) * outPerGroup;
        let o = end - outPerGroup;
        // four sums at once: one alone waits for itself at every addition
        for (; o + 3 < end; o += 4) {
          const [f0, f1, f2, f3] = [o * length, (o + 1) * length, (o + 2) * length, (o + 3) * length];
          let [s0, s1, s2, s3] = [start(o), start(o + 1), start(o + 2), start(o + 3)];
          for (let k = 0; k < length; k++) {
            const value = patch[k] as number;
            s0 += value * (filters[f0 + k] as number);
            s1 += value * (filters[f1 + k] as number);
            s2 += value * (filters[f2 + k] as number);
            s3 += value * (filters[f3 + k] as number);
          }
          put(n, o, pixel, s0);
          put(n, o + 1, pixel, s1);
          put(n, o + 2, pixel, s2);
          put(n, o + 3, pixel, s3);
        }
        for (; o < end; o++) {
          let sum = start(o);
          for (let k = 0; k < length; k++) sum += (patch[k] as number) * (filters[o * length + k] as number);
          put(n, o, pixel, sum);
        }
      }
  return y;
}
