/**
 * Network slimming (Liu et al. 2017, "Learning Efficient Convolutional Networks through Network Slimming"): a channel
 * is worth the absolute scale of its batch norm, and all layers compete, so that some lose more than others. The paper
 * first trains with an l1 penalty on the scales (`shrinkScales` is its step); without that, scales say less.
 *
 * Networks whose batch norm was folded away have no scales. What a scale was is then measured: the standard deviation
 * of the channel where the convolution puts it out, over calibration pictures.
 */
import { rangeError } from '../../errors.js';
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import type { Calibration } from '../compression.js';
import { isProducer } from '../coupling/analyze.js';
import type { PruneOptions } from '../prune/options.js';
import { prunePass } from '../prune/prune-pass.js';
import { unitMeans, weightOf } from '../prune/scores.js';

/** Mean and standard deviation of every channel of a node over all pictures and pixels. */
export interface ChannelMoments {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/** Moments of the named nodes' channels. */
export async function channelMoments(
  graph: Graph,
  weights: Weights,
  calibration: Calibration,
  nodes: readonly string[],
): Promise<Map<string, ChannelMoments>> {
  const sums = new Map<string, { count: number; sum: Float64Array; squares: Float64Array }>();
  await calibration.run(graph, weights, nodes, (values) => {
    for (const name of nodes) {
      const { shape, data } = values.get(name) as Tensor;
      const [n = 1, channels = 1] = shape;
      const plane = data.length / (n * channels);
      const known = sums.get(name) ?? {
        count: 0,
        sum: new Float64Array(channels),
        squares: new Float64Array(channels),
      };
      sums.set(name, known);
      known.count += n * plane;
      for (let i = 0; i < n; i++)
        for (let c = 0; c < channels; c++) {
          let [sum, squares] = [0, 0];
          const from = (i * channels + c) * plane;
          for (let p = from; p < from + plane; p++) {
            const value = data[p] as number;
            sum += value;
            squares += value * value;
          }
          known.sum[c] = (known.sum[c] as number) + sum;
          known.squares[c] = (known.squares[c] as number) + squares;
        }
    }
  });
  return new Map(
    Array.from(sums, ([name, { count, sum, squares }]) => {
      const mean = sum.map((value) => value / count);
      const deviation = squares.map((value, c) =>
        Math.sqrt(Math.max(value / count - (mean[c] as number) ** 2, 0)),
      );
      return [name, { mean, deviation }];
    }),
  );
}

/** Throws RangeError `NO_CALIBRATION` for a network without batch norm when no pictures are given. */
export const slimming = prunePass<PruneOptions>({
  name: 'slimming',
  summary: 'removes the channels with the smallest batch-norm scales, layers competing (Liu et al. 2017)',
  scope: 'all',
  async score({ graph, weights, coupling, calibration }) {
    const norms = graph.nodes.filter((node) => node.kind === 'batchNorm');
    if (norms.length > 0)
      return unitMeans(
        coupling,
        norms.map((node) => [node.name, weightOf(weights, node.scale).data.map(Math.abs)] as const),
      );
    if (!calibration)
      throw rangeError(
        'NO_CALIBRATION',
        `slimming: "${graph.name}" has no batch norm (it was folded); give calibration pictures to measure scales`,
      );
    const producers = graph.nodes.filter(isProducer).map((node) => node.name);
    const moments = await channelMoments(graph, weights, calibration, producers);
    return unitMeans(
      coupling,
      Array.from(moments, ([name, { deviation }]) => [name, deviation] as const),
    );
  },
});

/**
 * The sparsity step of training (equation 1 of the paper, as its proximal form): every batch-norm scale moves towards
 * zero by `amount`, learning rate times lambda. Call it after each step or, with a larger amount, each epoch.
 */
export function shrinkScales(graph: Graph, weights: Weights, amount: number): Weights {
  const shrunk = new Map(weights);
  for (const node of graph.nodes) {
    if (node.kind !== 'batchNorm') continue;
    const { shape, data } = weightOf(weights, node.scale);
    shrunk.set(node.scale, {
      shape,
      data: data.map((value) => Math.sign(value) * Math.max(Math.abs(value) - amount, 0)),
    });
  }
  return shrunk;
}
