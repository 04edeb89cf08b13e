/**
 * Splits a program's steps over threads and decides where all threads must wait for each other: before a step in
 * which a thread touches bytes of a buffer that another thread has touched since the last barrier, one of them
 * writing. Works on virtual buffers: addresses are planned afterwards, from the intervals that the barriers make.
 */
import type { Operand, Part, Program, Step, VirtualBuffer } from './program.js';

/** Units [unit0, unit1) of one part, for one thread. */
export interface Call {
  readonly part: Part;
  readonly unit0: number;
  readonly unit1: number;
}

export interface ScheduledStep {
  readonly step: Step;
  /** Calls of each thread. */
  readonly calls: readonly (readonly Call[])[];
  /** Distinct lengths of the unit ranges of all threads' calls, in no particular order. */
  readonly ranges: readonly number[];
  /** Number of barriers before this step (since the start of the image). */
  readonly interval: number;
}

export interface Schedule {
  readonly threads: number;
  readonly steps: readonly ScheduledStep[];
  /** Barriers inside one image's run. */
  readonly barriers: number;
}

/**
 * First unit of a thread: units are split evenly, at even units where there are many, since matrix kernels work on
 * pairs of quads.
 */
function bound(units: number, thread: number, threads: number): number {
  const even = (units * thread) / threads;
  return units >= 16 * threads ? 2 * Math.round(even / 2) : Math.ceil(even);
}

function splitStep(step: Step, threads: number): Call[][] {
  return Array.from({ length: threads }, (_, thread) => {
    const calls: Call[] = [];
    const add = (part: Part, unit0: number, unit1: number): void => {
      if (unit0 < unit1) calls.push({ part, unit0, unit1 });
    };
    if (step.split === 'each') {
      for (const part of step.parts)
        add(
          part,
          bound(part.units, thread, threads),
          thread + 1 === threads ? part.units : bound(part.units, thread + 1, threads),
        );
      return calls;
    }
    const total = step.parts.reduce((sum, part) => sum + part.units, 0);
    const first = bound(total, thread, threads);
    const end = thread + 1 === threads ? total : bound(total, thread + 1, threads);
    let start = 0;
    for (const part of step.parts) {
      add(part, Math.max(0, first - start), Math.min(part.units, end - start));
      start += part.units;
    }
    return calls;
  });
}

/** Bytes that a call touches through one operand. */
export interface Access {
  readonly buffer: VirtualBuffer;
  readonly start: number;
  readonly end: number;
  readonly access: 'read' | 'write';
}

export function callAccess(call: Call, operand: Operand): Access | undefined {
  if (operand.kind !== 'buffer') return undefined;
  const { buffer, offset, extent, access } = operand;
  const perUnit = 'perUnit' in extent;
  return {
    buffer,
    start: perUnit ? offset + call.unit0 * extent.perUnit : offset,
    end: perUnit ? offset + call.unit1 * extent.perUnit : offset + extent.bytes,
    access,
  };
}

export function callAccesses(call: Call): Access[] {
  return call.part.operands.flatMap((operand) => callAccess(call, operand) ?? []);
}

/** Throws RangeError never; `threads` is a whole number of at least 1. */
export function schedule(program: Program, threads: number): Schedule {
  /** What each thread has touched since the last barrier, by buffer. */
  let touched = new Map<VirtualBuffer, { thread: number; access: Access }[]>();
  let interval = 0;
  const steps = program.steps.map((step): ScheduledStep => {
    const calls = splitStep(step, threads);
    const accesses = calls.flatMap((list, thread) =>
      list.flatMap((call) => callAccesses(call).map((access) => ({ thread, access }))),
    );
    const conflict = accesses.some(({ thread, access }) =>
      touched
        .get(access.buffer)
        ?.some(
          (earlier) =>
            earlier.thread !== thread &&
            (earlier.access.access === 'write' || access.access === 'write') &&
            earlier.access.start < access.end &&
            access.start < earlier.access.end,
        ),
    );
    if (conflict) {
      touched = new Map();
      interval++;
    }
    for (const entry of accesses) {
      const list = touched.get(entry.access.buffer);
      if (list) list.push(entry);
      else touched.set(entry.access.buffer, [entry]);
    }
    const ranges = [...new Set(calls.flat().map((call) => call.unit1 - call.unit0))].sort((a, b) => b - a);
    return { step, calls, ranges, interval };
  });
  return { threads, steps, barriers: interval };
}

/** The schedule without its barrier `number` (from 0), for tests that must notice that. */
export function omitBarrier(schedule: Schedule, number: number): Schedule {
  const { steps, barriers } = schedule;
  if (!(number >= 0 && number < barriers)) return schedule;
  const without = steps.map((step) =>
    step.interval > number ? { ...step, interval: step.interval - 1 } : step,
  );
  return { ...schedule, steps: without, barriers: barriers - 1 };
}
