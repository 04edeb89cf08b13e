/**
 * An independent check of a schedule and its memory plan: replays every call on a shadow of the memory that knows,
 * for each float, which buffer's value it holds and who touched it since the last barrier. It trusts neither the
 * liveness nor the barriers that it checks.
 */
import type { MemoryPlan } from './memory-plan.js';
import type { Program } from './program.js';
import { type Access, callAccesses, type Schedule } from './schedule.js';

/** What is wrong with a plan, one line each; empty when nothing is. At most `most` lines. */
export function checkPlan(program: Program, schedule: Schedule, plan: MemoryPlan, most = 10): string[] {
  const problems: string[] = [];
  // weights lie before all buffers and have no shadow
  const first = Math.min(...plan.address.values()) / 4;
  const words = Math.ceil(plan.end / 4) - first;
  const owner = new Int32Array(words).fill(-1);
  const writeInterval = new Int32Array(words).fill(-1);
  const writeThread = new Int32Array(words);
  const readInterval = new Int32Array(words).fill(-1);
  /** Bit per thread that has read the word in `readInterval`. */
  const readThreads = new Int32Array(words);
  for (const { buffer } of program.inputs) {
    const start = (plan.address.get(buffer) ?? 0) / 4 - first;
    owner.fill(buffer.id, start, start + buffer.bytes / 4);
  }
  const wordRange = ({ buffer, start, end }: Access): readonly [number, number] => {
    const base = plan.address.get(buffer);
    if (base === undefined) problems.push(`buffer "${buffer.name}" has no address`);
    if (end > buffer.bytes) problems.push(`buffer "${buffer.name}": bytes up to ${end} of ${buffer.bytes}`);
    return [((base ?? 0) + start) / 4 - first, ((base ?? 0) + end) / 4 - first];
  };
  /** Returns the first word that may not be read and why, or undefined; so does `write`. */
  const read = (access: Access, thread: number, interval: number): readonly [number, string] | undefined => {
    const [start, end] = wordRange(access);
    const { id } = access.buffer;
    for (let word = start; word < end; word++) {
      const threads = readInterval[word] === interval ? (readThreads[word] as number) : 0;
      readInterval[word] = interval;
      readThreads[word] = threads | (1 << thread);
      if (owner[word] !== id) return [word, `reads what buffer ${owner[word]} left there`];
      if (writeInterval[word] === interval && writeThread[word] !== thread)
        return [
          word,
          `thread ${thread} reads what thread ${writeThread[word]} writes with no barrier between`,
        ];
    }
    return undefined;
  };
  const write = (access: Access, thread: number, interval: number): readonly [number, string] | undefined => {
    const [start, end] = wordRange(access);
    const { id } = access.buffer;
    for (let word = start; word < end; word++) {
      const readByOthers =
        readInterval[word] === interval && ((readThreads[word] as number) & ~(1 << thread)) !== 0;
      const writtenByOther = writeInterval[word] === interval && writeThread[word] !== thread;
      owner[word] = id;
      writeInterval[word] = interval;
      writeThread[word] = thread;
      if (readByOthers || writtenByOther)
        return [
          word,
          `thread ${thread} writes what another thread ${readByOthers ? 'reads' : 'writes'} with no barrier between`,
        ];
    }
    return undefined;
  };
  for (const { step, calls, interval } of schedule.steps) {
    const accesses = calls.map((list) => list.flatMap(callAccesses));
    for (const [kind, visit] of [
      ['read', read],
      ['write', write],
    ] as const)
      accesses.forEach((list, thread) => {
        for (const access of list) {
          const problem = access.access === kind ? visit(access, thread, interval) : undefined;
          if (problem && problems.length < most)
            problems.push(
              `step "${step.name}", buffer "${access.buffer.name}", byte ${(first + problem[0]) * 4}: ${problem[1]}`,
            );
        }
      });
  }
  return problems.slice(0, most);
}
