/**
 * Every op case in int8: the compiled module against the integer reference, to the bit, in plain and relaxed SIMD and
 * on two threads. Cases whose graph has no int8 form pass: quantising refuses them.
 */
import { describe, expect, it } from 'vitest';
import { int8Failure, quantizeCase } from './int8.js';
import { describeCase } from './shrink.js';
import { opCases } from './table.js';
import { longForm, relaxedSimd, relaxedTwoThreads, simd, targetTitle, twoThreads } from './targets.js';

/** In the short form each third case, so that all granularities and kernels are met; in the long form all. */
const cases = opCases.filter((_, i) => longForm() || i % 3 === 0);

describe.each([simd, relaxedSimd])('int8 op cases on $name', (target) => {
  it.skipIf(target.missing !== '').each(cases)(`${targetTitle(target)}: $name`, async (opCase) => {
    expect(await int8Failure(target, opCase), describeCase(opCase)).toBeUndefined();
  });
});

// starting threads takes longer than running a case: a few cases, all in the long form
const threaded = opCases.filter((_, i) => longForm() || i % 7 === 1);

describe.each([twoThreads, relaxedTwoThreads])('int8 op cases on $name', (target) => {
  it.skipIf(target.missing !== '').each(threaded)(`${targetTitle(target)}: $name`, async (opCase) => {
    expect(await int8Failure(target, opCase), describeCase(opCase)).toBeUndefined();
  });
});

describe('int8 of softmax', () => {
  it('is refused where something reads it', async () => {
    const inner = opCases.find(({ graph }) => {
      const softmax = graph.nodes.find(({ kind }) => kind === 'softmax');
      return softmax && graph.nodes.some(({ inputs }) => inputs.includes(softmax.name));
    });
    if (inner) await expect(quantizeCase(inner)).rejects.toMatchObject({ code: 'NOT_QUANTIZABLE' });
  });
});
