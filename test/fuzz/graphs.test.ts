/**
 * The short form of the differential fuzzer: 130 random graphs in every mode that this place can run, against the
 * reference and each other; a failing graph is made small and printed with its seed. Kept graphs are replayed always.
 * The long form, with onnxruntime, is `npm run fuzz` (graphs-long.node.test.ts).
 */
import { describe, expect, it } from 'vitest';
import { fromJson, toJson } from '../../src/graph/json.js';
import { nodeKinds } from '../../src/graph/nodes.js';
import { fuzzGraph } from './fuzz-graph.js';
import { emptyTally, hunt } from './hunt.js';
import kept from './kept.json' with { type: 'json' };
import { allModes, shortModes } from './modes.js';

const graphs = 100;
const hardGraphs = 30;
/** Graphs per test, so that a failure says which, and no test runs long. */
const perTest = 10;

const keptModes = allModes.filter(({ threads }) => threads <= 3);

/** A graph that some mode got wrong once, made small; its weights and inputs are those of the seed. */
interface Kept {
  readonly why: string;
  readonly seed: number;
  readonly batch: number;
  /** As src/graph/json.ts writes it. */
  readonly graph: unknown;
}

describe('random graphs in every mode', () => {
  const tally = emptyTally();

  it('the same seed gives the same graph, another seed another', () => {
    expect(toJson(fuzzGraph(5).graph)).toBe(toJson(fuzzGraph(5).graph));
    expect(toJson(fuzzGraph(5).graph)).not.toBe(toJson(fuzzGraph(6).graph));
  });

  for (let first = 0; first < graphs; first += perTest)
    it(`seeds ${first} to ${first + perTest - 1}`, async () => {
      for (let seed = first; seed < first + perTest; seed++) {
        const report = await hunt(tally, fuzzGraph(seed), shortModes(seed));
        if (report !== undefined) expect.fail(report);
      }
    });

  for (let first = 0; first < hardGraphs; first += perTest)
    it(`with hard activations, seeds ${first} to ${first + perTest - 1}`, async () => {
      for (let seed = first; seed < first + perTest; seed++) {
        const report = await hunt(tally, fuzzGraph(seed, true), shortModes(seed));
        if (report !== undefined) expect.fail(report);
      }
    });

  it('meet every kind of node, and int8 where they can', () => {
    expect(nodeKinds.filter((kind) => !tally.ops[kind])).toEqual([]);
    expect(tally.modes['int8 simd']).toBeGreaterThan((graphs * 2) / 3);
    // of the third that is run with half weights, those that have a layer for them
    expect(tally.kernels['half weights']).toBeGreaterThan(5);
  });
});

it('graphs that once failed pass in every mode', async () => {
  for (const { graph, batch, seed, why } of kept as readonly Kept[]) {
    const opCase = { name: why, graph: fromJson(JSON.stringify(graph)), batch, seed, inputScale: 1 };
    const tally = emptyTally();
    const report = await hunt(tally, opCase, keptModes);
    if (report !== undefined) expect.fail(report);
    expect(tally.refused, why).toEqual({});
  }
});
