/** That the browser run is what it says it is: a cross-origin isolated page with shared memory. */
import { expect, it } from 'vitest';

it('runs in a cross-origin isolated page', () => {
  expect(globalThis.crossOriginIsolated).toBe(true);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
});
