/** What is compiled of a network with parallel branches is what is compiled of the folded one; shared parameters stay. */
import { expect, it } from 'vitest';
import { randomInputs, randomWeights } from '../../test/op-cases/values.js';
import { compile } from '../compiler/compile.js';
import { GraphBuilder } from '../graph/builder.js';
import { createModel } from '../models/registry.js';
import { runReference } from '../reference/run.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { foldBranches } from './fold-branches.js';
import { foldForInference } from './fold-for-inference.js';

it('GhostNetV3 as trained compiles to the module and the weights of its fold', () => {
  const graph = createModel('ghostnetv3-1.0x', { inputSize: 32, width: 0.25, classes: 5 });
  const weights = randomWeights(graph, 3);
  const single = foldBranches(graph, weights);
  const [trained, folded] = [compile(graph, weights), compile(single.graph, single.weights)];
  const same = (a: Uint8Array, b: Uint8Array): boolean =>
    a.length === b.length && a.every((byte, i) => byte === b[i]);
  expect(same(trained.wasm, folded.wasm)).toBe(true);
  expect(same(trained.weights, folded.weights)).toBe(true);
  // and the test would see branches: batch norm alone leaves them
  const branched = foldBatchNorm(graph, weights).graph;
  expect(branched.nodes.length).toBeGreaterThan(foldForInference(graph, weights).graph.nodes.length);
});

it('keeps parameters that other nodes read too', () => {
  const g = new GraphBuilder('shared');
  const x = g.input('input', [4, 6, 6]);
  const conv = (name: string, kernel: number, from: string): string =>
    g.conv2d(name, from, { outChannels: 4, kernel, padding: 'same' });
  const sum = g.add('sum', g.batchNorm('a.bn', conv('a', 3, x)), g.batchNorm('b.bn', conv('b', 1, x)));
  const twice = g.activation('relu', sum, 'relu');
  const built = g.build([g.batchNorm('c.bn', g.activation('again', conv('c', 1, twice), 'relu'))]);
  // the last two read what the branches read
  const rename: Record<string, string> = { 'c.weight': 'b.weight' };
  for (const part of ['weight', 'bias', 'running_mean', 'running_var'])
    rename[`c.bn.${part}`] = `b.bn.${part}`;
  const parameters = Object.fromEntries(
    Object.entries(built.parameters).filter(([name]) => !(name in rename)),
  );
  const nodes = built.nodes.map((node) =>
    Object.fromEntries(
      Object.entries(node).map(([key, value]) => [
        key,
        typeof value === 'string' ? (rename[value] ?? value) : value,
      ]),
    ),
  ) as unknown as typeof built.nodes;
  const graph = { ...built, nodes, parameters };
  const weights = randomWeights(graph, 5);
  const inputs = randomInputs(graph, { batch: 1, seed: 5 });
  const folded = foldForInference(graph, weights);
  const [before, after] = [
    runReference(graph, weights, inputs),
    runReference(folded.graph, folded.weights, inputs),
  ].map((values) => [...(values.get(graph.outputs[0] as string)?.data ?? [])]) as [number[], number[]];
  expect(before.length).toBe(4 * 36);
  const scale = Math.max(...before.map(Math.abs));
  for (const [i, value] of before.entries())
    expect(Math.abs(value - (after[i] as number))).toBeLessThan(1e-5 * scale);
});
