/** Schedules and memory plans, and the check that watches over them: it must find what is broken on purpose. */
import { describe, expect, it } from 'vitest';
import { ghostNet } from '../models/ghostnet.js';
import { initializeWeights } from '../models/initialize.js';
import { foldBatchNorm } from '../passes/fold-batch-norm.js';
import { checkPlan } from './check-plan.js';
import { lower } from './lower.js';
import { type MemoryPlan, planMemory } from './memory-plan.js';
import type { Program, VirtualBuffer } from './program.js';
import { type Schedule, schedule } from './schedule.js';

function network(): Program {
  const graph = ghostNet({ width: 0.5, inputSize: 64 });
  const folded = foldBatchNorm(graph, initializeWeights(graph, 1));
  return lower(folded.graph, folded.weights);
}

function plan(program: Program, scheduled: Schedule): MemoryPlan {
  return planMemory(
    scheduled,
    [...program.inputs, ...program.outputs].map((port) => port.buffer),
    1,
    0,
  );
}

describe('memory plans', () => {
  const program = network();

  it.each([1, 2, 3, 5])('replay without a fault on %i threads', (threads) => {
    const scheduled = schedule(program, threads);
    expect(checkPlan(program, scheduled, plan(program, scheduled))).toEqual([]);
  });

  it('reuse space: all buffers together are several times as large', () => {
    const scheduled = schedule(program, 1);
    const { address, scratchBytes } = plan(program, scheduled);
    const all = [...address.keys()].filter((buffer) => buffer.role === 'scratch');
    const sum = all.reduce((total, buffer) => total + buffer.bytes, 0);
    expect(scratchBytes).toBeLessThan(sum / 4);
  });

  it('need no barrier between a primary convolution and its cheap operation', () => {
    const { steps } = schedule(program, 2);
    const interval = (name: string): number | undefined =>
      steps.find(({ step }) => step.name === name)?.interval;
    const [primary, cheap] = ['primary_conv.2', 'cheap_operation.2'].map((part) =>
      interval(`blocks.1.0.ghost1.${part}`),
    );
    expect(primary).toBeGreaterThan(0);
    expect(cheap).toBe(primary);
  });

  it('split every unit among threads exactly once', () => {
    for (const threads of [2, 3, 7])
      for (const { step, calls } of schedule(program, threads).steps)
        for (const part of step.parts) {
          const ranges = calls
            .flat()
            .filter((call) => call.part === part)
            .sort((a, b) => a.unit0 - b.unit0);
          expect(ranges[0]?.unit0).toBe(0);
          expect(ranges.at(-1)?.unit1).toBe(part.units);
          for (let i = 1; i < ranges.length; i++) expect(ranges[i]?.unit0).toBe(ranges[i - 1]?.unit1);
        }
  });
});

describe('the check', () => {
  const program = network();
  const scheduled = schedule(program, 2);

  it('finds a missing barrier', () => {
    const barrierless = { ...scheduled, steps: scheduled.steps.map((step) => ({ ...step, interval: 0 })) };
    const problems = checkPlan(program, barrierless, plan(program, scheduled));
    expect(problems.join('\n')).toContain('no barrier between');
  });

  it('finds two values at one place', () => {
    const good = plan(program, scheduled);
    const scratch = [...good.address].filter(([buffer]) => buffer.role === 'scratch');
    const lowest = Math.min(...scratch.map(([, at]) => at));
    const address = new Map([...good.address, ...scratch.map(([buffer]) => [buffer, lowest] as const)]);
    const problems = checkPlan(program, scheduled, { ...good, address });
    expect(problems.join('\n')).toMatch(/reads what buffer \d+ left there/);
  });

  it('finds a buffer without an address and one that is too small', () => {
    const good = plan(program, scheduled);
    const [some] = [...good.address.keys()].filter((buffer) => buffer.role === 'scratch');
    const address = new Map(good.address);
    address.delete(some as VirtualBuffer);
    expect(checkPlan(program, scheduled, { ...good, address }).join('\n')).toContain('has no address');
    const steps = scheduled.steps.map((step, i) => {
      if (i !== 5) return step;
      const calls = step.calls.map((list) => list.map((call) => ({ ...call, unit1: call.unit1 + 1 })));
      return { ...step, calls };
    });
    expect(checkPlan(program, { ...scheduled, steps }, good)).not.toEqual([]);
  });
});
