/**
 * Every kernel against straightforward loops over logical tensors, on both instruction sets where the engine has them,
 * with the units in one range and in two: the bits must not depend on the split.
 */
import { describe, expect, it } from 'vitest';
import { isas, runKernel } from '../../../test/kernel-harness.js';
import { Random } from '../../models/random.js';
import { type ConvSpec, packConv } from './conv.js';
import { type DepthwiseSpec, packDepthwise } from './depthwise.js';
import type { Activation, Isa } from './kernel.js';
import { packMatrix } from './pointwise.js';
import type { KernelSpec } from './registry.js';

const random = new Random(5);
function floats(count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Runs a kernel on copies of the given arrays; the copy of the array at `output` is returned as it is afterwards. */
function run(
  spec: KernelSpec,
  isa: Isa,
  args: readonly (Float32Array | Int32Array | number)[],
  output: number,
  ranges: readonly (readonly [number, number])[],
): Float32Array {
  const copies = args.map((arg) => (typeof arg === 'number' ? null : arg.slice()));
  runKernel(spec, isa, copies, ranges);
  return copies[output] as Float32Array;
}

/** Runs in one range and in two; both must give the same bits. Returns the result of each isa. */
function runAll(
  spec: KernelSpec,
  args: readonly (Float32Array | Int32Array | number)[],
  output: number,
  units: number,
): readonly Float32Array[] {
  return isas.map((isa) => {
    const ranged = (ranges: readonly (readonly [number, number])[]): Float32Array => {
      const lengths = [...new Set(ranges.map(([from, to]) => to - from))];
      return run('ranges' in spec ? { ...spec, ranges: lengths } : spec, isa, args, output, ranges);
    };
    const whole = ranged([[0, units]]);
    if (units > 1) {
      const cut = Math.ceil(units / 2);
      expect(
        ranged([
          [cut, units],
          [0, cut],
        ]),
      ).toEqual(whole);
    }
    return whole;
  });
}

const scalar: Record<string, (x: number) => number> = {
  null: (x) => x,
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  hardSigmoid: (x) => Math.min(6, Math.max(0, x + 3)) / 6,
  hardSwish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
};

function close(actual: Float32Array, expected: ArrayLike<number>, tolerance = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs((actual[i] as number) - (expected[i] as number));
    worst = Math.max(
      worst,
      Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / (1 + Math.abs(expected[i] as number)),
    );
  }
  expect(worst).toBeLessThan(tolerance);
}

/** Index of channel c, pixel p in quads. */
const quadIndex = (c: number, p: number, P: number): number => ((c >> 2) * P + p) * 4 + (c & 3);

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
    const args = [input, packMatrix(weights, N, K), bias, new Float32Array(N * P), added];
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

describe('pools', () => {
  it.each([
    ['max', [3, 3], [2, 2], [1, 1, 1, 1], 7, 8, false],
    ['max', [3, 3], [2, 2], [0, 0, 1, 1], 6, 6, false],
    ['average', [2, 3], [1, 2], [0, 1, 1, 0], 5, 9, true],
    ['average', [3, 3], [2, 2], [1, 1, 1, 1], 7, 8, false],
    ['average', [1, 1], [2, 2], [0, 0, 0, 0], 7, 8, true],
  ] as const)('%s %s stride %s padding %s', (mode, kernel, stride, padding, H, W, countIncludePad) => {
    const C = 8;
    const outHeight = Math.floor((H + padding[0] + padding[2] - kernel[0]) / stride[0]) + 1;
    const outWidth = Math.floor((W + padding[1] + padding[3] - kernel[1]) / stride[1]) + 1;
    const P = outHeight * outWidth;
    const input = floats(C * H * W);
    const expected = new Float64Array(C * P);
    for (let c = 0; c < C; c++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++) {
          const seen: number[] = [];
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++) {
              const [yy, xx] = [y * stride[0] - padding[0] + i, x * stride[1] - padding[1] + j];
              if (yy >= 0 && yy < H && xx >= 0 && xx < W)
                seen.push(input[quadIndex(c, yy * W + xx, H * W)] as number);
            }
          const sum = seen.reduce((a, b) => a + b, 0);
          const count = countIncludePad ? kernel[0] * kernel[1] : seen.length;
          expected[quadIndex(c, y * outWidth + x, P)] = mode === 'max' ? Math.max(...seen) : sum / count;
        }
    const spec: KernelSpec = {
      kind: 'pool',
      mode,
      height: H,
      width: W,
      kernel,
      stride,
      padding,
      outHeight,
      outWidth,
      countIncludePad,
    };
    for (const result of runAll(spec, [input, new Float32Array(C * P)], 1, C / 4)) close(result, expected);
  });

  it('ceil mode: a window may reach beyond the padding, which never counts', () => {
    // one row of 6, padding 1, window 3, stride 3: starts at -1, 2 and 5; the last window has 5, the padding, nothing
    const input = Float32Array.from({ length: 6 * 4 }, (_, i) => -1 - (i >> 2));
    const shape = { height: 1, width: 6, kernel: [1, 3], stride: [1, 3], padding: [0, 1, 0, 1] } as const;
    const size = { outHeight: 1, outWidth: 3 } as const;
    const pool = (mode: 'max' | 'average', countIncludePad: boolean): number[][] =>
      runAll(
        { kind: 'pool', mode, ...shape, ...size, countIncludePad },
        [input, new Float32Array(12)],
        1,
        1,
      ).map((result) => [result[0], result[4], result[8]] as number[]);
    for (const result of pool('max', true)) expect(result).toEqual([-1, -3, -6]);
    for (const result of pool('average', false)) expect(result).toEqual([-1.5, -4, -6]);
    for (const result of pool('average', true)) expect(result).toEqual([-1, -4, -3]);
  });

  it.each([1, 3, 4, 49])('global average of %i pixels', (P) => {
    const input = floats(8 * P);
    const expected = Float64Array.from({ length: 8 }, (_, c) => {
      let sum = 0;
      for (let p = 0; p < P; p++) sum += input[quadIndex(c, p, P)] as number;
      return sum / P;
    });
    for (const result of runAll({ kind: 'globalPool', P }, [input, new Float32Array(8)], 1, 2))
      close(result, expected);
  });
});

describe('elementwise and softmax', () => {
  const activations: Activation[] = [null, 'relu', 'relu6', 'hardSwish', 'hardSigmoid', 'sigmoid', 'silu'];
  it.each(activations)('%s after every op', (activation) => {
    const act = scalar[String(activation)] as (x: number) => number;
    for (const P of [1, 6, 9]) {
      const C = 8;
      const a = floats(C * P).map((x) => x * 3);
      const full = floats(C * P);
      const gate = floats(C);
      const affine = floats(C * 2);
      const each = (f: (x: number, i: number, c: number) => number): Float64Array =>
        Float64Array.from(a, (x, i) => act(f(x, i, Math.floor(i / (4 * P)) * 4 + (i & 3))));
      const check = (
        op: 'add' | 'mul' | 'activation' | 'affine' | 'scale',
        b: Float32Array | number,
        expected: Float64Array,
      ): void => {
        const spec: KernelSpec = { kind: 'elementwise', op, P, activation };
        for (const result of runAll(spec, [a, b, new Float32Array(C * P)], 2, 2)) close(result, expected);
      };
      check(
        'add',
        full,
        each((x, i) => x + (full[i] as number)),
      );
      check(
        'mul',
        full,
        each((x, i) => x * (full[i] as number)),
      );
      check(
        'activation',
        0,
        each((x) => x),
      );
      check(
        'scale',
        gate,
        each((x, _, c) => x * (gate[c] as number)),
      );
      const lane = (c: number): number => (c >> 2) * 8 + (c & 3);
      check(
        'affine',
        affine,
        each((x, _, c) => x * (affine[lane(c)] as number) + (affine[lane(c) + 4] as number)),
      );
    }
  });

  it('sigmoid holds for far inputs', () => {
    const a = Float32Array.of(-200, -88, -20, -1e-3, 0, 20, 88, 200);
    const spec: KernelSpec = { kind: 'elementwise', op: 'activation', P: 2, activation: 'sigmoid' };
    for (const result of runAll(spec, [a, 0, new Float32Array(8)], 2, 1))
      close(result, Float64Array.from(a, scalar['sigmoid'] as (x: number) => number), 1e-6);
  });

  it.each([
    [1, 1],
    [10, 1],
    [7, 3],
    [1001, 1],
  ])('softmax of %i channels, %i pixels', (C, P) => {
    const stored = Math.ceil(C / 4) * 4;
    const input = floats(stored * P).map((x) => x * 5);
    const expected = new Float64Array(stored * P);
    for (let p = 0; p < P; p++) {
      const logits = Array.from({ length: C }, (_, c) => input[quadIndex(c, p, P)] as number);
      const most = Math.max(...logits);
      const sum = logits.reduce((total, x) => total + Math.exp(x - most), 0);
      logits.forEach((x, c) => {
        expected[quadIndex(c, p, P)] = Math.exp(x - most) / sum;
      });
    }
    for (const result of runAll({ kind: 'softmax', C, P }, [input, new Float32Array(stored * P)], 1, 1))
      close(result, expected, 1e-6);
  });
});

describe('movement', () => {
  const padding = [1, 2, 0, 1] as const;
  it.each([
    [1, 3, 3],
    [3, 5, 9],
    [4, 2, 4],
    [6, 1, 7],
  ])('import and pad %i channels of %ix%i', (channels, height, width) => {
    const quads = Math.ceil(channels / 4);
    const planar = floats(channels * height * width);
    const paddedWidth = width + 3;
    const P = (height + 1) * paddedWidth;
    const plain = new Float32Array(quads * 4 * height * width);
    const bordered = new Float32Array(quads * 4 * P);
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const value = planar[(c * height + y) * width + x] as number;
          plain[quadIndex(c, y * width + x, height * width)] = value;
          bordered[quadIndex(c, (y + 1) * paddedWidth + x + 2, P)] = value;
        }
    const garbage = (length: number): Float32Array => new Float32Array(length).fill(9);
    const none = [0, 0, 0, 0] as const;
    const importing = { kind: 'import', channels, height, width } as const;
    for (const result of runAll({ ...importing, padding: none }, [planar, garbage(plain.length)], 1, quads))
      expect(result).toEqual(plain);
    for (const result of runAll({ ...importing, padding }, [planar, garbage(bordered.length)], 1, quads))
      expect(result).toEqual(bordered);
    const spec: KernelSpec = { kind: 'pad', height, width, padding };
    for (const result of runAll(spec, [plain, garbage(bordered.length)], 1, quads))
      expect(result).toEqual(bordered);
  });

  it('export and repack gather channels; upsample repeats pixels', () => {
    const P = 6;
    const input = floats(8 * P);
    // two quads with zeros and one without
    const wanted = [5, 0, -1, 7, 2, -1, -1, 1, 6, 3, 0, 5];
    const table = Int32Array.from(wanted, (c) => (c < 0 ? -1 : (c >> 2) * P * 16 + (c & 3) * 4));
    const at = (c: number, p: number): number => (c < 0 ? 0 : (input[quadIndex(c, p, P)] as number));
    for (const result of runAll({ kind: 'repack', P }, [input, table, floats(12 * P)], 2, 3))
      wanted.forEach((c, stored) => {
        for (let p = 0; p < P; p++) expect(result[quadIndex(stored, p, P)]).toBe(at(c, p));
      });
    const planar = Int32Array.of(5, 0, 7).map((c) => (c >> 2) * P * 16 + (c & 3) * 4);
    for (const result of runAll({ kind: 'export', P }, [input, planar, new Float32Array(3 * P)], 2, 3))
      [5, 0, 7].forEach((c, i) => {
        for (let p = 0; p < P; p++) expect(result[i * P + p]).toBe(at(c, p));
      });
    const spec: KernelSpec = { kind: 'upsample', height: 2, width: 3, scale: [2, 3] };
    for (const result of runAll(spec, [input, new Float32Array(8 * P * 6)], 1, 2))
      for (let c = 0; c < 8; c++)
        for (let y = 0; y < 4; y++)
          for (let x = 0; x < 9; x++)
            expect(result[quadIndex(c, y * 9 + x, 36)]).toBe(at(c, (y >> 1) * 3 + Math.floor(x / 3)));
  });
});
