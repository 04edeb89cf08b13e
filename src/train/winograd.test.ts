/**
 * Winograd's form of a 3x3 convolution against the direct form of the same one, written as 5x5 with a ring of zeros:
 * bands of large maps, blocks of many small ones with a rest, odd channels, bias, shortcuts that gradients are added to.
 * Activations are smooth: at the kink of a ReLU a rounding error would change a gradient by its whole size.
 */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { InputNode } from '../graph/nodes.js';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { createTrainer } from './engine.js';

const classes = 3;

function network(size: number, channels: readonly [number, number], kernel: 3 | 5): Graph {
  const [I, O] = channels;
  const padding = (kernel - 1) / 2;
  const g = new GraphBuilder('case');
  let x = g.conv2d('stem', g.input('input', [3, size, size]), { outChannels: I, kernel: 1 });
  x = g.activation('stem_act', g.batchNorm('stem_norm', x), 'silu');
  const y = g.conv2d('a', x, { outChannels: O, kernel, padding, bias: true });
  const z = g.conv2d('b', g.activation('a_act', g.batchNorm('a_norm', y), 'silu'), {
    outChannels: I,
    kernel,
    padding,
  });
  x = g.activation('sum_act', g.add('sum', g.batchNorm('b_norm', z), x), 'silu');
  return g.build([g.linear('fc', g.flatten('flat', g.globalAvgPool('pool', x)), { outFeatures: classes })]);
}

/** [O, I, 3, 3] in the middle of [O, I, 5, 5] zeros. */
function ringed({ shape, data }: Tensor): Tensor {
  const [O = 0, I = 0] = shape;
  const wide = new Float32Array(O * I * 25);
  for (let f = 0; f < O * I; f++)
    for (let r = 0; r < 3; r++)
      for (let s = 0; s < 3; s++) wide[f * 25 + (r + 1) * 5 + s + 1] = data[f * 9 + r * 3 + s] as number;
  return { shape: [O, I, 5, 5], data: wide };
}
function middle({ shape, data }: Tensor): Float32Array {
  const [O = 0, I = 0] = shape;
  return Float32Array.from({ length: O * I * 9 }, (_, i) => {
    const [f, r, s] = [Math.floor(i / 9), Math.floor((i % 9) / 3), i % 3];
    return data[f * 25 + (r + 1) * 5 + s + 1] as number;
  });
}

async function stepped(graph: Graph, weights: Weights, batch: number, threads: number, relaxed: boolean) {
  const random = new Random(11);
  const height = (graph.nodes[0] as InputNode).shape[1] ?? 0;
  const images = Float32Array.from({ length: batch * 3 * height * height }, () => random.uniform() * 3 - 1.5);
  const targets = Int32Array.from({ length: batch }, () => Math.floor(random.uniform() * classes));
  const trainer = await createTrainer(graph, weights, {
    batch,
    threads,
    optimizer: { kind: 'sgd', momentum: 0 },
    ...(relaxed ? {} : { relaxed }),
  });
  const { loss } = trainer.step({ images, targets, learningRate: 1 });
  const after = trainer.weights();
  trainer.dispose();
  return { loss, after };
}

describe('winograd', () => {
  it.each([
    { size: 40, channels: [8, 12], batch: 3, threads: 1 },
    { size: 4, channels: [8, 8], batch: 71, threads: 1 },
    { size: 8, channels: [20, 9], batch: 37, threads: 2 },
    { size: 16, channels: [7, 36], batch: 6, threads: 1 },
  ] as const)(
    'as the direct form: $size pixels, channels $channels, batch $batch, threads $threads',
    async (c) => {
      const narrow = network(c.size, c.channels, 3);
      const weights = initializeWeights(narrow, 2);
      const wide = new Map(weights);
      for (const name of ['a.weight', 'b.weight']) wide.set(name, ringed(weights.get(name) as Tensor));
      for (const relaxed of [false, true]) {
        const ours = await stepped(narrow, weights, c.batch, c.threads, relaxed);
        const direct = await stepped(network(c.size, c.channels, 5), wide, c.batch, c.threads, relaxed);
        expect(Math.abs(ours.loss - direct.loss)).toBeLessThan(1e-5 * direct.loss);
        for (const [name, { data }] of weights) {
          const expected = direct.after.get(name) as Tensor;
          const there = expected.shape[2] === 5 ? middle(expected) : expected.data;
          const gradient = there.map((value, i) => value - (data[i] as number));
          const error = ours.after.get(name)?.data.map((value, i) => value - (there[i] as number)) ?? [];
          expect(Math.hypot(...error), name).toBeLessThan(1e-4 * Math.hypot(...gradient) + 1e-6);
        }
      }
    },
  );
});
