/** Passes keep the network's values: the graph before and after, run by the plain reference. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import { type Graph, inputNodes, type Tensor, type Weights } from '../graph/graph.js';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { createModel } from '../models/registry.js';
import { runReference } from '../reference/run.js';
import { eliminateDeadNodes } from './eliminate-dead-nodes.js';
import { foldBatchNorm } from './fold-batch-norm.js';

/** Weights with batch-norm statistics far from 0 and 1. */
function randomWeights(graph: Graph, seed: number): Weights {
  const weights = new Map(initializeWeights(graph, seed));
  const random = new Random(seed);
  for (const [name, parameter] of Object.entries(graph.parameters)) {
    if (!['scale', 'shift', 'statistic', 'bias'].includes(parameter.role)) continue;
    const positive = name.endsWith('running_var') || parameter.role === 'scale';
    const data = Float32Array.from({ length: parameter.shape[0] ?? 1 }, () =>
      positive ? 0.5 + random.uniform() : random.uniform() - 0.5,
    );
    weights.set(name, { shape: parameter.shape, data });
  }
  return weights;
}

function randomInput(graph: Graph): Map<string, Tensor> {
  const random = new Random(7);
  return new Map(
    inputNodes(graph).map((node) => {
      const shape = [2, ...node.shape];
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal());
      return [node.name, { shape, data }];
    }),
  );
}

function worstError(graph: Graph, weights: Weights, after: { graph: Graph; weights: Weights }): number {
  const input = randomInput(graph);
  const before = runReference(graph, weights, input);
  const results = runReference(after.graph, after.weights, input);
  let worst = 0;
  graph.outputs.forEach((name, i) => {
    const a = before.get(name)?.data ?? new Float32Array(0);
    const b = results.get(after.graph.outputs[i] ?? '')?.data ?? new Float32Array(0);
    expect(b.length).toBe(a.length);
    const scale = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    a.forEach((value, k) => {
      worst = Math.max(worst, Math.abs(value - (b[k] as number)) / scale);
    });
  });
  return worst;
}

describe('foldBatchNorm', () => {
  it.each([['ghostnet-0.5x'], ['resnet20-cifar'], ['ghost-vgg16-cifar'], ['ghost-resnet56-bn-after']])(
    '%s',
    (name) => {
      const graph = createModel(name, { inputSize: 32 });
      const weights = randomWeights(graph, 3);
      const folded = foldBatchNorm(graph, weights);
      expect(worstError(graph, weights, folded)).toBeLessThan(2e-5);
      const left = folded.graph.nodes.filter((node) => node.kind === 'batchNorm').length;
      expect(left).toBe(name === 'ghost-resnet56-bn-after' ? 57 : 0);
      expect(folded.plan).toHaveLength(graph.nodes.filter((node) => node.kind === 'batchNorm').length);
      for (const parameter of Object.keys(folded.graph.parameters))
        expect(folded.weights.has(parameter)).toBe(true);
    },
  );

  it('leaves a batch norm whose convolution has another reader, and says why', () => {
    const g = new GraphBuilder('shared');
    const x = g.input('x', [3, 5, 5]);
    const conv = g.conv2d('conv', x, { outChannels: 4, kernel: 3, bias: true });
    const norm = g.batchNorm('norm', conv);
    const graph = g.build([g.add('sum', conv, norm)]);
    const weights = randomWeights(graph, 5);
    const folded = foldBatchNorm(graph, weights);
    expect(folded.plan).toEqual([{ node: 'norm', action: 'kept', reason: '"conv" has other readers' }]);
    expect(worstError(graph, weights, folded)).toBe(0);
  });
});

describe('eliminateDeadNodes', () => {
  it('removes dropout, identity and what no output needs, to the same bits', () => {
    const g = new GraphBuilder('dead');
    const x = g.input('x', [3, 5, 5]);
    const kept = g.conv2d('kept', g.identity('identity', x), { outChannels: 4 });
    g.conv2d('unused', x, { outChannels: 8 });
    const graph = g.build([g.dropout('dropout', kept, 0.5)]);
    const weights = randomWeights(graph, 5);
    const result = eliminateDeadNodes(graph, weights);
    expect(result.graph.nodes.map((node) => node.name)).toEqual(['x', 'kept']);
    expect(result.graph.outputs).toEqual(['kept']);
    expect([...result.weights.keys()]).toEqual(['kept.weight']);
    expect(result.plan.map((step) => step.node).sort()).toEqual(['dropout', 'identity', 'unused']);
    expect(worstError(graph, weights, result)).toBe(0);
  });
});
