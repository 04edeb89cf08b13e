/** Whole networks compiled, against the reference: outputs and intermediate taps; the same bits for any number of threads. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.js';
import type { Graph } from '../../src/graph/graph.js';
import { runReference } from '../../src/reference/run.js';
import { detectFeatures } from '../../src/runtime/features.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from '../op-cases/compare.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';
import { networkCases } from './networks.js';

/** Largest relative error allowed. */
const tolerance = 1e-4;

/** The graph with every eighth node an output too. */
function withTaps(graph: Graph): Graph {
  const taps = graph.nodes.filter((node, i) => i % 8 === 5 && node.kind !== 'input').map((node) => node.name);
  return { ...graph, outputs: [...new Set([...graph.outputs, ...taps])] };
}

describe('whole networks: compiled against the reference', () => {
  it.each(networkCases)(
    '$name',
    async ({ build, batch, seed }) => {
      const plain = build();
      const weights = randomWeights(plain, seed);
      const inputs = randomInputs(plain, { batch, seed });
      const values = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
      const tapped = withTaps(plain);
      const expected = runReference(tapped, weights, inputs);
      const { relaxed, threads } = detectFeatures();
      for (const graph of [plain, tapped]) {
        const network = await instantiate(compile(graph, weights, { batch, relaxed, check: true }));
        const results = network.runAll(values);
        const again = network.runAll(values);
        for (const { name, shape } of network.outputs) {
          const tensor = expected.get(name);
          const data = results[name];
          if (!tensor || !data) throw new Error(`no output "${name}"`);
          const { relative, report } = difference({ shape, data }, tensor);
          expect(relative, `output ${name}: ${report}`).toBeLessThan(tolerance);
          expect(again[name], `output ${name} of a second run`).toEqual(data);
        }
        network.dispose();
        for (const count of threads.available ? [2, 3] : []) {
          const many = await instantiate(
            compile(graph, weights, { batch, relaxed, threads: count, check: true }),
          );
          expect(many.runAll(values)).toEqual(results);
          expect(many.runAll(values)).toEqual(results);
          many.dispose();
        }
      }
    },
    60_000,
  );
});
