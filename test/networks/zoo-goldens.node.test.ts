/** Networks that torchvision has: the reference and the compiled module against its modules' outputs. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/graph/json.js';
import { hashText } from '../../src/models/random.js';
import { runReference } from '../../src/reference/run.js';
import { goldenError } from '../op-cases/golden.js';
import type { Golden } from '../op-cases/golden-file.js';
import { longForm, runCompiled, simd } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';
import { zooCases } from './zoo-cases.js';

const goldens = JSON.parse(readFileSync(`${import.meta.dirname}/../goldens/zoo.json`, 'utf8')) as Record<
  string,
  Golden
>;

describe('networks of torchvision', () => {
  it('has a golden for every case and no other', () => {
    expect(Object.keys(goldens).sort()).toEqual(zooCases.map(({ name }) => name).sort());
  });

  // the two with the most arithmetic and nothing of their own run in the long form
  const cases = zooCases.filter(({ name }) => longForm() || !/resnet34|vgg16/.test(name));

  it.each(cases)(
    '$name',
    async ({ name, build, batch, seed }) => {
      const graph = build();
      const golden = goldens[name];
      expect(golden?.hash, `golden of "${name}" is out of date: run test/goldens/make.py zoo`).toBe(
        hashText(toJson(graph)),
      );
      const output = graph.outputs[0] as string;
      const expected = golden?.tensors[output];
      const weights = randomWeights(graph, seed);
      const inputs = randomInputs(graph, { batch, seed });
      const plain = runReference(graph, weights, inputs).get(output);
      const compiled = (await runCompiled(simd, graph, weights, inputs)).get(output);
      if (!expected || !plain || !compiled) throw new Error(`no value for "${output}"`);
      expect(goldenError(plain, expected)).toBeLessThan(2e-7);
      expect(goldenError(compiled, expected)).toBeLessThan(1e-4);
    },
    60_000,
  );
});
