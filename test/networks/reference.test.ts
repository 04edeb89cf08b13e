/** Whole networks on the reference against PyTorch modules with the official structure, intermediate taps too. */
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/graph/json.js';
import { hashText } from '../../src/models/random.js';
import { runReference } from '../../src/reference/run.js';
import { goldenError } from '../op-cases/golden.js';
import { networkGoldens } from '../op-cases/golden-file.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';
import { networkCases } from './networks.js';

/** Both sides work in float64 and round once to float32. */
const tolerance = 2e-7;

describe('whole networks: reference against PyTorch', () => {
  it('has a golden for every network and no other', () => {
    expect(Object.keys(networkGoldens).sort()).toEqual(networkCases.map(({ name }) => name).sort());
  });

  it.each(networkCases)(
    '$name',
    ({ name, build, batch, seed }) => {
      const graph = build();
      const golden = networkGoldens[name];
      expect(golden?.hash, `golden of "${name}" is out of date: run test/goldens/make.py`).toBe(
        hashText(toJson(graph)),
      );
      const taps = Object.keys(golden?.tensors ?? {});
      expect(taps).toContain(graph.outputs[0]);
      const results = runReference(graph, randomWeights(graph, seed), randomInputs(graph, { batch, seed }), {
        taps,
      });
      const errors = taps.map((tap) => {
        const [actual, expected] = [results.get(tap), golden?.tensors[tap]];
        if (!actual || !expected) throw new Error(`tap "${tap}" has no golden or no result`);
        return [tap, goldenError(actual, expected)] as const;
      });
      expect(errors.filter(([, error]) => !(error < tolerance))).toEqual([]);
    },
    60_000,
  );
});
