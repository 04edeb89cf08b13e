/**
 * How a command says that it failed: one line on stderr with a stable code, the stack only when GHOSTNET_DEBUG is set.
 */
import { errorCode } from '../../errors.js';
import { errorColors, note } from './terminal.js';

/** A wrong command line that commander cannot know of; ends with exit code 2. */
export class UsageError extends Error {
  readonly code = 'USAGE';
}

/** The message of anything thrown, on one line. */
export function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().replaceAll(/\s*\n\s*/g, '; ');
}

/** The stable code of anything thrown; `INTERNAL` when it has none (a defect of this package). */
export function codeOf(error: unknown): string {
  return errorCode(error) ?? 'INTERNAL';
}

/** Writes `ghostnet: error [CODE]: message` to stderr. */
export function reportError(error: unknown): void {
  const code = codeOf(error);
  const hint = code === 'INTERNAL' ? ' (this is a defect; GHOSTNET_DEBUG=1 shows where)' : '';
  note(`ghostnet: ${errorColors.red(`error [${code}]`)}: ${oneLine(error)}${hint}`);
  if (process.env['GHOSTNET_DEBUG'] && error instanceof Error) note(error.stack ?? '');
}

/** Writes `ghostnet: warning: message` to stderr. */
export function warn(message: string): void {
  note(`ghostnet: ${errorColors.yellow('warning')}: ${message}`);
}
