/** Every op case on every engine against the reference; two threads to the same bits as one. */
import { describe, expect, it } from 'vitest';
import { describeCase } from './shrink.js';
import { opCases } from './table.js';
import {
  checkThreadPlans,
  failureOf,
  longForm,
  relaxedSimd,
  runCompiled,
  sameBits,
  simd,
  targetTitle,
  twoThreads,
} from './targets.js';
import { randomInputs, randomWeights } from './values.js';

/** Of the largest value; sums of float32 in another order, exp by a polynomial. */
const tolerance = 1e-5;

describe.each([simd, relaxedSimd])('op cases on $name', (target) => {
  it.skipIf(target.missing !== '').each(opCases)(`${targetTitle(target)}: $name`, async (opCase) => {
    expect(await failureOf(target, opCase, tolerance), describeCase(opCase)).toBeUndefined();
  });
});

describe('schedules and memory plans of 2 and 3 threads', () => {
  it.each(opCases)('$name', ({ graph, batch, seed }) => {
    expect(() => checkThreadPlans(graph, randomWeights(graph, seed), batch)).not.toThrow();
  });
});

// starting threads takes longer than running a case: every third case, all in the long form
const threaded = opCases.filter((_, i) => longForm() || i % 3 === 1);

describe(`op cases on ${targetTitle(twoThreads)}`, () => {
  it.skipIf(twoThreads.missing !== '').each(threaded)('$name', async (opCase) => {
    const { graph, batch, seed, inputScale } = opCase;
    const weights = randomWeights(graph, seed);
    const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
    const one = await runCompiled(simd, graph, weights, inputs);
    const two = await runCompiled(twoThreads, graph, weights, inputs);
    for (const [name, { data }] of one)
      expect(
        sameBits(data, two.get(name)?.data ?? new Float32Array()),
        `${describeCase(opCase)}${name}`,
      ).toBe(true);
  });
});
