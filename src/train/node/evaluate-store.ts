/**
 * A network's predictions on the pictures of a store: batches from the loader, the compiled network, the numbers of
 * metrics.ts. Does not decide which pictures; reads no files of its own.
 */
import { createNetwork } from '../../create-network.js';
import type { BatchRecipe, BatchRequest } from '../../data/batches.js';
import { createBatchLoader } from '../../data/node/batch-loader.js';
import type { PictureStore } from '../../data/node/picture-store.js';
import { type Graph, inputNodes, type Weights } from '../../graph/graph.js';
import { type Evaluation, Evaluator } from '../metrics.js';

export interface EvaluateStoreOptions {
  readonly classes: readonly string[];
  readonly threads: number;
  /** Worker threads that prepare pictures. Default 0. */
  readonly workers?: number;
  readonly keepWorst?: number;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

const batch = 16;

/** Side of a network's square input. */
export function inputSide(graph: Graph): number {
  return inputNodes(graph)[0]?.shape[2] ?? 0;
}

/** How the pictures of this network are prepared. */
export function batchRecipe(graph: Graph, classes: number, seed: number): BatchRecipe {
  const { mean, std } = graph.meta.preprocessing ?? {
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
  return {
    size: inputSide(graph),
    classes,
    mean,
    std,
    seed,
    ...(graph.meta.preprocessing ? { preprocessing: graph.meta.preprocessing } : {}),
  };
}

/** Evaluates the pictures `indices` of the store. Throws what compiling, decoding and `Evaluator` throw. */
export async function evaluateStore(
  graph: Graph,
  weights: Weights,
  store: PictureStore,
  indices: Int32Array,
  options: EvaluateStoreOptions,
): Promise<Evaluation> {
  const network = await createNetwork(graph, weights, { batch, threads: options.threads });
  const loader = createBatchLoader({
    store,
    recipe: batchRecipe(graph, options.classes.length, 0),
    workers: options.workers ?? 0,
  });
  try {
    const evaluator = new Evaluator(options.classes, options.keepWorst);
    const requests: BatchRequest[] = [];
    for (let at = 0; at < indices.length; at += batch)
      requests.push({ epoch: 0, indices: indices.slice(at, at + batch) });
    const input = network.inputView();
    let done = 0;
    for await (const { images, labels } of loader.batches(requests)) {
      input.fill(0);
      input.set(images);
      network.execute();
      evaluator.add(network.outputView(), labels, labels.length);
      done += labels.length;
      options.onProgress?.(done);
      options.signal?.throwIfAborted();
    }
    return evaluator.result();
  } finally {
    network.dispose();
    await loader.dispose();
  }
}
