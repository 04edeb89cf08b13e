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
  const plane = new Float64Array(outH * outW);

  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      plane.fill(bias?.data[o] ?? 0);
      const firstChannel = Math.floor(o / outPerGroup) * channelsPerGroup;
      for (let c = 0; c < channelsPerGroup; c++) {
        const source = (n * inChannels + firstChannel + c) * h * w;
        for (let r = 0; r < kernelH; r++) {
          const rowOffset = r * dilation[0] - padding[0];
          const rows = validOutputs(outH, h, stride[0], rowOffset);
          for (let s = 0; s < kernelW; s++) {
            const columnOffset = s * dilation[1] - padding[1];
            const columns = validOutputs(outW, w, stride[1], columnOffset);
            const factor = weight.data[((o * channelsPerGroup + c) * kernelH + r) * kernelW + s] as number;
            for (let p = rows.from; p < rows.to; p++) {
              const row = source + (p * stride[0] + rowOffset) * w + columnOffset;
              for (let q = columns.from; q < columns.to; q++)
                plane[p * outW + q]! += factor * (x.data[row + q * stride[1]] as number);
            }
          }
        }
      }
      y.data.set(plane, (n * outChannels + o) * outH * outW);
    }
  }
  return y;
}
