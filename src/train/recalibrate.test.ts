/** Recalibrated statistics against those of the reference's values, batch by batch. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { runReference } from '../reference/run.js';
import { recalibrateBatchNorm } from './recalibrate.js';

const [batch, size, channels] = [4, 6, 5];

function network(classifier: boolean) {
  const g = new GraphBuilder('case');
  const conv = g.conv2d('conv', g.input('input', [3, size, size]), { outChannels: channels, kernel: 3 });
  if (!classifier) return g.build([conv]);
  const x = g.activation('act', g.batchNorm('norm', conv), 'relu');
  return g.build([g.linear('fc', g.flatten('flat', g.globalAvgPool('pool', x)), { outFeatures: 3 })]);
}

describe('recalibrateBatchNorm', () => {
  const graph = network(true);
  const weights = initializeWeights(graph, 1);
  const random = new Random(2);
  const batches = [0, 1, 2].map((shift) =>
    Float32Array.from({ length: batch * 3 * size * size }, () => random.normal() + shift),
  );

  it.each([1, 2])('averages means and unbiased variances of the batches, %i threads', async (threads) => {
    const before = new Map([...weights].map(([name, { data }]) => [name, data.slice()]));
    const after = await recalibrateBatchNorm(graph, weights, batches, { threads });
    const expected = { mean: new Float64Array(channels), variance: new Float64Array(channels) };
    for (const data of batches) {
      const input = new Map([['input', { shape: [batch, 3, size, size], data }]]);
      const { data: values, shape } = runReference(network(false), weights, input).get('conv')!;
      const pixels = shape[2]! * shape[3]!;
      for (let c = 0; c < channels; c++) {
        const own = [...values].filter((_, i) => Math.floor(i / pixels) % channels === c);
        const mean = own.reduce((a, b) => a + b) / own.length;
        const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / (own.length - 1);
        expected.mean[c]! += mean / batches.length;
        expected.variance[c]! += variance / batches.length;
      }
    }
    const norm = graph.nodes.find((node) => node.kind === 'batchNorm')!;
    for (const statistic of ['mean', 'variance'] as const)
      after.get(norm[statistic])!.data.forEach((value, c) => {
        expect(Math.abs(value - expected[statistic][c]!)).toBeLessThan(1e-5);
      });
    for (const [name, data] of before) {
      expect(weights.get(name)!.data).toEqual(data);
      if (name !== norm.mean && name !== norm.variance) expect(after.get(name)!.data).toEqual(data);
    }
  });

  it('refuses nothing and batches of another size', async () => {
    await expect(recalibrateBatchNorm(graph, weights, [])).rejects.toThrow(/given none/);
    const odd = [batches[0]!, batches[1]!.subarray(0, 3 * size * size)];
    await expect(recalibrateBatchNorm(graph, weights, odd)).rejects.toThrow(/given 108 values, expected 432/);
  });
});
