/** The 1x1 and kxk convolutions against plain loops, over remainders in pixels, quads and lanes. */
import { describe, expect, it } from 'vitest';
import { activate, cut, difference, isas, runKernel, toQuads, values } from '../../../test/kernel-harness.js';
import type { Pair } from '../../graph/nodes.js';
import { packConv } from './conv.js';
import type { Activation } from './kernel.js';
import { packMatrix, packVector } from './pointwise.js';

interface Shape {
  readonly C: number;
  readonly N: number;
  readonly H: number;
  readonly W: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
}

/** y[n][oy][ox] = act(bias[n] + residual + sum of w * x), in float64. */
function reference(
  s: Shape,
  x: Float32Array,
  w: Float32Array,
  bias: Float32Array,
  residual: Float32Array | null,
  activation: Activation,
): Float64Array {
  const [OH, OW] = outSize(s);
  const y = new Float64Array(s.N * OH * OW);
  for (let n = 0; n < s.N; n++)
    for (let oy = 0; oy < OH; oy++)
      for (let ox = 0; ox < OW; ox++) {
        const at = (n * OH + oy) * OW + ox;
        let sum = (bias[n] as number) + (residual?.[at] ?? 0);
        for (let c = 0; c < s.C; c++)
          for (let i = 0; i < s.kernel[0]; i++)
            for (let j = 0; j < s.kernel[1]; j++) {
              const iy = oy * s.stride[0] + i * s.dilation[0];
              const ix = ox * s.stride[1] + j * s.dilation[1];
              sum +=
                (x[(c * s.H + iy) * s.W + ix] as number) *
                (w[((n * s.C + c) * s.kernel[0] + i) * s.kernel[1] + j] as number);
            }
        y[at] = activate(sum, activation);
      }
  return y;
}

function outSize(s: Shape): [number, number] {
  const size = (axis: 0 | 1, length: number): number =>
    Math.floor((length - s.dilation[axis] * (s.kernel[axis] - 1) - 1) / s.stride[axis]) + 1;
  return [size(0, s.H), size(1, s.W)];
}

const dense = { kernel: [1, 1], stride: [1, 1], dilation: [1, 1] } as const;

describe('pointwise', () => {
  const shapes = [];
  for (const [H, W] of [
    [1, 1],
    [1, 2],
    [1, 3],
    [7, 1],
    [3, 5],
    [4, 5],
    [7, 7],
  ] as const)
    for (const N of [4, 8, 12, 16, 20, 28, 36]) shapes.push({ C: N === 20 ? 4 : 12, N, H, W, ...dense });
  it.each(shapes)('$C -> $N at $H x $W', (s) => {
    const P = s.H * s.W;
    const [x, w, bias, r] = [values(s.C * P), values(s.N * s.C, 2), values(s.N, 3), values(s.N * P, 4)];
    const quads = s.N / 4;
    const packed = (P === 1 ? packVector : packMatrix)(w, s.N, s.C);
    for (const isa of isas)
      for (const activation of [null, 'relu', 'hardSwish'] as const)
        for (const residual of [false, true]) {
          const expected = toQuads(reference(s, x, w, bias, residual ? r : null, activation), s.N, P);
          const outputs = [];
          const splits = [[quads], quads > 1 ? [1, quads - 1] : [1], Array.from({ length: quads }, () => 1)];
          for (const lengths of splits) {
            const output = residual ? toQuads(r, s.N, P) : new Float32Array(s.N * P);
            runKernel(
              { kind: 'pointwise', K: s.C, P, ranges: [...new Set(lengths)], activation, residual },
              isa,
              [toQuads(x, s.C, P), packed, bias, output, residual ? output : null],
              cut(lengths),
            );
            outputs.push(output);
          }
          expect(difference(outputs[0] as Float32Array, expected)).toBeLessThan(1e-5);
          expect(outputs[1]).toEqual(outputs[0]);
          expect(outputs[2]).toEqual(outputs[0]);
        }
  });
});

describe('conv', () => {
  const shapes: Shape[] = [
    { C: 4, N: 8, H: 5, W: 5, kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
    { C: 8, N: 12, H: 9, W: 9, kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
    { C: 8, N: 20, H: 9, W: 10, kernel: [3, 3], stride: [2, 2], dilation: [1, 1] },
    { C: 3, N: 16, H: 13, W: 11, kernel: [3, 3], stride: [2, 2], dilation: [1, 1] },
    { C: 3, N: 4, H: 17, W: 17, kernel: [7, 7], stride: [2, 2], dilation: [1, 1] },
    { C: 5, N: 8, H: 8, W: 7, kernel: [5, 1], stride: [1, 3], dilation: [1, 1] },
    { C: 9, N: 8, H: 12, W: 12, kernel: [3, 3], stride: [1, 1], dilation: [2, 3] },
    { C: 8, N: 16, H: 8, W: 8, kernel: [1, 1], stride: [2, 2], dilation: [1, 1] },
    { C: 12, N: 4, H: 6, W: 9, kernel: [1, 3], stride: [1, 1], dilation: [1, 1] },
    { C: 1, N: 4, H: 4, W: 4, kernel: [2, 2], stride: [1, 1], dilation: [1, 1] },
    { C: 2, N: 28, H: 3, W: 3, kernel: [3, 3], stride: [1, 1], dilation: [1, 1] },
  ];
  it.each(shapes)('$C -> $N, $H x $W, kernel $kernel, stride $stride, dilation $dilation', (s) => {
    const [OH, OW] = outSize(s);
    const [P, Q] = [s.H * s.W, OH * OW];
    const taps = s.kernel[0] * s.kernel[1];
    const [x, w, bias, r] = [
      values(s.C * P),
      values(s.N * s.C * taps, 2),
      values(s.N, 3),
      values(s.N * Q, 4),
    ];
    const inputQuads = Math.ceil(s.C / 4);
    const quads = s.N / 4;
    for (const isa of isas)
      for (const residual of [false, true]) {
        const expected = toQuads(reference(s, x, w, bias, residual ? r : null, 'relu'), s.N, Q);
        const outputs = [];
        for (const lengths of [[quads], quads > 1 ? [quads - 1, 1] : [1]]) {
          const output = new Float32Array(s.N * Q);
          runKernel(
            {
              kind: 'conv',
              inputQuads,
              lastLanes: s.C - (inputQuads - 1) * 4,
              paddedHeight: s.H,
              paddedWidth: s.W,
              kernel: s.kernel,
              stride: s.stride,
              dilation: s.dilation,
              outHeight: OH,
              outWidth: OW,
              ranges: [...new Set(lengths)],
              activation: 'relu',
              residual,
            },
            isa,
            [
              toQuads(x, s.C, P),
              packConv(w, s.N, s.C, s.kernel),
              bias,
              output,
              residual ? toQuads(r, s.N, Q) : null,
            ],
            cut(lengths),
          );
          outputs.push(output);
        }
        expect(difference(outputs[0] as Float32Array, expected)).toBeLessThan(2e-5);
        expect(outputs[1]).toEqual(outputs[0]);
      }
  });
});
