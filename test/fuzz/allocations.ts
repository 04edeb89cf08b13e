/**
 * Counts the bytes that code asks for by `new Uint8Array(n)` and its like, and refuses to give more than a limit, so
 * that a reader that believes a lying size is caught before the machine feels it. Install before the code under test
 * is imported, since libraries keep references to the constructors.
 */

/** Thrown in place of an allocation beyond the limit. It has no code, so it never passes for a reader's own error. */
export class AllocationRefused extends Error {}

const names = [
  'ArrayBuffer',
  'Uint8Array',
  'Uint16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
] as const;

let limit = Number.POSITIVE_INFINITY;
let taken = 0;

/** Replaces the constructors for good; call once, in a test worker of its own. */
export function installCounter(): void {
  for (const name of names) {
    const original = globalThis[name];
    const width = name === 'ArrayBuffer' ? 1 : (original as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    const counted: object = new Proxy(original as unknown as new (...given: unknown[]) => object, {
      construct(target, given, newTarget): object {
        if (typeof given[0] === 'number') {
          taken += given[0] * width;
          if (taken > limit) throw new AllocationRefused(`${taken} bytes wanted, at most ${limit}`);
        }
        return Reflect.construct(target, given, newTarget === counted ? target : newTarget) as object;
      },
    });
    Object.defineProperty(globalThis, name, { value: counted, configurable: true, writable: true });
  }
}

/** Runs `action` with at most `bytes` to take; returns how many it took. */
export function withLimit(bytes: number, action: () => void): number {
  limit = bytes;
  taken = 0;
  try {
    action();
  } finally {
    limit = Number.POSITIVE_INFINITY;
  }
  return taken;
}
