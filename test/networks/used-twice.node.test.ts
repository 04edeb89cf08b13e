/**
 * Values and weights that a network uses more than once: the training step's loss and what it learns against the
 * float64 reference and its slopes. (The op cases' slopes come from the compiled forward pass itself.)
 */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Weights } from '../../src/graph/graph.js';
import { versatileConv } from '../../src/models/versatile-resnet.js';
import { runReference } from '../../src/reference/run.js';
import { createTrainer } from '../../src/train/engine.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';

const batch = 2;
const classes = 3;
const targets = Int32Array.from([1, 0]);

function network(body: (g: GraphBuilder, x: string) => string): Graph {
  const g = new GraphBuilder('used-twice');
  let y = body(g, g.input('input', [5, 6, 6]));
  y = g.flatten('flatten', g.globalAvgPool('pool', g.activation('squash', y, 'sigmoid')));
  return g.build([g.linear('fc', y, { outFeatures: classes })]);
}

const cases: readonly (readonly [name: string, body: (g: GraphBuilder, x: string) => string])[] = [
  ...[4, 5].map(
    (channels) =>
      [
        `${channels} channels joined three times`,
        (g: GraphBuilder, x: string) => {
          const y = g.conv2d('a', x, { outChannels: channels });
          return g.conv2d('b', g.concat('join', [y, y, y]), { outChannels: 4 });
        },
      ] as const,
  ),
  [
    'a part joined before its whole',
    (g, x) => {
      const y = g.conv2d('a', x, { outChannels: 8 });
      return g.conv2d('b', g.concat('join', [g.slice('part', y, 4, 8), y]), { outChannels: 4 });
    },
  ],
  [
    'one weight at two places of two layers',
    (g, x) => {
      const y = versatileConv(g, 'a', x, { outChannels: 8, kernel: 3, stride: 2, channelwise: true });
      return versatileConv(g, 'b', y, { outChannels: 6, kernel: 1, stride: 1, channelwise: true });
    },
  ],
];

function crossEntropy(graph: Graph, weights: Weights, inputs: ReturnType<typeof randomInputs>): number {
  const logits = runReference(graph, weights, inputs).get('fc')?.data;
  let sum = 0;
  for (let n = 0; n < batch; n++) {
    const row = Array.from({ length: classes }, (_, k) => logits?.[n * classes + k] ?? 0);
    const total = row.reduce((s, value) => s + Math.exp(value), 0);
    sum += Math.log(total) - (row[targets[n] ?? 0] ?? 0);
  }
  return sum / batch;
}

describe('training', () => {
  it.each(cases)('%s', async (_, body) => {
    const graph = network(body);
    const weights = randomWeights(graph, 3);
    const inputs = randomInputs(graph, { batch, seed: 3 });
    const images = inputs.get('input')?.data ?? new Float32Array();
    const trainer = await createTrainer(graph, weights, {
      batch,
      optimizer: { kind: 'sgd', momentum: 0, weightDecay: 0 },
      relaxed: false,
    });
    try {
      const { loss } = trainer.step({ images: Float32Array.from(images), targets, learningRate: 1 });
      expect(loss).toBeCloseTo(crossEntropy(graph, weights, inputs), 5);
      const after = trainer.weights();
      for (const [name, { shape, data }] of weights)
        for (let i = 0; i < data.length; i += 5) {
          const moved = (by: number): Weights =>
            new Map([...weights, [name, { shape, data: data.map((v, j) => (j === i ? v + by : v)) }]]);
          const step = 1e-3;
          const slope =
            (crossEntropy(graph, moved(step), inputs) - crossEntropy(graph, moved(-step), inputs)) /
            (2 * step);
          const learned = (data[i] ?? 0) - (after.get(name)?.data[i] ?? 0);
          expect(Math.abs(learned - slope), `${name}[${i}]`).toBeLessThan(1e-4);
        }
    } finally {
      trainer.dispose();
    }
  });
});
