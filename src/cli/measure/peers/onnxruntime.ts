/**
 * onnxruntime as a peer, in both forms for Node: `onnxruntime-web` (WebAssembly, the nearest relative of this package)
 * and `onnxruntime-node` (native code, for orientation). Both run the ONNX file that this package writes.
 */
import type { Peer, PeerRunner, PeerTask } from './peer.js';

/** The part of onnxruntime's interface that is used here, equal in both packages. */
interface Runtime {
  readonly env: { wasm: { numThreads?: number; wasmPaths?: string }; logLevel?: string };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<Session>;
  };
}

interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: Float32Array }>>;
  release(): Promise<void>;
}

async function createRunner(
  runtime: Runtime,
  task: PeerTask,
  options: Record<string, unknown>,
): Promise<PeerRunner> {
  const session = await runtime.InferenceSession.create(task.onnx, {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    ...options,
  });
  const [inputName, outputName] = [session.inputNames[0]!, session.outputNames[0]!];
  return {
    run: async (input) => {
      const outputs = await session.run({
        [inputName]: new runtime.Tensor('float32', input, task.inputShape),
      });
      return outputs[outputName]!.data;
    },
    dispose: () => session.release(),
  };
}

/** A CommonJS package imported from an ES module has its exports under `default` too. */
function unwrap(module: unknown): Runtime {
  const loaded = module as Runtime & { default?: Runtime };
  return loaded.InferenceSession ? loaded : loaded.default!;
}

export const onnxruntimeWeb: Peer = {
  name: 'onnxruntime-web',
  packages: { 'onnxruntime-web': '1.30.0' },
  create: async (load, task) => {
    const runtime = unwrap(await load('onnxruntime-web'));
    runtime.env.logLevel = 'error';
    runtime.env.wasm.numThreads = task.threads;
    if (typeof document !== 'undefined') runtime.env.wasm.wasmPaths = `${load.root('onnxruntime-web')}/dist/`;
    return createRunner(runtime, task, { executionProviders: ['wasm'] });
  },
};

export const onnxruntimeNode: Peer = {
  name: 'onnxruntime-node',
  packages: { 'onnxruntime-node': '1.30.0' },
  create: async (load, task) =>
    createRunner(unwrap(await load('onnxruntime-node')), task, {
      executionProviders: ['cpu'],
      intraOpNumThreads: task.threads,
      interOpNumThreads: 1,
    }),
};
