/** Pointwise, dense and depthwise convolutions against straightforward loops over logical tensors. */
import { describe, it } from 'vitest';
import { close, floats, quadIndex, runAll, scalar } from '../../../test/kernel-checks.js';
import { type ConvSpec, packConv } from './conv.js';
import { type DepthwiseSpec, packDepthwise } from './depthwise.js';
import type { Activation } from './kernel.js';
import { packMatrix, packVector } from './pointwise.js';
import type { KernelSpec } from './registry.js';

describe('pointwise', () => {
  const cases: [number, number, number, Activation, boolean][] = [
    [4, 4, 1, null, false],
    [8, 12, 5, 'relu', false],
    [20, 20, 49, 'relu6', true],
    [12, 52, 7, 'hardSwish', false],
    [16, 36, 1, 'hardSigmoid', false],
    [24, 8, 30, 'silu', true],
    [40, 16, 3, 'sigmoid', false],
  ];
  it.each(cases)('K=%i N=%i P=%i %s residual=%s', (K, N, P, activation, residual) => {
    const [input, weights, bias, added] = [floats(K * P), floats(N * K), floats(N), floats(N * P)];
    const expected = new Float64Array(N * P);
    for (let n = 0; n < N; n++)
      for (let p = 0; p < P; p++) {
        let sum = bias[n] as number;
        for (let k = 0; k < K; k++)
          sum += (weights[n * K + k] as number) * (input[quadIndex(k, p, P)] as number);
        const i = quadIndex(n, p, P);
        expected[i] = (scalar[String(activation)] as (x: number) => number)(
          sum + (residual ? (added[i] as number) : 0),
        );
      }
    const spec: KernelSpec = { kind: 'pointwise', K, P, ranges: [], activation, residual };
    const packed = (P === 1 ? packVector : packMatrix)(weights, N, K);
    const args = [input, packed, bias, new Float32Array(N * P), added];
    for (const result of runAll(spec, args, 3, N / 4)) close(result, expected);
  });
});

describe('conv', () => {
  const cases: [string, number, number, Partial<ConvSpec> & { H: number; W: number }][] = [
    ['3x3 of RGB, stride 2', 3, 8, { H: 9, W: 11, kernel: [3, 3], stride: [2, 2] }],
    ['5x3 of 6 channels, dilated', 6, 12, { H: 12, W: 9, kernel: [5, 3], dilation: [1, 2] }],
    ['3x3 7x7 map', 8, 20, { H: 9, W: 9, kernel: [3, 3], activation: 'relu', residual: true }],
    ['1x1 stride 2', 8, 8, { H: 6, W: 7, kernel: [1, 1], stride: [2, 2] }],
    ['1x7', 5, 4, { H: 3, W: 17, kernel: [1, 7] }],
    ['4x4 of 16', 16, 16, { H: 7, W: 6, kernel: [4, 4], stride: [1, 2], dilation: [2, 1] }],
  ];
  it.each(cases)('%s', (_, C, N, { H, W, ...options }) => {
    const {
      kernel = [3, 3],
      stride = [1, 1],
      dilation = [1, 1],
      activation = null,
      residual = false,
    } = options;
    const outHeight = Math.floor((H - dilation[0] * (kernel[0] - 1) - 1) / stride[0]) + 1;
    const outWidth = Math.floor((W - dilation[1] * (kernel[1] - 1) - 1) / stride[1]) + 1;
    const P = outHeight * outWidth;
    const quads = Math.ceil(C / 4);
    const taps = kernel[0] * kernel[1];
    const [input, weights, bias, added] = [
      floats(quads * 4 * H * W),
      floats(N * C * taps),
      floats(N),
      floats(N * P),
    ];
    const expected = new Float64Array(N * P);
    for (let n = 0; n < N; n++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++) {
          let sum = bias[n] as number;
          for (let c = 0; c < C; c++)
            for (let i = 0; i < kernel[0]; i++)
              for (let j = 0; j < kernel[1]; j++) {
                const at = (y * stride[0] + i * dilation[0]) * W + x * stride[1] + j * dilation[1];
                sum +=
                  (weights[((n * C + c) * kernel[0] + i) * kernel[1] + j] as number) *
                  (input[quadIndex(c, at, H * W)] as number);
              }
          const at = quadIndex(n, y * outWidth + x, P);
          expected[at] = (scalar[String(activation)] as (x: number) => number)(
            sum + (residual ? (added[at] as number) : 0),
          );
        }
    const spec: KernelSpec = {
      kind: 'conv',
      inputQuads: quads,
      lastLanes: ((C - 1) & 3) + 1,
      paddedHeight: H,
      paddedWidth: W,
      kernel,
      stride,
      dilation,
      outHeight,
      outWidth,
      ranges: [],
      activation,
      residual,
    };
    const args = [input, packConv(weights, N, C, kernel), bias, new Float32Array(N * P), added];
    for (const result of runAll(spec, args, 3, N / 4)) close(result, expected);
  });
});

describe('depthwise', () => {
  const cases: [string, Partial<DepthwiseSpec> & { H: number; W: number }][] = [
    ['3x3', { H: 7, W: 7, activation: 'relu' }],
    ['3x3 wide', { H: 5, W: 40 }],
    ['5x5 stride 2', { H: 14, W: 13, kernel: [5, 5], stride: [2, 2], padding: [2, 2, 2, 2] }],
    ['7x7 of a 3x4 map', { H: 3, W: 4, kernel: [7, 7], padding: [3, 3, 3, 3] }],
    ['asymmetric padding, residual', { H: 6, W: 9, kernel: [2, 2], padding: [0, 0, 1, 1], residual: true }],
    ['dilated', { H: 11, W: 23, dilation: [2, 3], padding: [2, 3, 2, 3] }],
    ['1x1', { H: 4, W: 5, kernel: [1, 1], padding: [0, 0, 0, 0], activation: 'silu' }],
    ['no padding, stride 3', { H: 10, W: 10, stride: [3, 3], padding: [0, 0, 0, 0] }],
    ['dual', { H: 8, W: 9, residual: true, dual: { affine: true, residual: true, activation: 'relu' } }],
    ['dual, plain', { H: 8, W: 9, dual: { affine: false, residual: false, activation: null } }],
  ];
  it.each(cases)('%s', (_, { H, W, ...options }) => {
    const C = 8;
    const { kernel = [3, 3], stride = [1, 1], dilation = [1, 1], padding = [1, 1, 1, 1] } = options;
    const { activation = null, residual = false, dual = null } = options;
    const outHeight =
      Math.floor((H + padding[0] + padding[2] - dilation[0] * (kernel[0] - 1) - 1) / stride[0]) + 1;
    const outWidth =
      Math.floor((W + padding[1] + padding[3] - dilation[1] * (kernel[1] - 1) - 1) / stride[1]) + 1;
    const P = outHeight * outWidth;
    const taps = kernel[0] * kernel[1];
    const [input, weights, bias] = [floats(C * H * W), floats(C * taps), floats(C)];
    const [added, added2, affine] = [floats(C * P), floats(C * P), floats(C * 2)];
    const expected = new Float64Array(C * P);
    const expected2 = new Float64Array(C * P);
    const act = (name: Activation, x: number): number => (scalar[String(name)] as (x: number) => number)(x);
    for (let c = 0; c < C; c++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++) {
          let sum = bias[c] as number;
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++) {
              const yy = y * stride[0] - padding[0] + i * dilation[0];
              const xx = x * stride[1] - padding[1] + j * dilation[1];
              if (yy < 0 || yy >= H || xx < 0 || xx >= W) continue;
              sum +=
                (weights[c * taps + i * kernel[1] + j] as number) *
                (input[quadIndex(c, yy * W + xx, H * W)] as number);
            }
          const at = quadIndex(c, y * outWidth + x, P);
          expected[at] = act(activation, sum + (residual ? (added[at] as number) : 0));
          if (!dual) continue;
          let second = input[at] as number;
          const lane = (c >> 2) * 8 + (c & 3);
          if (dual.affine) second = second * (affine[lane] as number) + (affine[lane + 4] as number);
          expected2[at] = act(dual.activation, second + (dual.residual ? (added2[at] as number) : 0));
        }
    const spec: KernelSpec = {
      kind: 'depthwise',
      height: H,
      width: W,
      kernel,
      stride,
      padding,
      dilation,
      outHeight,
      outWidth,
      activation,
      residual,
      dual,
    };
    const outputs = [new Float32Array(C * P), new Float32Array(C * P)] as const;
    const args = [
      input,
      packDepthwise(weights, C, taps),
      bias,
      outputs[0],
      added,
      outputs[1],
      affine,
      added2,
    ];
    for (const result of runAll(spec, args, 3, C / 4)) close(result, expected);
    if (dual) for (const result of runAll(spec, args, 5, C / 4)) close(result, expected2);
  });
});
