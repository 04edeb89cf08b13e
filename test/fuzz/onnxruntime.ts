/**
 * onnxruntime-node as a peer of the fuzzer: runs the file that `exportOnnx` writes and gives every output. The package is
 * fetched into the cache folder when it is not there.
 */
import { onnxruntimeNode } from '../../src/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../../src/cli/measure/peers/peer.js';
import { cacheFolder } from '../../src/formats/node/cache-folder.js';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import type { Tensor } from '../../src/graph/graph.js';
import type { Peer } from './differential.js';

/** The part of onnxruntime's interface that is used here. */
interface Onnxruntime {
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: Record<string, unknown>,
    ): Promise<{
      run(
        feeds: Record<string, unknown>,
      ): Promise<Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }>>;
      release(): Promise<void>;
    }>;
  };
}

/** Throws EnvironmentError `PEER_INSTALL` when it cannot be had. */
export async function onnxruntimePeer(): Promise<Peer> {
  const load = await installPeer(onnxruntimeNode, cacheFolder(), (line) => console.warn(line));
  const module = (await load('onnxruntime-node')) as Onnxruntime & { readonly default?: Onnxruntime };
  const runtime = module.InferenceSession ? module : (module.default as Onnxruntime);
  return {
    name: `onnxruntime-node ${onnxruntimeNode.packages['onnxruntime-node']}`,
    run: async ({ graph }, weights, inputs) => {
      const session = await runtime.InferenceSession.create(exportOnnx(graph, weights), {
        executionProviders: ['cpu'],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
      });
      try {
        const feeds = Object.fromEntries(
          [...inputs].map(([name, { shape, data }]) => [name, new runtime.Tensor('float32', data, shape)]),
        );
        const results = await session.run(feeds);
        return new Map(
          Object.entries(results).map(([name, { data, dims }]): [string, Tensor] => [
            name,
            { shape: dims.map(Number), data: data.slice() },
          ]),
        );
      } finally {
        await session.release();
      }
    },
  };
}
