/**
 * A compiled network that runs: puts inputs into the module's memory, calls its main function and reads the outputs.
 * Memory is made once and never grows. Not a compiler, not a preprocessor.
 *
 * Values are planar: [N, C, H, W] row-major, one image after the other.
 */
import type { CompiledModel, Manifest, ManifestStep, Port } from '../compiler/compiled-model.js';
import { EnvironmentError, rangeError, typeError } from '../errors.js';
import { detectFeatures, type Features, mayWait } from './features.js';
import { checkThreads, loseThread } from './lost-thread.js';
import { checkViolation } from './violation.js';
import { warnOnce } from './warn-once.js';
import { type NetworkThread, startThread } from './worker.js';

/** How a network runs here. */
export interface Backend {
  readonly simd: true;
  /** Whether it uses the fused multiply-add of relaxed SIMD. */
  readonly relaxed: boolean;
  readonly threads: number;
  /** Why it runs with less than was asked for; empty when it does not. */
  readonly reason: string;
}

type Main = (base: number, mayWait: number) => void;

function valueCount(port: Port): number {
  return port.shape.reduce((product, size) => product * size, 1);
}

export class Network {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly backend: Backend;
  readonly #manifest: Manifest;
  #memory: WebAssembly.Memory | undefined;
  #words: Int32Array;
  #exports: Record<string, unknown>;
  #threads: readonly NetworkThread[];
  readonly #mayWait: number;

  /** Use `instantiate`. */
  constructor(
    manifest: Manifest,
    backend: Backend,
    parts: {
      readonly memory: WebAssembly.Memory;
      readonly exports: Record<string, unknown>;
      readonly threads: readonly NetworkThread[];
    },
  ) {
    this.name = manifest.name;
    this.inputs = manifest.inputs;
    this.outputs = manifest.outputs;
    this.backend = backend;
    this.#manifest = manifest;
    this.#memory = parts.memory;
    this.#words = new Int32Array(parts.memory.buffer);
    this.#exports = parts.exports;
    this.#threads = parts.threads;
    this.#mayWait = manifest.threads > 1 && mayWait(this.#words) ? 1 : 0;
  }

  /**
   * Runs a network of one input and one output: `input` is the planar batch [N, C, H, W]; returns the output's values
   * in an array of their own. Throws RangeError `INPUT_SIZE`, `NOT_ONE_PORT`, TypeError `INPUT_TYPE`,
   * EnvironmentError `NETWORK_DISPOSED`, `THREAD_LOST`.
   */
  run(input: Float32Array): Float32Array {
    if (this.inputs.length !== 1 || this.outputs.length !== 1)
      throw rangeError(
        'NOT_ONE_PORT',
        `network "${this.name}": run() is for one input and one output, it has ${this.inputs.length} and ${this.outputs.length}; use runAll({ name: values })`,
      );
    this.#wake();
    this.#fill(this.inputs[0] as Port, input);
    this.execute();
    return this.outputView().slice();
  }

  /** Runs any network: inputs by node name, outputs by node name, each planar. Throws like `run`, and `INPUT_MISSING`. */
  runAll(inputs: Readonly<Record<string, Float32Array>>): Record<string, Float32Array> {
    this.#wake();
    for (const port of this.inputs) {
      if (!Object.hasOwn(inputs, port.name))
        throw rangeError(
          'INPUT_MISSING',
          `network "${this.name}": input "${port.name}": given ${Object.keys(inputs).join(', ') || 'none'}`,
        );
      this.#fill(port, inputs[port.name] as Float32Array);
    }
    this.execute();
    return Object.fromEntries(this.outputs.map((port) => [port.name, this.#values(port).slice()]));
  }

  /**
   * The values of an input inside the module's memory, to be filled in place before `execute()`: no copy is made. It
   * keeps its values between runs. Without a name: the first. Throws RangeError `UNKNOWN_PORT`.
   */
  inputView(name?: string): Float32Array {
    return this.#values(this.#port(this.inputs, name));
  }

  /** The values of an output inside the module's memory; the next run overwrites them. Throws RangeError `UNKNOWN_PORT`. */
  outputView(name?: string): Float32Array {
    return this.#values(this.#port(this.outputs, name));
  }

  /**
   * Runs on what the inputs hold. Throws EnvironmentError `NETWORK_DISPOSED`, `THREAD_LOST` when a thread has ended (told at
   * once, or after half a minute if it was ended from outside in the middle of a run), and, compiled with `checked`, RangeError
   * `MEMORY_VIOLATION`.
   */
  execute(): void {
    this.#alive();
    this.#run();
    if (this.#manifest.checked) checkViolation(this.#manifest, this.#words);
  }

  #run(): void {
    const main = this.#exports['main0'] as Main;
    if (this.#threads.length === 0) {
      main(0, 0);
      return;
    }
    const { control } = this.#manifest;
    const { counter, base, epoch } = control;
    const check = (): void => checkThreads(this.#words, control, `network "${this.name}"`);
    check();
    const start = Atomics.load(this.#words, counter >> 2);
    Atomics.store(this.#words, base >> 2, start);
    Atomics.add(this.#words, epoch >> 2, 1);
    Atomics.notify(this.#words, epoch >> 2);
    try {
      main(start, this.#mayWait);
    } catch (error) {
      // the others would wait for this thread
      loseThread(this.#words, control);
      throw error;
    }
    check();
  }

  /**
   * Runs a few times on zeros, so that the engine's optimising tier has compiled the kernels before the first real
   * run. Inputs are zero afterwards.
   */
  async warmUp(runs = 5): Promise<void> {
    for (const port of this.inputs) this.#values(port).fill(0);
    for (let i = 0; i < runs; i++) {
      this.execute();
      // optimised code is put in place between tasks
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /**
   * Times every step alone on what memory holds: the least milliseconds of `rounds` runs. Only for networks compiled
   * with `profile`. Throws RangeError `NOT_PROFILED`.
   */
  profileSteps(rounds = 20): (ManifestStep & { readonly ms: number })[] {
    this.#alive();
    if (!this.#manifest.profile)
      throw rangeError(
        'NOT_PROFILED',
        `network "${this.name}": compile it with { profile: true } to time steps`,
      );
    const least = this.#manifest.steps.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < rounds; round++)
      least.forEach((ms, i) => {
        const step = this.#exports[`step${i}`] as () => void;
        const started = performance.now();
        step();
        least[i] = Math.min(ms, performance.now() - started);
      });
    return this.#manifest.steps.map((step, i) => ({ ...step, ms: least[i] as number }));
  }

  /** Bytes of the module's memory: weights, inputs, outputs and activations. */
  get memoryBytes(): number {
    return this.#memory?.buffer.byteLength ?? 0;
  }

  /** Ends the threads and lets the memory go. Any use afterwards throws; disposing twice is fine. */
  dispose(): void {
    if (!this.#memory) return;
    const { stop, epoch } = this.#manifest.control;
    if (this.#threads.length > 0) {
      Atomics.store(this.#words, stop >> 2, 1);
      Atomics.add(this.#words, epoch >> 2, 1);
      Atomics.notify(this.#words, epoch >> 2);
      for (const thread of this.#threads) thread.terminate();
    }
    this.#memory = undefined;
    this.#words = new Int32Array(0);
    this.#exports = {};
    this.#threads = [];
  }

  /** @internal for types: users' libraries may not know Symbol.dispose yet. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Wakes sleeping threads up, so that they look for the run while its input is copied. */
  #wake(): void {
    if (this.#threads.length > 0) Atomics.notify(this.#words, this.#manifest.control.epoch >> 2);
  }

  #alive(): WebAssembly.Memory {
    if (!this.#memory)
      throw new EnvironmentError(
        'NETWORK_DISPOSED',
        `network "${this.name}" was disposed; instantiate it again to run it`,
      );
    return this.#memory;
  }

  #values(port: Port): Float32Array {
    return new Float32Array(this.#alive().buffer, port.address, valueCount(port));
  }

  #port(ports: readonly Port[], name: string | undefined): Port {
    const port = name === undefined ? ports[0] : ports.find((candidate) => candidate.name === name);
    if (port) return port;
    const known = ports.map((candidate) => `"${candidate.name}"`).join(', ');
    throw rangeError(
      'UNKNOWN_PORT',
      `network "${this.name}": no port is named "${name}"; there are ${known}`,
    );
  }

  #fill(port: Port, values: Float32Array): void {
    if (!(values instanceof Float32Array))
      throw typeError(
        'INPUT_TYPE',
        `network "${this.name}": input "${port.name}": given ${typeof values}, expected a Float32Array of [${port.shape.join(', ')}]`,
      );
    const view = this.#values(port);
    if (values.length !== view.length)
      throw rangeError(
        'INPUT_SIZE',
        `network "${this.name}": input "${port.name}": given ${values.length} values, expected ${valueCount(port)} for [${port.shape.join(', ')}]`,
      );
    view.set(values);
  }
}

export interface InstantiateOptions {
  /** Default: what `detectFeatures()` finds. */
  readonly features?: Features;
  /** Said by `backend.reason`. */
  readonly reason?: string;
}

/** Why a module cannot run in a place with these features. */
function misfit(manifest: Manifest, features: Features): EnvironmentError | undefined {
  const no = (code: string, what: string): EnvironmentError =>
    new EnvironmentError(code, `network "${manifest.name}": ${what}`);
  if (!features.simd) return no('NO_SIMD', 'this engine has no WebAssembly SIMD; use a current one');
  if (manifest.relaxed && !features.relaxed)
    return no(
      'NO_RELAXED_SIMD',
      'it was compiled with relaxed SIMD, which this engine lacks; compile it with { relaxed: false }',
    );
  if (manifest.threads > 1 && !features.threads.available)
    return no(
      'NO_THREADS',
      `it was compiled for ${manifest.threads} threads, but ${features.threads.reason}; or compile it with { threads: 1 }`,
    );
  return undefined;
}

/**
 * Makes a network of what the compiler gave. With a module for several threads, starts the others and resolves when
 * they wait. Given several models, it takes the first that can run here (say: relaxed SIMD and threads, then neither)
 * and says once on the console when that means fewer threads than the first has; results are the same.
 * Throws EnvironmentError `NO_SIMD`, `NO_RELAXED_SIMD`, `NO_THREADS` (its message says why) or `WORKER_FAILED`, and
 * the engine's own CompileError for damaged modules.
 */
export async function instantiate(
  compiled: CompiledModel | readonly CompiledModel[],
  options: InstantiateOptions = {},
): Promise<Network> {
  const models: readonly CompiledModel[] = 'manifest' in compiled ? [compiled] : compiled;
  const features = options.features ?? detectFeatures();
  const wanted = models[0]?.manifest.threads ?? 1;
  let failure: EnvironmentError | undefined;
  let threadFailure: EnvironmentError | undefined;
  for (const model of models) {
    const { threads } = model.manifest;
    let error = misfit(model.manifest, features);
    if (!error)
      try {
        const fewer = threads < wanted && threadFailure ? threadFailure.message : '';
        if (fewer)
          warnOnce('threads', `ghostnet: running with ${threads} thread instead of ${wanted}: ${fewer}`);
        return await start(model, options.reason ?? fewer);
      } catch (caught) {
        if (!(caught instanceof EnvironmentError)) throw caught;
        error = caught;
      }
    failure ??= error;
    if (error.code === 'NO_THREADS' || error.code === 'WORKER_FAILED') threadFailure ??= error;
  }
  throw failure ?? rangeError('NO_MODEL', 'instantiate: given no compiled model, expected at least one');
}

async function start({ manifest, wasm, weights }: CompiledModel, reason: string): Promise<Network> {
  const { pages } = manifest;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: manifest.threads > 1 });
  new Uint8Array(memory.buffer).set(weights, manifest.weightsAddress);
  const module = await WebAssembly.compile(wasm as BufferSource);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const started = await Promise.allSettled(
    Array.from({ length: manifest.threads - 1 }, (_, i) =>
      startThread({ module, memory, thread: i + 1, control: manifest.control }),
    ),
  );
  const threads = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    for (const thread of threads) thread.terminate();
    throw failed.reason;
  }
  const backend: Backend = { simd: true, relaxed: manifest.relaxed, threads: manifest.threads, reason };
  return new Network(manifest, backend, { memory, exports: instance.exports, threads });
}
