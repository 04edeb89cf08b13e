/**
 * What model.js exports: a network that was compiled at build time, with its weights, its preprocessing and its labels.
 * Compiles no network and evaluates no text; takes a ready WebAssembly.Module where only such are allowed.
 */
import { detectFeatures, mayWait } from '../../runtime/features.js';
import { hasLostThread, loseThread } from '../../runtime/lost-thread.js';
import {
  type CompiledFile,
  checkWeights,
  compileModule,
  downloadModule,
  downloadWeights,
  fromBase64,
  type Progress,
  variantOf,
} from './download.js';
import { ModelError } from './errors.js';
import {
  headerBytes,
  type ShippedFiles,
  type ShippedManifest,
  type ShippedVariant,
  type ShippedWeights,
} from './manifest.js';
import { openPixels, type Picture } from './pixels.js';
import { type PictureKernels, writeInput } from './preprocess.js';
import { startThreads, type Threads } from './threads.js';

export interface Prediction {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
}

export interface LoadOptions {
  /** The module itself, its bytes or its address. Default: the best one beside model.js for this engine. */
  readonly module?: WebAssembly.Module | BufferSource | URL | string;
  /** The weights file's bytes or its address. Default: the module's own beside model.js. */
  readonly weights?: BufferSource | URL | string;
  /** False: one thread also where the build and the page have more. */
  readonly threads?: boolean;
  /** False: keep nothing in the browser's cache. */
  readonly cache?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface ClassifyOptions {
  /** How many classes to give, best first. Default 5. */
  readonly top?: number;
}

interface Exports extends PictureKernels {
  readonly main0: (base: number, mayWait: number) => void;
  readonly widen: (source: number, target: number, vectors: number) => void;
}

const pageBytes = 65536;
const isAddress = (value: unknown): value is URL | string =>
  typeof value === 'string' || value instanceof URL;

function toBytes(source: BufferSource): Uint8Array<ArrayBuffer> {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/** A loaded network. */
export class Model {
  readonly threads: number;
  readonly relaxed: boolean;
  readonly #manifest: ShippedManifest;
  readonly #variant: ShippedVariant;
  readonly #exports: Exports;
  readonly #memory: WebAssembly.Memory;
  readonly #mayWait: number;
  /** Undefined once disposed. */
  #threads: Threads | undefined;

  constructor(
    manifest: ShippedManifest,
    variant: ShippedVariant,
    exports: Exports,
    memory: WebAssembly.Memory,
    threads: Threads,
  ) {
    this.threads = variant.threads;
    this.relaxed = variant.relaxed;
    this.#manifest = manifest;
    this.#variant = variant;
    this.#exports = exports;
    this.#memory = memory;
    this.#threads = threads;
    this.#mayWait = variant.threads > 1 && mayWait(new Int32Array(memory.buffer)) ? 1 : 0;
  }

  /** The best classes of a picture. Throws PICTURE_TYPE, PICTURE_SIZE, PICTURE_TAINTED, DISPOSED. */
  async classify(picture: Picture, { top = 5 }: ClassifyOptions = {}): Promise<Prediction[]> {
    const scores = await this.scores(picture);
    const { softmax, labels } = this.#manifest;
    const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const powers = Float64Array.from(scores, (score) => (softmax ? score : Math.exp(score - most)));
    const sum = softmax ? 1 : powers.reduce((a, b) => a + b, 0);
    return [...powers.keys()]
      .sort((a, b) => (powers[b] as number) - (powers[a] as number))
      .slice(0, Math.max(top, 0))
      .map((index) => ({
        index,
        label: labels[index] ?? `class ${index}`,
        probability: (powers[index] as number) / sum,
      }));
  }

  /** The network's own scores of a picture: logits, or probabilities when it ends in a softmax. Throws like `classify`. */
  async scores(picture: Picture): Promise<Float32Array> {
    this.#alive();
    const source = await openPixels(picture);
    this.#alive();
    const { width, height, preprocessing, classes } = this.#manifest;
    const { pages, input, output } = this.#variant;
    const target = { base: pages * pageBytes, input, width, height, preprocessing };
    writeInput(source, this.#exports, this.#memory, target);
    this.#run();
    return new Float32Array(this.#memory.buffer, output, classes).slice();
  }

  get disposed(): boolean {
    return !this.#threads;
  }

  #run(): void {
    const { main0 } = this.#exports;
    if (this.threads === 1) {
      main0(0, 0);
      return;
    }
    const words = new Int32Array(this.#memory.buffer);
    const { control } = this.#manifest;
    const { counter, base, epoch } = control;
    const start = Atomics.load(words, counter >> 2);
    Atomics.store(words, base >> 2, start);
    Atomics.add(words, epoch >> 2, 1);
    Atomics.notify(words, epoch >> 2);
    try {
      main0(start, this.#mayWait);
    } catch (error) {
      // the others would wait for this thread
      loseThread(words, control);
      throw error;
    }
    if (hasLostThread(words, control)) this.#lose();
  }

  /** Throws THREADS_FAILED. */
  #lose(): never {
    this.dispose();
    throw new ModelError(
      'THREADS_FAILED',
      `${this.#manifest.name}: a thread has ended by itself; load it again`,
    );
  }

  #alive(): void {
    const { name } = this.#manifest;
    if (!this.#threads) throw new ModelError('DISPOSED', `${name} was disposed; load it again to use it`);
    if (this.#threads.lost()) this.#lose();
  }

  /** Ends the threads. Any use afterwards throws DISPOSED. */
  dispose(): void {
    if (!this.#threads) return;
    const words = new Int32Array(this.#memory.buffer);
    const { stop, epoch } = this.#manifest.control;
    if (this.threads > 1) {
      Atomics.store(words, stop >> 2, 1);
      Atomics.add(words, epoch >> 2, 1);
      Atomics.notify(words, epoch >> 2);
    }
    this.#threads.end();
    this.#threads = undefined;
  }
}

/** Copies the weights to their place and widens what is stored in half of its bits. */
function placeWeights(
  weights: ShippedWeights,
  bytes: Uint8Array,
  memory: WebAssembly.Memory,
  widen: Exports['widen'],
): void {
  const all = new Uint8Array(memory.buffer);
  let to = weights.address;
  // the stored bytes end where the image ends: every run is then read before it is overwritten
  let from = to + weights.imageBytes - (bytes.length - headerBytes);
  all.set(bytes.subarray(headerBytes), from);
  for (const [stored, size] of weights.runs) {
    if (stored === 1) widen(from, to, size / 16);
    else if (stored === 2)
      new Int16Array(memory.buffer, to, size / 2).set(new Int8Array(memory.buffer, from, size / 2));
    else if (from !== to) all.copyWithin(to, from, from + size);
    from += stored ? size / 2 : size;
    to += size;
  }
}

/** Throws THREADS_FAILED where memory cannot be shared, OUT_OF_MEMORY. */
function reserveMemory({ pages, maximumPages, threads }: ShippedVariant): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: maximumPages, shared: threads > 1 });
  } catch (cause) {
    const needed = `${Math.ceil(pages / 16)} MB of memory, which may grow to ${Math.ceil(maximumPages / 16)} MB, cannot be had: ${(cause as Error).message}`;
    if (threads > 1) throw new ModelError('THREADS_FAILED', `threads: ${needed}`, cause);
    throw new ModelError('OUT_OF_MEMORY', `${needed}; close other pages, or take a smaller network`, cause);
  }
}

async function start(
  manifest: ShippedManifest,
  files: ShippedFiles,
  module: WebAssembly.Module,
  variant: ShippedVariant,
  weights: Uint8Array,
): Promise<Model> {
  const memory = reserveMemory(variant);
  const exports = (await WebAssembly.instantiate(module, { env: { memory } })).exports as unknown as Exports;
  placeWeights(weightsOf(manifest, variant), weights, memory, exports.widen);
  const threads = await startThreads(files, variant.threads, { module, memory, control: manifest.control });
  return new Model(manifest, variant, exports, memory, threads);
}

function weightsOf({ weights }: ShippedManifest, variant: ShippedVariant): ShippedWeights {
  return weights[variant.weights] as ShippedWeights;
}

/** The variants that can run here, best first. Throws NO_SIMD. */
function usable({ variants }: ShippedManifest, threadsWanted: boolean): readonly ShippedVariant[] {
  const { simd, relaxed, threads } = detectFeatures();
  if (!simd)
    throw new ModelError('NO_SIMD', 'this engine has no WebAssembly SIMD; use a browser of 2023 or newer');
  return variants.filter(
    (variant) =>
      (relaxed || !variant.relaxed) && (variant.threads === 1 || (threadsWanted && threads.available)),
  );
}

async function loadModel(
  manifest: ShippedManifest,
  files: ShippedFiles,
  options: LoadOptions,
): Promise<Model> {
  const { cache = true, signal, onProgress, threads = true } = options;
  const bytes = async (variant: ShippedVariant): Promise<Uint8Array> => {
    const wanted = weightsOf(manifest, variant);
    const given = options.weights ?? files.weights(wanted.file);
    const inline = typeof given === 'string' && options.weights === undefined;
    if (isAddress(given) && !inline)
      return downloadWeights(manifest, wanted, given, { cache, signal, onProgress });
    const content = inline ? fromBase64(given) : toBytes(given as BufferSource);
    await checkWeights(wanted, content);
    onProgress?.({ loaded: content.length, total: content.length });
    return content;
  };
  const moduleOf = async (source: NonNullable<LoadOptions['module']>): Promise<CompiledFile> => {
    if (source instanceof WebAssembly.Module) return { module: source };
    if (isAddress(source)) return downloadModule(source, signal);
    return compileModule(async () => toBytes(source), 'the given module');
  };
  if (options.module !== undefined) {
    const given = await moduleOf(options.module);
    const variant = await variantOf(given, manifest);
    return start(manifest, files, given.module, variant, await bytes(variant));
  }
  const contents = new Map<number, Promise<Uint8Array>>();
  let failure: unknown;
  for (const variant of usable(manifest, threads)) {
    if (failure && variant.threads > 1) continue;
    const source = files.module(variant.name);
    const weights = contents.get(variant.weights) ?? bytes(variant);
    contents.set(variant.weights, weights);
    const module = moduleOf(typeof source === 'string' ? fromBase64(source) : source);
    try {
      const [content, ready] = await Promise.all([weights, module]);
      return await start(manifest, files, ready.module, await variantOf(ready, manifest), content);
    } catch (error) {
      if (!(error instanceof ModelError) || error.code !== 'THREADS_FAILED') throw error;
      failure = error;
      console.warn(`${manifest.name}: running with one thread: ${error.message}`);
    }
  }
  throw failure;
}

/** The functions of model.js. */
export function shippedModel(manifest: ShippedManifest, files: ShippedFiles) {
  let first: Promise<Model> | undefined;
  /** Loads the network. The first call's network is the one that the function `classify` uses. */
  const load = (options: LoadOptions = {}): Promise<Model> => {
    const model = loadModel(manifest, files, options);
    first ??= model;
    model.catch(() => {
      // the next call tries again
      if (first === model) first = undefined;
    });
    return model;
  };
  const classify = async (picture: Picture, options?: ClassifyOptions): Promise<Prediction[]> => {
    if ((await first)?.disposed) first = undefined;
    return (await (first ?? load())).classify(picture, options);
  };
  const { name, labels, width, height, id } = manifest;
  return { load, classify, info: { name, id, labels, width, height } };
}
