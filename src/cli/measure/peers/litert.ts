/**
 * LiteRT.js (TensorFlow Lite compiled to WebAssembly, with XNNPACK) as a peer. It is written for pages: in Node it gets
 * what its loader expects of a worker while it loads, and runs with one thread.
 */
import { EnvironmentError } from '../../../errors.js';
import { inputConverter, lastShape, toChannelsFirst } from './channels-last.js';
import type { Peer, PeerLoader } from './peer.js';
import { exportTflite } from './tflite.js';
import type { FlatBuilder } from './tflite-file.js';

interface LiteTensor {
  toTypedArray(): Float32Array;
  delete(): void;
}

interface LiteRt {
  loadLiteRt(folder: string, options: { threads: boolean }): Promise<unknown>;
  loadAndCompile(
    model: Uint8Array,
    options: { accelerator: 'wasm'; cpuOptions: { numThreads: number } },
  ): Promise<{ run(input: unknown): Promise<readonly LiteTensor[]>; delete?(): void }>;
  Tensor: new (data: Float32Array, shape: readonly number[]) => { delete(): void };
}

let loaded: Promise<LiteRt> | undefined;

const isNode = typeof process !== 'undefined' && Boolean(process.versions?.node);

async function loadRuntime(load: PeerLoader, threads: boolean): Promise<LiteRt> {
  const runtime = (await load('@litertjs/core')) as LiteRt;
  const folder = `${load.root('@litertjs/core')}/wasm/`;
  const restore = isNode ? await pretendWorker() : () => {};
  try {
    await hushed(() => runtime.loadLiteRt(folder, { threads }));
  } finally {
    restore();
  }
  return runtime;
}

/** Runs with a console that says nothing: the runtime tells what it loads, on stdout too. */
async function hushed<T>(run: () => Promise<T>): Promise<T> {
  const { log, info, warn, error, debug } = console;
  const nothing = (): void => {};
  Object.assign(console, { log: nothing, info: nothing, warn: nothing, error: nothing, debug: nothing });
  try {
    return await run();
  } finally {
    Object.assign(console, { log, info, warn, error, debug });
  }
}

/** `self`, `require` and `importScripts` for the loader, taken away again by what it returns. */
async function pretendWorker(): Promise<() => void> {
  const [{ readFileSync }, { dirname }, { runInThisContext }, { createRequire }] = await Promise.all([
    import('node:fs'),
    import('node:path'),
    import('node:vm'),
    import('node:module'),
  ]);
  const scope = globalThis as Record<string, unknown>;
  const names = ['self', 'require', 'importScripts', '__filename', '__dirname'];
  const before = names.map((name) => scope[name]);
  scope['self'] = globalThis;
  scope['require'] = createRequire(import.meta.url);
  scope['importScripts'] = (url: string | URL): void => {
    const filename = String(url).replace('file://', '');
    scope['__filename'] = filename;
    scope['__dirname'] = dirname(filename);
    runInThisContext(`${readFileSync(filename, 'utf8')};globalThis.ModuleFactory = ModuleFactory`, {
      filename,
    });
  };
  return () => {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete scope[name];
      else scope[name] = before[i];
    });
  };
}

export const liteRt: Peer = {
  name: 'litert',
  packages: { '@litertjs/core': '2.5.3', '@litertjs/wasm-utils': '2.5.3', flatbuffers: '25.9.23' },
  create: async (load, { graph, weights, inputShape, outputShape, threads }) => {
    if (isNode && threads > 1)
      throw new EnvironmentError('PEER_THREADS', 'LiteRT.js has threads in pages only; with Node use one');
    loaded ??= loadRuntime(load, threads > 1);
    const runtime = await loaded;
    const { Builder } = (await load('flatbuffers')) as { Builder: new (size: number) => FlatBuilder };
    const file = exportTflite(new Builder(1 << 24), graph, weights, inputShape[0] ?? 1);
    const model = await hushed(() =>
      runtime.loadAndCompile(file, { accelerator: 'wasm', cpuOptions: { numThreads: threads } }),
    );
    const convert = inputConverter(inputShape);
    let [values, tensor]: [Float32Array | undefined, { delete(): void } | undefined] = [undefined, undefined];
    return {
      run: async (input) => {
        const converted = convert(input);
        if (converted !== values) {
          tensor?.delete();
          [values, tensor] = [converted, new runtime.Tensor(converted, lastShape(inputShape))];
        }
        const [output] = await model.run(tensor);
        const result = output!.toTypedArray().slice();
        output!.delete();
        return outputShape.length === 4 ? toChannelsFirst(result, outputShape) : result;
      },
      dispose: async () => {
        tensor?.delete();
        model.delete?.();
      },
    };
  },
};
