/**
 * Ctrl-C: ends the command with exit code 130, cursor and line wrap back and no stack, unless a command has asked to end in its
 * own way (a training writes its checkpoint first).
 */
import { exitCodes } from '../exit-codes.js';
import { note } from './terminal.js';

type Handler = () => void;
const handlers: Handler[] = [];

function leave(): void {
  if (process.stderr.isTTY) process.stderr.write('\x1b[?25h\x1b[?7h\n');
  process.exit(exitCodes.interrupted);
}

/** Listens for Ctrl-C from now on. Called once, by main. */
export function installInterrupt(): void {
  process.on('SIGINT', () => (handlers.at(-1) ?? leave)());
}

/** Takes over Ctrl-C until the returned function is called. A handler that wants to end at once calls `leaveNow`. */
export function onInterrupt(handler: Handler): () => void {
  handlers.push(handler);
  return () => {
    const at = handlers.lastIndexOf(handler);
    if (at >= 0) handlers.splice(at, 1);
  };
}

/**
 * Calls `handler` when the process that started this one, with a channel to it (`stdio: 'ipc'`), is gone, however it
 * ended: a training of a sweep does not outlive the sweep. Never called where there is no channel. Returns a function
 * that stops listening.
 */
export function onAbandoned(handler: Handler): () => void {
  if (process.connected === false) handler();
  if (!process.connected) return () => {};
  process.on('disconnect', handler);
  // listening alone must not keep the process alive
  process.channel?.unref();
  return () => void process.off('disconnect', handler);
}

/** Ends the process as an unhandled Ctrl-C would. */
export const leaveNow: Handler = leave;

/**
 * Runs a training: the first Ctrl-C says that the step is finished and a checkpoint written, and aborts the signal, as the end of the
 * parent process does; the second ends at once.
 */
export async function finishOnInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let presses = 0;
  const release = onInterrupt(() => {
    if (presses++ > 0) leaveNow();
    note('\nghostnet: finishing the step and writing a checkpoint (Ctrl-C again: end at once)');
    controller.abort();
  });
  const releaseParent = onAbandoned(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    release();
    releaseParent();
  }
}
