/**
 * What a checked build found (compile with `checked`): turns the words that its module leaves behind after a wrong access
 * into an error that names step, node and address.
 */
import type { CheckedManifest, Manifest } from '../compiler/compiled-model.js';
import { rangeError } from '../errors.js';

/** A wrong access: the first of a run. */
export interface Violation {
  /** How many there were. */
  readonly count: number;
  readonly address: number;
  readonly bytes: number;
  readonly stores: boolean;
  readonly step: number;
  readonly thread: number;
}

/** The violation of the last run, if there was one, and forgets it; `address` is that of its words in memory. */
export function takeViolation(words: Int32Array, address: number): Violation | undefined {
  const at = address >> 2;
  const [count = 0, byte = 0, bytes = 0, where = 0] = words.subarray(at, at + 4);
  if (count === 0) return undefined;
  words[at] = 0;
  return {
    count,
    address: byte >>> 0,
    bytes: Math.abs(bytes),
    stores: bytes < 0,
    step: where >> 5,
    thread: where & 31,
  };
}

/** RangeError `MEMORY_VIOLATION`; `buffers` that share bytes at different times may all be near. */
export function violationError(
  { count, address, bytes, stores, thread }: Violation,
  step: string,
  buffers: CheckedManifest['buffers'],
): RangeError {
  const near = buffers
    .filter((buffer) => address >= buffer.address && address < buffer.address + buffer.bytes)
    .map((buffer) => `byte ${address - buffer.address} of "${buffer.name}"`)
    .slice(0, 3);
  return rangeError(
    'MEMORY_VIOLATION',
    `${step}, thread ${thread}: ${stores ? 'stores' : 'loads'} ${bytes} bytes at address ${address}, ` +
      `${near.length > 0 ? near.join(', ') : 'where nothing is planned'}, which the step may not ` +
      `${stores ? 'write' : 'read'}; ${count} such accesses in this run`,
  );
}

/** Throws RangeError `MEMORY_VIOLATION` if there was one since the last call; `words` is the module's memory. */
export function checkViolation({ name, checked, steps }: Manifest, words: Int32Array): void {
  const violation = checked && takeViolation(words, checked.violation);
  if (!checked || !violation) return;
  const step = steps[violation.step];
  const nodes = step?.nodes.length ? ` (${step.nodes.join(', ')})` : '';
  const title = `network "${name}": step "${step?.name}"${nodes}, kernel ${step?.kernel}`;
  throw violationError(violation, title, checked.buffers);
}
