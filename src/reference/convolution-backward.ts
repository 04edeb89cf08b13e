/**
 * Gradients of the convolution and the linear layer, as plain loops. dL/dx, dL/dweight and dL/dbias from dL/dy.
 * Shape legend: N batch, C input channels, O output channels, G groups, H, W input, P, Q output, R, S kernel.
 */
import { type ConvolutionGeometry, validOutputs } from './convolution.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

export interface ConvolutionGradients {
  readonly x: RealTensor;
  readonly weight: RealTensor;
  /** Present whether or not there is a bias: the sum of dy over images and pixels. */
  readonly bias: RealTensor;
}

/** x [N, C, H, W], weight [O, C/G, R, S], dy [N, O, P, Q]. */
export function conv2dBackward(
  x: RealTensor,
  weight: RealTensor,
  dy: RealTensor,
  geometry: ConvolutionGeometry,
): ConvolutionGradients {
  const { n: batch, c: inChannels, h, w } = mapSize(x);
  const { n: outChannels, c: perGroup, h: kernelH, w: kernelW } = mapSize(weight);
  const { h: outH, w: outW } = mapSize(dy);
  const { stride, padding, dilation, groups } = geometry;
  const gradients = {
    x: zeros(x.shape, x),
    weight: zeros(weight.shape, weight),
    bias: zeros([outChannels], weight),
  };
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outChannels; o++) {
      const out = (n * outChannels + o) * outH * outW;
      for (let i = out; i < out + outH * outW; i++) gradients.bias.data[o]! += dy.data[i]!;
      const first = Math.floor(o / (outChannels / groups)) * perGroup;
      for (let c = 0; c < perGroup; c++)
        for (let r = 0; r < kernelH; r++)
          for (let s = 0; s < kernelW; s++) {
            const tap = ((o * perGroup + c) * kernelH + r) * kernelW + s;
            const rowOffset = r * dilation[0] - padding[0];
            const columnOffset = s * dilation[1] - padding[1];
            const rows = validOutputs(outH, h, stride[0], rowOffset);
            const columns = validOutputs(outW, w, stride[1], columnOffset);
            let sum = 0;
            for (let p = rows.from; p < rows.to; p++)
              for (let q = columns.from; q < columns.to; q++) {
                const row = p * stride[0] + rowOffset;
                const at = ((n * inChannels + first + c) * h + row) * w + q * stride[1] + columnOffset;
                const slope = dy.data[out + p * outW + q]!;
                sum += slope * x.data[at]!;
                gradients.x.data[at]! += slope * weight.data[tap]!;
              }
            gradients.weight.data[tap]! += sum;
          }
    }
  return gradients;
}

/** y = x W^T + b. x [N, F], weight [O, F], dy [N, O]. */
export function linearBackward(x: RealTensor, weight: RealTensor, dy: RealTensor): ConvolutionGradients {
  const [n = 0, inputs = 0] = x.shape;
  const [outputs = 0] = weight.shape;
  const asMap = (t: RealTensor, a: number, b: number): RealTensor => ({ shape: [a, b, 1, 1], data: t.data });
  const made = conv2dBackward(asMap(x, n, inputs), asMap(weight, outputs, inputs), asMap(dy, n, outputs), {
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
  });
  return {
    x: { shape: x.shape, data: made.x.data },
    weight: { shape: weight.shape, data: made.weight.data },
    bias: made.bias,
  };
}
