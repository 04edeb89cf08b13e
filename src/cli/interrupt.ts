/**
 * Ctrl-C: ends the command with exit code 130, cursor and line wrap back and no stack, unless a command has asked to end in its
 * own way (a training writes its checkpoint first).
 */
import { exitCodes } from './exit-codes.js';

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
