/**
 * Every op case in int8: the compiled module against the integer reference, to the bit, in plain and relaxed SIMD and
 * on two threads. Cases whose graph has no int8 form pass: quantising refuses them.
 */
import { describe, expect, it } from 'vitest';
import { inferShapes } from '../../src/graph/shapes.js';
import { hardOf } from '../../src/passes/quantize/arithmetic.js';
import { operationConstants } from '../../src/passes/quantize/constants.js';
import type { ChannelScales } from '../../src/passes/quantize/network.js';
import { filterNode, int8Operations, operationsOf } from '../../src/passes/quantize/operations.js';
import { resolveScales } from '../../src/passes/quantize/scales.js';
import { hardCases } from './hard-cases.js';
import { int8Failure, quantizeCase } from './int8.js';
import type { OpCase } from './op-case.js';
import { describeCase } from './shrink.js';
import { opCases } from './table.js';
import { longForm, relaxedSimd, relaxedTwoThreads, simd, targetTitle, twoThreads } from './targets.js';

/** In the short form each third case, so that all granularities and kernels are met; in the long form all. */
const cases = opCases.filter((opCase, i) => longForm() || i % 3 === 0 || hardCases.includes(opCase));

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

/** How the layers with a hard activation of a case are rounded, those that add nothing else. */
async function hardNarrowings(opCase: OpCase): Promise<readonly string[]> {
  const network = await quantizeCase(opCase);
  const shapes = inferShapes(network.graph);
  const fused = int8Operations(network.graph);
  const scales = resolveScales(network, fused, shapes);
  return operationsOf(fused).flatMap((operation) => {
    const { activation, output } = operation;
    if (!filterNode(operation) || !hardOf(activation) || operation.residual !== null) return [];
    const of = (value: string) => scales.get(value) as ChannelScales;
    const { narrow } = operationConstants(network, operation, of, false).epilogue;
    return [`${output}: ${narrow?.hard?.activation ?? 'floats'}`];
  });
}

describe('int8 of hard activations', () => {
  it('is rounded in 16 bits at usual scales, as floats where their steps are too fine or too far', async () => {
    const usual = hardCases.filter(({ inputScale }) => inputScale > 0.1 && inputScale < 10);
    expect(usual.length).toBeGreaterThan(20);
    for (const opCase of usual)
      expect((await hardNarrowings(opCase)).join(), describeCase(opCase)).not.toContain('floats');
    const other = hardCases.filter((opCase) => !usual.includes(opCase));
    const found = (await Promise.all(other.map(hardNarrowings))).flat().join();
    for (const way of ['hardSwish', 'hardSigmoid', 'floats']) expect(found).toContain(way);
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
