/**
 * Errors of the whole package: every one carries a stable `code` that scripts can match, and a message that names
 * the op or file, the argument, what was given, what was expected, and the next step.
 *
 * Wrong kind of argument: TypeError; wrong value: RangeError; bad file: FormatError with the byte offset.
 * Not a logger and not a result type: this file only makes errors.
 */

/** A bad file: torn, mutated, of another format, or beyond a stated limit. `offset` is the byte where reading failed. */
export class FormatError extends Error {
  readonly code: string;
  readonly offset: number | undefined;
  constructor(code: string, message: string, options: { offset?: number; cause?: unknown } = {}) {
    super(options.offset === undefined ? message : `${message} (at byte ${options.offset})`, {
      cause: options.cause,
    });
    this.name = 'FormatError';
    this.code = code;
    this.offset = options.offset;
  }
}

/** Something outside the program failed: network, disk, missing weights, a missing engine feature. */
export class EnvironmentError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'EnvironmentError';
    this.code = code;
  }
}

/** A TypeError (wrong kind of argument) with a stable code. */
export function typeError(code: string, message: string): TypeError & { code: string } {
  return Object.assign(new TypeError(message), { code });
}

/** A RangeError (wrong value) with a stable code. */
export function rangeError(code: string, message: string): RangeError & { code: string } {
  return Object.assign(new RangeError(message), { code });
}

/** The stable code of any error of this package, or undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** The last arm of an exhaustive switch: a compile-time error when a kind is missing. */
export function unreachable(value: never): never {
  throw new TypeError(`unreachable: ${JSON.stringify(value)}`);
}
