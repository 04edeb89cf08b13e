/** Rounding by least squares: nothing to gain where inputs do not go together, less error in the sums where they do. */
import { describe, expect, it } from 'vitest';
import { randomWeights } from '../../../test/op-cases/values.js';
import { GraphBuilder } from '../../graph/builder.js';
import { quantize } from '../../quantize-network.js';
import { InputMoments } from './input-moments.js';
import { roundingOrder, roundRow } from './least-squares.js';

/** Numbers from -1 to 1 (a linear congruential generator). */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

const nearest = (weights: Float64Array): Int8Array => Int8Array.from(weights, Math.round);

/** Pictures of one channel whose neighbours are alike. */
function smoothPicture(size: number, next: () => number): Uint8Array {
  const [a, b, c, d] = [next() * 2, next() * 2, next() * 3, next() * 3];
  return Uint8Array.from({ length: size * size }, (_, i) => {
    const [x, y] = [(i % size) / size, Math.floor(i / size) / size];
    return Math.round(60 + 25 * Math.sin(a * x + c) + 25 * Math.cos(b * y + d) + 3 * next());
  });
}

function momentsOf(pictures: readonly Uint8Array[], size: number): InputMoments {
  const window = { kernel: [3, 3], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] } as const;
  const output = [size - 2, size - 2] as const;
  const moments = new InputMoments(window, { groups: 1, columns: 1, input: [size, size], output }, 64);
  for (const data of pictures) moments.add([{ data, at: 0, zeroPoint: 3 }]);
  return moments;
}

/** e' H e of the lower triangle H. */
function error(covariance: Float64Array, weights: Float64Array, rounded: Int8Array): number {
  const n = weights.length;
  const e = Array.from(weights, (value, i) => value - (rounded[i] as number));
  let sum = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++)
      sum += (i === j ? 1 : 2) * (covariance[i * n + j] as number) * (e[i] as number) * (e[j] as number);
  return sum;
}

describe('rounding by least squares', () => {
  it('is rounding to the nearest step where no inputs go together', () => {
    const next = uniform(3);
    const n = 12;
    const diagonal = new Float64Array(n * n);
    for (let i = 0; i < n; i++) diagonal[i * n + i] = 1 + i;
    const order = roundingOrder(diagonal, n, 1000);
    for (let row = 0; row < 20; row++) {
      const weights = Float64Array.from({ length: n }, () => 40 * next());
      expect(roundRow(weights, order)).toEqual(nearest(weights));
    }
  });

  it('lowers the error of the sums on pictures that it has not seen', () => {
    const [next, size] = [uniform(7), 16];
    const pictures = Array.from({ length: 24 }, () => smoothPicture(size, next));
    const order = roundingOrder(momentsOf(pictures.slice(0, 12), size).covariance(0), 9, 12 * 64);
    const unseen = momentsOf(pictures.slice(12), size).covariance(0);
    let [old, now] = [0, 0];
    for (let row = 0; row < 50; row++) {
      const weights = Float64Array.from({ length: 9 }, () => 30 * next());
      old += error(unseen, weights, nearest(weights));
      now += error(unseen, weights, roundRow(weights, order));
    }
    expect(now).toBeLessThan(old / 4);
  });

  it('stays within 8 bits, and passes on what it cuts off', () => {
    // two inputs that are the same: their weights count only together
    const order = roundingOrder(Float64Array.of(1, 0, 1, 1.001), 2, 1e6);
    const rounded = roundRow(Float64Array.of(20, 140), order);
    expect(rounded[1]).toBe(127);
    expect(rounded[0]).toBeGreaterThan(20);
  });
});

describe('moments of inputs', () => {
  it('are the covariance of windows, outside of which the zero point counts nothing', () => {
    const data = Uint8Array.of(4, 9, 5, 8);
    const window = { kernel: [1, 2], stride: [1, 2], padding: [0, 1, 0, 1], dilation: [1, 1] } as const;
    const size = { groups: 1, columns: 1, input: [2, 2], output: [2, 2] } as const;
    const moments = new InputMoments(window, size, 100);
    moments.add([{ data, at: 0, zeroPoint: 4 }]);
    // windows (0, 0), (5, 0), (0, 1), (4, 0)
    const [first, second] = [
      [0, 5, 0, 4],
      [0, 0, 1, 0],
    ] as const;
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / 4;
    const product = (a: readonly number[], b: readonly number[]): number =>
      mean(a.map((value, i) => value * (b[i] as number))) - mean(a) * mean(b);
    expect(moments.count).toBe(4);
    const got = moments.covariance(0);
    expect(got[0]).toBeCloseTo(product(first, first), 10);
    expect(got[2]).toBeCloseTo(product(first, second), 10);
    expect(got[3]).toBeCloseTo(product(second, second), 10);
    expect(moments.covariance(0, false)[0]).toBeCloseTo((25 + 16) / 4, 10);
  });

  it('change weights of filters, also behind a shuffle, and leave their scales', async () => {
    const g = new GraphBuilder('grouped');
    const x = g.conv2d('one', g.input('x', [2, 8, 8]), { outChannels: 8, kernel: 3, padding: 1 });
    const y = g.shuffle('mixed', g.activation('act', x, 'relu'), 2);
    const z = g.conv2d('two', y, { outChannels: 8, kernel: 3, padding: 1, groups: 2 });
    const graph = g.build([
      g.linear('end', g.flatten('flat', g.globalAvgPool('mean', z)), { outFeatures: 3 }),
    ]);
    const next = uniform(1);
    const calibration = Array.from({ length: 8 }, () => {
      const level = 2 + next();
      return Float32Array.from({ length: 128 }, () => level + 0.2 * next());
    });
    const weights = randomWeights(graph, 2);
    const plain = await quantize(graph, weights, { calibration, rounding: 'nearest' });
    const fitted = await quantize(graph, weights, { calibration });
    for (const name of ['one', 'two']) {
      const [old, now] = [plain, fitted].map(({ network }) => network.filters.get(name));
      expect(now?.scales).toEqual(old?.scales);
      expect(now?.values).not.toEqual(old?.values);
    }
  });
});
