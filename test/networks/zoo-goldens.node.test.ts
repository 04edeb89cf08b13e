/**
 * Networks that torchvision has, and networks of other papers written in PyTorch: the reference and the compiled module
 * against the outputs of those modules.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/graph/json.js';
import { hashText } from '../../src/models/random.js';
import { foldBranches } from '../../src/passes/fold-branches.js';
import { runReference } from '../../src/reference/run.js';
import { goldenError } from '../op-cases/golden.js';
import type { Golden } from '../op-cases/golden-file.js';
import { longForm, runCompiled, simd } from '../op-cases/targets.js';
import { randomInputs } from '../op-cases/values.js';
import { paperCases } from './paper-cases.js';
import { caseWeights, type ZooCase, zooCases } from './zoo-cases.js';

type Goldens = Readonly<Record<string, Golden>>;
const read = (name: string): Goldens =>
  JSON.parse(readFileSync(`${import.meta.dirname}/../goldens/${name}.json`, 'utf8')) as Goldens;
const [zoo, papers] = [read('zoo'), read('papers')];

// those with the most arithmetic and nothing of their own run in the long form
const heavy = /resnet34|^vgg16$|vgg16_bn/;

function prepared(row: ZooCase, goldens: Goldens) {
  const { name, build, batch, seed } = row;
  const graph = build();
  const golden = goldens[name];
  expect(golden?.hash, `golden of "${name}" is out of date: run test/goldens/make.py`).toBe(
    hashText(toJson(graph)),
  );
  const output = graph.outputs[0] as string;
  const expected = golden?.tensors[output];
  if (!expected) throw new Error(`no golden of "${output}"`);
  const weights = caseWeights(graph, row);
  return { graph, output, expected, weights, inputs: randomInputs(graph, { batch, seed }) };
}

describe.each([
  ['torchvision', zooCases, zoo],
  ['other papers', paperCases, papers],
] as const)('networks of %s', (_, cases, goldens) => {
  it('has a golden for every case and no other', () => {
    expect(Object.keys(goldens).sort()).toEqual(cases.map(({ name }) => name).sort());
  });

  it.each(cases.filter(({ name }) => longForm() || !heavy.test(name)))(
    '$name',
    async (row) => {
      const { graph, output, expected, weights, inputs } = prepared(row, goldens);
      const plain = runReference(graph, weights, inputs).get(output);
      const compiled = (await runCompiled(simd, graph, weights, inputs)).get(output);
      if (!plain || !compiled) throw new Error(`no value for "${output}"`);
      expect(goldenError(plain, expected)).toBeLessThan(2e-7);
      expect(goldenError(compiled, expected)).toBeLessThan(1e-4);
    },
    120_000,
  );
});

it('GhostNetV3 folded gives what its branches give in PyTorch', async () => {
  const row = paperCases.find(({ name }) => name === 'ghostnetv3-1.0x');
  if (!row) throw new Error('no case of GhostNetV3');
  const { graph, output, expected, weights, inputs } = prepared(row, papers);
  const folded = foldBranches(graph, weights);
  expect(folded.graph.nodes.length).toBeLessThan(graph.nodes.length / 2);
  const compiled = (await runCompiled(simd, folded.graph, folded.weights, inputs)).get(output);
  if (!compiled) throw new Error(`no value for "${output}"`);
  expect(goldenError(compiled, expected)).toBeLessThan(1e-4);
});
