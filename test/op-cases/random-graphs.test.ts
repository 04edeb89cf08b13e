/** Random graphs on every engine against the reference. A failing graph is made small and printed with its seed. */
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/graph/json.js';
import { randomGraph } from './random-graph.js';
import { describeCase, shrink } from './shrink.js';
import {
  checkThreadPlans,
  failureOf,
  longForm,
  relaxedSimd,
  simd,
  type Target,
  targetTitle,
  twoThreads,
} from './targets.js';
import { randomWeights } from './values.js';

/** Of the largest value of an output, after up to some forty nodes. */
const tolerance = 2e-5;
/** Inputs and weights are around 1: what is much smaller is what cancelling or a ReLU left. */
const floor = 0.1;
/** Graphs per test, so that a failure says which, and no test runs long. */
const perTest = 20;

async function check(target: Target, first: number, count: number): Promise<void> {
  for (let seed = first; seed < first + count; seed++) {
    const graph = randomGraph(seed);
    const failure = await failureOf(target, graph, tolerance, floor);
    if (target.threads > 1) checkThreadPlans(graph.graph, randomWeights(graph.graph, seed), graph.batch);
    if (failure === undefined) continue;
    const small = await shrink(
      graph,
      async (candidate) => (await failureOf(target, candidate, tolerance, floor)) !== undefined,
    );
    const smallFailure = await failureOf(target, small, tolerance, floor);
    expect.fail(
      `seed ${seed} on ${target.name}: ${failure}\n${describeCase(graph)}\nmade small: ${smallFailure}\n${describeCase(small)}`,
    );
  }
}

describe('random graphs', () => {
  it('the same seed gives the same graph, another seed another', () => {
    expect(toJson(randomGraph(5).graph)).toBe(toJson(randomGraph(5).graph));
    expect(toJson(randomGraph(5).graph)).not.toBe(toJson(randomGraph(6).graph));
  });

  for (const target of [simd, relaxedSimd, twoThreads]) {
    const count = longForm() ? 2000 : target === twoThreads ? 10 : 60;
    for (let first = 0; first < count; first += perTest) {
      const size = Math.min(perTest, count - first);
      it.skipIf(target.missing !== '')(
        `${targetTitle(target)}: seeds ${first} to ${first + size - 1}`,
        () => check(target, first, size),
        120_000,
      );
    }
  }
});
