/**
 * Recalibration of batch norm: running statistics measured anew for given weights, e.g. after averaging, pruning or
 * ghostifying. The mean over batches of each batch's mean and unbiased variance, as PyTorch's `update_bn` has it.
 */
import { rangeError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { BatchNormNode } from '../graph/nodes.js';
import { createTrainer } from './engine.js';

export interface RecalibrateOptions {
  /** Default 1. */
  readonly threads?: number;
}

/**
 * Weights with new running statistics; everything else is as given. `batches` hold images [N, C, H, W], as the network
 * takes them in training (augmented or not), all of the same N. Larger batches and more of them make it more exact.
 * Throws RangeError `INPUT_SIZE` (no batches, or another size), `WEIGHTS_MISSING`, and the errors of `createTrainer`.
 */
export async function recalibrateBatchNorm(
  graph: Graph,
  weights: Weights,
  batches: Iterable<Float32Array> | AsyncIterable<Float32Array>,
  options: RecalibrateOptions = {},
): Promise<Weights> {
  const norms = graph.nodes.filter((node) => node.kind === 'batchNorm');
  const input = graph.nodes.find((node) => node.kind === 'input');
  const imageFloats = input?.shape.reduce((a, b) => a * b, 1) ?? 1;
  // with a momentum of one, running statistics are those of the last batch
  const measured: Graph = {
    ...graph,
    nodes: graph.nodes.map((node) => (node.kind === 'batchNorm' ? { ...node, momentum: 1 } : node)),
  };
  const start = new Map(weights);
  const sums = new Map<string, Float64Array>();
  for (const name of norms.flatMap((norm: BatchNormNode) => [norm.mean, norm.variance])) {
    const shape = graph.parameters[name]?.shape ?? [];
    const count = shape.reduce((a, b) => a * b, 1);
    start.set(name, { shape, data: new Float32Array(count) });
    sums.set(name, new Float64Array(count));
  }
  let trainer: Awaited<ReturnType<typeof createTrainer>> | undefined;
  let count = 0;
  try {
    for await (const images of batches) {
      trainer ??= await createTrainer(measured, start, {
        batch: Math.floor(images.length / imageFloats),
        threads: options.threads ?? 1,
        optimizer: { kind: 'sgd', momentum: 0 },
      });
      trainer.updateStatistics(images);
      count++;
      const now = trainer.weights();
      for (const [name, sum] of sums) {
        const { data } = now.get(name) as Tensor;
        for (let i = 0; i < sum.length; i++) sum[i]! += data[i]!;
      }
    }
  } finally {
    trainer?.dispose();
  }
  if (count === 0)
    throw rangeError('INPUT_SIZE', 'recalibrate: batches: given none, expected at least one batch of images');
  const result = new Map<string, Tensor>(weights);
  for (const [name, sum] of sums)
    result.set(name, {
      shape: graph.parameters[name]?.shape ?? [],
      data: Float32Array.from(sum, (value) => value / count),
    });
  return result;
}
