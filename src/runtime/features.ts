/**
 * What this engine and this place offer: SIMD, relaxed SIMD and threads, found out with modules of a few bytes and
 * with the platform's own words. Decides nothing.
 */

/** A module of one function `() -> ()` with this body. */
function probe(body: readonly number[]): boolean {
  const code = [0, ...body, 0x0b];
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 4, 1, 0x60, 0, 0],
    ...[3, 2, 1, 0],
    ...[10, code.length + 2, 1, code.length, ...code],
  ];
  return WebAssembly.validate(Uint8Array.from(bytes));
}

const splatZero = [0x41, 0, 0xfd, 0x0f];
const drop = 0x1a;

export interface ThreadSupport {
  readonly available: boolean;
  /** Why not, for people. Empty when available. */
  readonly reason: string;
}

export interface Features {
  readonly simd: boolean;
  /** The fused multiply-add of the relaxed SIMD proposal. */
  readonly relaxed: boolean;
  /**
   * Whether networks should be compiled with `narrow`: engines before V8 13 reorder loop bodies. No WebAssembly module
   * can ask for a compiler's age, so a JavaScript function that came with V8 13 (Error.isError) stands for it.
   */
  readonly narrow: boolean;
  readonly threads: ThreadSupport;
}

/**
 * `worker_threads` of Node and of what imitates it, without an import that a browser would stumble over.
 * @internal
 */
export function nodeWorkerThreads(): typeof import('node:worker_threads') | undefined {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return host?.getBuiltinModule?.('node:worker_threads') as typeof import('node:worker_threads') | undefined;
}

/** What thread support depends on; the global object has it. */
export interface ThreadHost {
  readonly SharedArrayBuffer?: unknown;
  readonly crossOriginIsolated?: boolean | undefined;
  readonly Worker?: unknown;
}

const notIsolated =
  'this page is not cross-origin isolated (crossOriginIsolated is false); serve it with the headers ' +
  'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';

/** Whether a network can run on several threads in a place that has `host`'s globals. */
export function threadSupport(host: ThreadHost, hasNodeThreads: boolean): ThreadSupport {
  const no = (reason: string): ThreadSupport => ({ available: false, reason });
  if (host.crossOriginIsolated === false && !hasNodeThreads) return no(notIsolated);
  if (host.SharedArrayBuffer === undefined) return no('this engine has no SharedArrayBuffer');
  if (host.Worker === undefined && !hasNodeThreads)
    return no('this place cannot start workers (no global Worker)');
  return { available: true, reason: '' };
}

let found: Features | undefined;

/** Found out once, then remembered. */
export function detectFeatures(): Features {
  found ??= {
    simd: probe([...splatZero, drop]),
    relaxed: probe([...splatZero, ...splatZero, ...splatZero, 0xfd, 0x85, 0x02, drop]),
    narrow: !('isError' in Error),
    threads: threadSupport(globalThis as ThreadHost, nodeWorkerThreads() !== undefined),
  };
  return found;
}

/** Whether this thread may sleep in Atomics.wait: everywhere but on a browser's main thread. */
export function mayWait(words: Int32Array): boolean {
  try {
    // the value differs, so this returns at once where it is allowed
    Atomics.wait(words, 0, (words[0] as number) ^ 1, 0);
    return true;
  } catch {
    return false;
  }
}
