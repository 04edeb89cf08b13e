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
  const words = Math.ceil(plan.end / 4);
  const owner = new Int32Array(words).fill(-1);
  const writeInterval = new Int32Array(words).fill(-1);
  const writeThread = new Int32Array(words);
  const readInterval = new Int32Array(words).fill(-1);
  /** Bit per thread that has read the word in `readInterval`. */
  const readThreads = new Int32Array(words);
  for (const { buffer } of program.inputs) {
    const start = (plan.address.get(buffer) ?? 0) / 4;
    owner.fill(buffer.id, start, start + buffer.bytes / 4);
  }
  const wordRange = ({ buffer, start, end }: Access): readonly [number, number] => {
    const base = plan.address.get(buffer);
    if (base === undefined) problems.push(`buffer "${buffer.name}" has no address`);
    if (end > buffer.bytes) problems.push(`buffer "${buffer.name}": bytes up to ${end} of ${buffer.bytes}`);
    return [((base ?? 0) + start) / 4, ((base ?? 0) + end) / 4];
  };
  for (const { step, calls, interval } of schedule.steps) {
    const report = (what: string, access: Access, word: number): void => {
      if (problems.length < most)
        problems.push(`step "${step.name}", buffer "${access.buffer.name}", byte ${word * 4}: ${what}`);
    };
    const each = (
      kind: 'read' | 'write',
      visit: (thread: number, access: Access, word: number) => string,
    ): void => {
      calls.forEach((list, thread) => {
        for (const access of list.flatMap(callAccesses)) {
          if (access.access !== kind) continue;
          const [start, end] = wordRange(access);
          for (let word = start; word < end; word++) {
            const what = visit(thread, access, word);
            if (what === '') continue;
            report(what, access, word);
            break;
          }
        }
      });
    };
    each('read', (thread, access, word) => {
      if (readInterval[word] !== interval) readThreads[word] = 0;
      readInterval[word] = interval;
      readThreads[word] = (readThreads[word] as number) | (1 << thread);
      if (owner[word] !== access.buffer.id) return `reads what buffer ${owner[word]} left there`;
      if (writeInterval[word] === interval && writeThread[word] !== thread)
        return `thread ${thread} reads what thread ${writeThread[word]} writes with no barrier between`;
      return '';
    });
    each('write', (thread, access, word) => {
      const readByOthers =
        readInterval[word] === interval && ((readThreads[word] as number) & ~(1 << thread)) !== 0;
      const writtenByOther = writeInterval[word] === interval && writeThread[word] !== thread;
      owner[word] = access.buffer.id;
      writeInterval[word] = interval;
      writeThread[word] = thread;
      if (readByOthers) return `thread ${thread} writes what another thread reads with no barrier between`;
      if (writtenByOther) return `thread ${thread} writes what another thread writes with no barrier between`;
      return '';
    });
  }
  return problems.slice(0, most);
}
