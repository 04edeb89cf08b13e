/**
 * What a checked build found (compile with `checked`): turns the words that its module leaves behind after a wrong access
 * into an error that names step, node and address.
 */
import type { Manifest } from '../compiler/compiled-model.js';
import { rangeError } from '../errors.js';

/** Throws RangeError `MEMORY_VIOLATION` if there was one since the last call; `words` is the module's memory. */
export function checkViolation({ name, checked, steps }: Manifest, words: Int32Array): void {
  if (!checked) return;
  const at = checked.violation >> 2;
  const [count = 0, address = 0, bytes = 0, where = 0] = words.subarray(at, at + 4);
  if (count === 0) return;
  words[at] = 0;
  const byte = address >>> 0;
  const step = steps[where >> 5];
  // buffers that share bytes at different times: a few of them tell enough
  const near = checked.buffers
    .filter((buffer) => byte >= buffer.address && byte < buffer.address + buffer.bytes)
    .map((buffer) => `byte ${byte - buffer.address} of "${buffer.name}"`)
    .slice(0, 3);
  const nodes = step?.nodes.length ? ` (${step.nodes.join(', ')})` : '';
  throw rangeError(
    'MEMORY_VIOLATION',
    `network "${name}": step "${step?.name}"${nodes}, kernel ${step?.kernel}, thread ${where & 31}: ` +
      `${bytes < 0 ? 'stores' : 'loads'} ${Math.abs(bytes)} bytes at address ${byte}, ` +
      `${near.length > 0 ? near.join(', ') : 'where nothing is planned'}, which the step may not ` +
      `${bytes < 0 ? 'write' : 'read'}; ${count} such accesses in this run`,
  );
}
