/** The caller's side of threads that are gone (src/compiler/lost-thread.ts): marks the stop word, and asks for the mark. */
import { lostMark } from '../compiler/lost-thread.js';
import { EnvironmentError } from '../errors.js';

interface Control {
  readonly counter: number;
  readonly stop: number;
}

/** Nobody waits for a thread that is gone. */
export function loseThread(words: Int32Array, { counter, stop }: Control): void {
  Atomics.store(words, stop >> 2, lostMark);
  Atomics.notify(words, counter >> 2);
}

/** Whether a thread was lost: what the last run left behind is nonsense, and there can be no other. */
export function hasLostThread(words: Int32Array, { stop }: Control): boolean {
  return Atomics.load(words, stop >> 2) === lostMark;
}

/** Throws EnvironmentError `THREAD_LOST` if one was; `owner` names whose it was. */
export function checkThreads(words: Int32Array, control: Control, owner: string): void {
  if (hasLostThread(words, control))
    throw new EnvironmentError('THREAD_LOST', `${owner}: one of its threads has ended; make it anew`);
}
