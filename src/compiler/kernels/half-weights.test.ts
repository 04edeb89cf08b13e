/** Weights that stay f16: packed without rounding or not at all, and the same bits as with f32 weights. */
import { describe, expect, it } from 'vitest';
import { isas, runKernel, values } from '../../../test/kernel-harness.js';
import { float16Table, numberToFloat16 } from '../../formats/float16.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import { instantiate } from '../../runtime/network.js';
import { compile } from '../compile.js';
import { packHalves, packVector } from './pointwise.js';

const table = float16Table();
const half = (value: number): number => table[numberToFloat16(value)] as number;

describe('packHalves', () => {
  it('keeps every finite half, zeros and subnormals among them', () => {
    const finite = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((i) => (i & 0x7c00) !== 0x7c00);
    expect(finite).toHaveLength(63488);
    expect(packHalves(Float32Array.from(finite, (i) => table[i] as number))).toEqual(finite);
  });

  it.each([1 / 3, 65520, 65536, 2 ** -25, 2 ** -14 + 2 ** -25, 1 + 2 ** -11, 1e-40, Number.NaN, Infinity])(
    'refuses %s',
    (value) => {
      expect(packHalves(Float32Array.of(1, value))).toBeUndefined();
    },
  );
});

describe('pointwise of one pixel with f16 weights', () => {
  const shapes = [
    [4, 4],
    [4, 8],
    [12, 20],
    [24, 36],
    [64, 12],
  ] as const;
  it.each(shapes)('%s to %s has the bits of f32 weights', (K, N) => {
    // sizes from 2^-23, subnormal halves, to 1
    const weights = values(N * K, 2).map((value, i) => half(value * 2 ** -(i % 24)));
    const [x, bias, old] = [values(K), values(N, 3), values(N, 4)];
    const packed = packVector(weights, N, K);
    const halves = packHalves(packed);
    if (!halves) throw new Error('not packed');
    const units = N / 4;
    const splits = [[units], Array<number>(units).fill(1), ...(units > 1 ? [[1, units - 1]] : [])];
    for (const isa of isas)
      for (const activation of [null, 'hardSwish'] as const)
        for (const residual of [false, true])
          for (const lengths of splits) {
            const ranges = lengths.map((length, i): readonly [number, number] => {
              const from = lengths.slice(0, i).reduce((sum, one) => sum + one, 0);
              return [from, from + length];
            });
            const run = (stored: Float32Array | Int32Array, halfWeights: boolean): Float32Array => {
              const output = residual ? old.slice() : new Float32Array(N);
              runKernel(
                {
                  kind: 'pointwise',
                  K,
                  P: 1,
                  ranges: [...new Set(lengths)],
                  activation,
                  residual,
                  halfWeights,
                },
                isa,
                [x, stored, bias, output, residual ? output : null],
                ranges,
              );
              return output;
            };
            const expected = run(packed, false);
            expect(run(new Int32Array(halves.buffer), true)).toEqual(expected);
            expect(expected.some((value) => value !== 0)).toBe(true);
          }
  });
});

describe('compile with halfWeights', () => {
  const g = new GraphBuilder('head');
  const mean = g.globalAvgPool('mean', g.input('x', [16, 4, 4]));
  const head = g.activation('act', g.conv2d('head', mean, { outChannels: 36, bias: true }), 'relu');
  const graph = g.build([g.linear('classes', g.flatten('flat', head), { outFeatures: 10, bias: true })]);
  const weightsWith = (change: (value: number) => number): Weights =>
    new Map(
      Object.entries(graph.parameters).map(([name, { shape }], i): [string, Tensor] => [
        name,
        {
          shape,
          data: values(
            shape.reduce((a, b) => a * b, 1),
            i + 1,
          ).map(change),
        },
      ]),
    );
  const run = async (given: Graph, weights: Weights, halfWeights: boolean, relaxed: boolean) => {
    const compiled = compile(given, weights, { halfWeights, relaxed, check: true, checked: true });
    const network = await instantiate(compiled);
    const logits = network.run(values(256, 9)) as Float32Array;
    network.dispose();
    return { bytes: compiled.weights.length, logits };
  };

  it('halves the weights of layers of one pixel and changes no bit', async () => {
    for (const { relaxed } of isas) {
      const whole = await run(graph, weightsWith(half), false, relaxed);
      const halved = await run(graph, weightsWith(half), true, relaxed);
      expect(halved.logits).toEqual(whole.logits);
      // 36 x 16 and 12 x 36 weights in whole cache lines
      expect(whole.bytes - halved.bytes).toBe(36 * 16 * 2 + 12 * 36 * 2 - 32);
    }
  });

  it('leaves layers alone whose weights are not f16', async () => {
    const relaxed = false;
    const whole = await run(
      graph,
      weightsWith((value) => value),
      false,
      relaxed,
    );
    expect(
      await run(
        graph,
        weightsWith((value) => value),
        true,
        relaxed,
      ),
    ).toEqual(whole);
  });
});
