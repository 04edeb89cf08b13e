/** The compiler against the reference: every op case and random graphs, one to three threads, every memory plan checked. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.js';
import { printGraph } from '../../src/graph/print.js';
import { runReference } from '../../src/reference/run.js';
import { detectFeatures } from '../../src/runtime/features.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from './compare.js';
import { randomGraph } from './random-graph.js';
import { opCases } from './table.js';
import { randomInputs, randomWeights } from './values.js';

const tolerance = 1e-5;
const cases = [...opCases, ...Array.from({ length: 120 }, (_, seed) => randomGraph(seed))];

describe('compiled against the reference', () => {
  it.each(cases)('$name', async ({ graph, batch, seed, inputScale }) => {
    const weights = randomWeights(graph, seed);
    const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
    const expected = runReference(graph, weights, inputs);
    const values = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
    for (const threads of [2, 3]) compile(graph, weights, { batch, threads, check: true });
    for (const relaxed of detectFeatures().relaxed ? [false, true] : [false]) {
      const network = await instantiate(compile(graph, weights, { batch, relaxed, check: true }));
      const results = network.runAll(values);
      for (const { name, shape } of network.outputs) {
        const tensor = expected.get(name);
        if (!tensor) throw new Error(`the reference has no output "${name}"`);
        const { relative, report } = difference({ shape, data: results[name] ?? new Float32Array() }, tensor);
        expect(
          relative,
          `${printGraph(graph, { batch })}seed ${seed}, relaxed ${relaxed}, output ${name}: ${report}`,
        ).toBeLessThan(tolerance);
      }
      network.dispose();
    }
  });
});
