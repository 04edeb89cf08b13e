/** Permutations taken out of a graph: the same outputs by the reference, and no node left where none is needed. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { runReference } from '../reference/run.js';
import { sinkPermutations } from './sink-permutations.js';

const cases: Record<string, { left: number; build: (g: GraphBuilder, x: string) => string }> = {
  'norm, activation, convolution': {
    left: 0,
    build: (g, x) =>
      g.conv2d('c', g.activation('r', g.batchNorm('n', x), 'relu'), { outChannels: 3, kernel: 3 }),
  },
  'depthwise with two maps a channel, pool, linear': {
    left: 0,
    build: (g, x) => {
      const y = g.conv2d('d', x, { outChannels: 12, groups: 6, kernel: 3, bias: true });
      return g.linear('l', g.flatten('f', g.maxPool('m', y, { kernel: 2 })), { outFeatures: 4 });
    },
  },
  'concatenation, zero channels, shift': {
    left: 0,
    build: (g, x) => {
      const y = g.padChannels('p', g.concat('cat', [x, g.activation('a', x, 'silu')]), 1, 2);
      const offsets = Array.from({ length: 15 }, (_, c) => [c % 2, (c % 3) - 1] as const);
      return g.conv2d('c', g.shift('s', y, offsets), { outChannels: 4 });
    },
  },
  'a sum with its own input': {
    left: 0,
    build: (g, x) => g.conv2d('c', g.add('add', x, g.activation('a', x, 'relu')), { outChannels: 2 }),
  },
  'a gate': {
    left: 0,
    build: (g, x) =>
      g.conv2d('c', g.mul('m', x, g.activation('s', g.globalAvgPool('p', x), 'sigmoid')), { outChannels: 2 }),
  },
  'a sum with a map in another order': {
    left: 1,
    build: (g, x) => g.conv2d('c', g.add('add', x, g.conv2d('b', x, { outChannels: 6 })), { outChannels: 2 }),
  },
  'slice, shuffle': {
    left: 1,
    build: (g, x) => g.conv2d('c', g.slice('s', g.shuffle('sh', x, 2), 1, 5), { outChannels: 2 }),
  },
  'the output': { left: 1, build: (g, x) => g.activation('r', x, 'relu') },
};

function network(build: (g: GraphBuilder, x: string) => string): Graph {
  const g = new GraphBuilder('permuted');
  const x = g.conv2d('first', g.input('x', [3, 6, 6]), { outChannels: 6 });
  return g.build([build(g, g.permuteChannels('order', x, [4, 2, 0, 5, 1, 3]))]);
}

describe('sinkPermutations', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    const { left, build } = cases[name] as (typeof cases)[string];
    const graph = network(build);
    const random = new Random(3);
    const weights = new Map(initializeWeights(graph, 1));
    for (const [key, tensor] of weights)
      weights.set(key, { ...tensor, data: tensor.data.map(() => 0.2 + random.uniform()) });
    const feed = new Map([
      ['x', { shape: [2, 3, 6, 6], data: Float32Array.from({ length: 216 }, () => random.normal()) }],
    ]);
    const before = runReference(graph, weights, feed).get(graph.outputs[0] as string);
    const sunk = sinkPermutations(graph, weights);
    const after = runReference(sunk.graph, sunk.weights, feed).get(sunk.graph.outputs[0] as string);
    expect(after?.shape).toEqual(before?.shape);
    before?.data.forEach((value, k) => {
      expect(after?.data[k]).toBeCloseTo(value, 4);
    });
    expect(sunk.graph.nodes.filter((node) => node.kind === 'permuteChannels')).toHaveLength(left);
  });
});
