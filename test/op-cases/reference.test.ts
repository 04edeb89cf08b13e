/** The reference against PyTorch, for every op case and for forty random graphs. */
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/graph/json.js';
import { printGraph } from '../../src/graph/print.js';
import { hashText } from '../../src/models/random.js';
import { runReference } from '../../src/reference/run.js';
import { goldenError } from './golden.js';
import { opGoldens } from './golden-file.js';
import { randomGraph } from './random-graph.js';
import { opCases } from './table.js';
import { randomInputs, randomWeights } from './values.js';

/** Both sides work in float64 and round once to float32; exp may differ in its last bits. */
const tolerance = 2e-7;

const cases = [...opCases, ...Array.from({ length: 40 }, (_, seed) => randomGraph(seed))];

describe('reference against PyTorch', () => {
  it('has a golden for every case and no other', () => {
    expect(Object.keys(opGoldens).sort()).toEqual(cases.map(({ name }) => name).sort());
  });

  it.each(cases)('$name', ({ name, graph, batch, seed, inputScale }) => {
    const golden = opGoldens[name];
    expect(golden?.hash, `golden of "${name}" is out of date: run test/goldens/make.py`).toBe(
      hashText(toJson(graph)),
    );
    const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
    const results = runReference(graph, randomWeights(graph, seed), inputs);
    for (const output of graph.outputs) {
      const tensor = golden?.tensors[output];
      const actual = results.get(output);
      if (!tensor || !actual) throw new Error(`output "${output}" has no golden or no result`);
      expect(
        goldenError(actual, tensor),
        `${printGraph(graph, { batch })}seed ${seed}, output ${output}`,
      ).toBeLessThan(tolerance);
    }
  });
});
