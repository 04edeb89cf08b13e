/**
 * The static memory plan: an address for every buffer. Two buffers share bytes only when no interval between barriers
 * touches both: within an interval the order of different threads' steps is not known, so liveness counts whole
 * intervals, not steps. With one thread every step is an interval of its own.
 */
import type { VirtualBuffer } from './program.js';
import { callAccesses, type Schedule } from './schedule.js';

/** Where things are in the module's memory. */
export interface MemoryPlan {
  readonly address: ReadonlyMap<VirtualBuffer, number>;
  /** First byte after everything. */
  readonly end: number;
  /** Bytes of buffers that share space. */
  readonly scratchBytes: number;
}

const alignment = 64;

export function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

interface Life {
  readonly buffer: VirtualBuffer;
  first: number;
  last: number;
}

/** First and last interval in which each buffer is touched. */
function lives(schedule: Schedule): Map<VirtualBuffer, Life> {
  const known = new Map<VirtualBuffer, Life>();
  schedule.steps.forEach((scheduled, index) => {
    const moment = schedule.threads === 1 ? index : scheduled.interval;
    for (const call of scheduled.calls.flat())
      for (const { buffer } of callAccesses(call)) {
        const life = known.get(buffer);
        if (life) life.last = moment;
        else known.set(buffer, { buffer, first: moment, last: moment });
      }
  });
  return known;
}

/** Inputs and outputs first, one piece per image, then scratch buffers, the largest first, each at the lowest gap. */
export function planMemory(
  schedule: Schedule,
  ports: readonly VirtualBuffer[],
  batch: number,
  start: number,
): MemoryPlan {
  const address = new Map<VirtualBuffer, number>();
  let base = align(start);
  for (const buffer of ports) {
    address.set(buffer, base);
    base = align(base + buffer.bytes * batch);
  }
  const scratch = [...lives(schedule).values()].filter(({ buffer }) => buffer.role === 'scratch');
  scratch.sort((a, b) => b.buffer.bytes - a.buffer.bytes || a.buffer.id - b.buffer.id);
  const placed: (Life & { readonly start: number; readonly end: number })[] = [];
  let end = base;
  for (const life of scratch) {
    const size = align(life.buffer.bytes);
    const neighbours = placed
      .filter((other) => other.first <= life.last && life.first <= other.last)
      .sort((a, b) => a.start - b.start);
    let at = base;
    for (const other of neighbours) {
      if (other.start - at >= size) break;
      at = Math.max(at, other.end);
    }
    placed.push({ ...life, start: at, end: at + size });
    address.set(life.buffer, at);
    end = Math.max(end, at + size);
  }
  return { address, end, scratchBytes: end - base };
}
