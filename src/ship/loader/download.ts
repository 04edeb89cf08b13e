/**
 * Gets the module and the weights, from the network with progress and a cache, from disk in Node, or from text inside
 * model.js, and makes sure that they are whole and belong together. Runs nothing.
 */
import { ModelError } from './errors.js';
import { headerBytes, type ShippedManifest, type ShippedVariant, type ShippedWeights } from './manifest.js';

export interface Progress {
  /** Bytes of the weights so far, and in all. */
  readonly loaded: number;
  readonly total: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

const isAbort = (error: unknown): boolean => (error as Error | undefined)?.name === 'AbortError';
const describe = (url: URL | string): string => `"${String(url)}"`;

/** `node:fs/promises` of Node and of what imitates it, without an import that a bundler would follow. */
function files(): { readFile(path: URL): Promise<Bytes> } | undefined {
  const host = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }).process;
  return host?.getBuiltinModule?.('node:fs/promises') as ReturnType<typeof files>;
}

export function fromBase64(text: string): Bytes {
  const convert = (Uint8Array as unknown as { fromBase64?: (text: string) => Bytes }).fromBase64;
  if (convert) return convert.call(Uint8Array, text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** A response that is there; files in Node come as one too. */
async function request(url: URL | string, signal: AbortSignal | undefined): Promise<Response> {
  try {
    const disk = url instanceof URL && url.protocol === 'file:' ? files() : undefined;
    if (disk) return new Response(await disk.readFile(url as URL));
    const response = await fetch(url, signal ? { signal } : {});
    if (response.ok) return response;
    throw new Error(`the server says ${response.status} ${response.statusText}`.trim());
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ModelError(
      'DOWNLOAD_FAILED',
      `cannot get ${describe(url)}: ${(cause as Error).message}; is the file beside model.js?`,
      cause,
    );
  }
}

/** All bytes of a response, into one array that is made before: the size is known. Throws as `checkHeader`, or DOWNLOAD_TORN. */
async function readAll(
  response: Response,
  url: URL | string,
  weights: ShippedWeights,
  onProgress: (loaded: number) => void,
): Promise<Bytes> {
  const total = weights.bytes;
  const bytes = new Uint8Array(total);
  let loaded = 0;
  const torn = (why: string, cause?: unknown): ModelError => {
    // a page that says "not found", or another build's weights, is no torn download
    if (loaded >= headerBytes) checkHeader(weights, bytes);
    return new ModelError(
      'DOWNLOAD_TORN',
      `${describe(url)}: ${why}, expected ${total} bytes; load it again`,
      cause,
    );
  };
  try {
    const reader = response.body?.getReader();
    for (;;) {
      const part = reader
        ? await reader.read()
        : { done: loaded > 0, value: new Uint8Array(await response.arrayBuffer()) };
      if (part.done) break;
      const { value } = part;
      bytes.set(value.subarray(0, total - loaded), loaded);
      loaded += value.length;
      if (loaded > total) {
        await reader?.cancel();
        throw torn(`more than ${total} bytes came`);
      }
      onProgress(loaded);
      if (!reader) break;
    }
  } catch (cause) {
    if (cause instanceof ModelError || isAbort(cause)) throw cause;
    throw torn(`the connection broke after ${loaded} bytes`, cause);
  }
  if (loaded < total) throw torn(`${loaded} bytes came`);
  return bytes;
}

/** Whether bytes have this SHA-256; where it cannot be computed (no secure context) they are taken to have it. */
async function hasHash(bytes: Bytes, sha256: string): Promise<boolean> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return true;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}

/** Throws WEIGHTS_DAMAGED where the bytes do not begin as weights do, PAIR_MISMATCH where as those of another build. */
function checkHeader(weights: ShippedWeights, bytes: Bytes): void {
  const header = String.fromCharCode(...bytes.subarray(0, headerBytes)).trimEnd();
  if (!header.startsWith('ghostnet '))
    throw new ModelError(
      'WEIGHTS_DAMAGED',
      'the weights do not begin as a weights file does; is it another file?',
    );
  if (header !== weights.header)
    throw new ModelError(
      'PAIR_MISMATCH',
      'the weights belong to another model.js or module; deploy all files of one "ghostnet build" together',
    );
}

/** Throws PAIR_MISMATCH, DOWNLOAD_TORN or WEIGHTS_DAMAGED. The hash needs a secure context; the rest does not. */
export async function checkWeights(weights: ShippedWeights, bytes: Bytes): Promise<void> {
  checkHeader(weights, bytes);
  if (bytes.length !== weights.bytes)
    throw new ModelError(
      'DOWNLOAD_TORN',
      `the weights have ${bytes.length} bytes, expected ${weights.bytes}`,
    );
  if (!(await hasHash(bytes, weights.sha256)))
    throw new ModelError('WEIGHTS_DAMAGED', 'the weights do not have the right SHA-256; load them again');
}

/**
 * The browser's cache for this network, or undefined where there is none; caches of its older builds are removed. Another
 * network of the same name, from another folder of this site, keeps its own.
 */
async function openCache({ name, id }: ShippedManifest, url: URL | string): Promise<Cache | undefined> {
  try {
    const prefix = `ghostnet ${name} ${new URL('.', new URL(url, location.href))} `;
    for (const key of await caches.keys())
      if (key.startsWith(prefix) && key !== prefix + id) await caches.delete(key);
    return await caches.open(prefix + id);
  } catch {
    // no Cache API here, or it is forbidden or full: then without
    return undefined;
  }
}

export interface DownloadOptions {
  readonly cache: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** The checked bytes of the weights file. */
export async function downloadWeights(
  manifest: ShippedManifest,
  weights: ShippedWeights,
  url: URL | string,
  { cache, signal, onProgress }: DownloadOptions,
): Promise<Bytes> {
  const total = weights.bytes;
  const report = (loaded: number): void => onProgress?.({ loaded, total });
  report(0);
  const store = cache && !/^(file|data|blob):/.test(String(url)) ? await openCache(manifest, url) : undefined;
  const kept = await store?.match(url);
  if (kept)
    try {
      const bytes = await readAll(kept, url, weights, report);
      await checkWeights(weights, bytes);
      return bytes;
    } catch {
      await store?.delete(url);
    }
  const bytes = await readAll(await request(url, signal), url, weights, report);
  await checkWeights(weights, bytes);
  await store?.put(url, new Response(bytes)).catch(() => {});
  return bytes;
}

/** A compiled module, with the bytes it was made of unless it was given ready. */
export interface CompiledFile {
  readonly module: WebAssembly.Module;
  readonly bytes?: Bytes;
}

/** The module at an address, compiled while it comes in where the platform can. */
export async function downloadModule(
  url: URL | string,
  signal: AbortSignal | undefined,
): Promise<CompiledFile> {
  const response = await request(url, signal);
  const streams =
    'compileStreaming' in WebAssembly && response.headers.get('Content-Type') === 'application/wasm';
  const copy = streams ? response.clone() : response;
  return compileModule(
    async () => new Uint8Array(await copy.arrayBuffer()),
    describe(url),
    streams ? response : undefined,
  );
}

/** Compiles, from `stream` while it comes in, with clear errors: MODULE_DAMAGED, or CSP_FORBIDS_WASM. */
export async function compileModule(
  read: () => Promise<Bytes>,
  what: string,
  stream?: Response,
): Promise<CompiledFile> {
  try {
    const reading = read();
    const compiling = stream
      ? WebAssembly.compileStreaming(stream)
      : reading.then((bytes) => WebAssembly.compile(bytes));
    const [bytes, module] = await Promise.all([reading, compiling]);
    return { module, bytes };
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    const { message } = cause as Error;
    if (/embedder|security policy|unsafe-eval/i.test(message))
      throw new ModelError(
        'CSP_FORBIDS_WASM',
        `the page's content security policy forbids WebAssembly; add 'wasm-unsafe-eval' to script-src (${message})`,
        cause,
      );
    throw new ModelError('MODULE_DAMAGED', `${what} is no whole module: ${message}; load it again`, cause);
  }
}

/** Which variant a module is. Throws PAIR_MISMATCH when it is none of this manifest, MODULE_DAMAGED for a wrong SHA-256. */
export async function variantOf(
  { module, bytes }: CompiledFile,
  manifest: ShippedManifest,
): Promise<ShippedVariant> {
  const [section] = WebAssembly.Module.customSections(module, 'ghostnet');
  const text = section ? String.fromCharCode(...new Uint8Array(section)) : '';
  const variant = manifest.variants.find(({ name }) => text === `${manifest.id} ${name}`);
  if (!variant)
    throw new ModelError(
      'PAIR_MISMATCH',
      `the module ${section ? 'belongs to another model.js' : 'was not made by "ghostnet build", or its end is missing'}; deploy all files of one build together`,
    );
  if (bytes && !(await hasHash(bytes, variant.sha256)))
    throw new ModelError('MODULE_DAMAGED', `the module does not have the right SHA-256; load it again`);
  return variant;
}
