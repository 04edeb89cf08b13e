/** Folding parallel branches keeps the network's values: GhostNetV3 before and after, by the plain reference. */
import { expect, it } from 'vitest';
import { randomInputs, randomWeights } from '../../test/op-cases/values.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { createModel } from '../models/registry.js';
import { runReference } from '../reference/run.js';
import { foldBranches } from './fold-branches.js';

function worst(graph: Graph): number {
  const weights = randomWeights(graph, 3);
  const inputs = randomInputs(graph, { batch: 1, seed: 3 });
  const folded = foldBranches(graph, weights);
  const output = graph.outputs[0] as string;
  const before = runReference(graph, weights, inputs).get(output)?.data ?? [];
  const after = runReference(folded.graph, folded.weights, inputs).get(output)?.data ?? [];
  expect(after.length).toBe(before.length);
  const scale = Math.max(...before.map(Math.abs));
  return Math.max(...before.map((value, i) => Math.abs(value - (after[i] ?? 0)))) / scale;
}

it('GhostNetV3: the same values from one convolution a sum', () => {
  const graph = createModel('ghostnetv3-1.0x', { inputSize: 32, width: 0.25, classes: 5 });
  expect(worst(graph)).toBeLessThan(1e-4);
  const { graph: folded, plan } = foldBranches(graph, randomWeights(graph, 3));
  expect(folded.nodes.filter(({ name }) => name.includes('rpr_conv'))).toEqual([]);
  expect(plan.filter(({ action }) => action.includes('folded'))).not.toEqual([]);
});

it('grouped, strided, of several sizes; a sum that reads two nodes is kept', () => {
  const g = new GraphBuilder('case');
  const x = g.input('input', [4, 9, 9]);
  const conv = (name: string, kernel: number, from = x): string =>
    g.batchNorm(
      `${name}.bn`,
      g.conv2d(name, from, { outChannels: 8, kernel, stride: 2, groups: 2, padding: 'same' }),
    );
  const y = g.add('sum', g.add('inner', conv('a', 5), conv('b', 3)), conv('c', 1));
  const z = g.batchNorm('z.bn', g.conv2d('z', g.identity('copy', x), { outChannels: 8, stride: 2 }));
  const graph = g.build([g.add('other', g.identity('y', y), z)]);
  expect(worst(graph)).toBeLessThan(1e-5);
  const { graph: folded, plan } = foldBranches(graph, randomWeights(graph, 3));
  expect(folded.nodes.map(({ name }) => name)).toContain('other');
  expect(plan.find(({ node }) => node === 'other')?.action).toBe('kept');
});
