/**
 * Batch-norm recalibration: after weights changed, running means and variances are those of another network. Sets them,
 * front to back, to what the calibration pictures give in the network as it is now; scales and shifts stay.
 * Source: it is done after pruning in EagleEye (Li et al. 2020), there as "adaptive batch normalization".
 */
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { BatchNormNode } from '../graph/nodes.js';
import type { Calibration } from './compression.js';

/** Means and variances over N, H and W of a node's input, in float64. */
async function statisticsOf(
  graph: Graph,
  weights: Weights,
  nodes: readonly BatchNormNode[],
  calibration: Calibration,
): Promise<Map<string, { mean: Float64Array; variance: Float64Array }>> {
  const sums = new Map(
    nodes.map((node) => [
      node.name,
      { count: 0, sum: new Float64Array(node.channels), squares: new Float64Array(node.channels) },
    ]),
  );
  const inputs = nodes.map((node) => node.inputs[0] as string);
  await calibration.run(graph, weights, inputs, (values) => {
    for (const node of nodes) {
      const { shape, data } = values.get(node.inputs[0] as string) as Tensor;
      const [batch = 1, channels = 1] = shape;
      const pixels = data.length / (batch * channels);
      const total = sums.get(node.name);
      if (!total) continue;
      total.count += batch * pixels;
      for (let n = 0; n < batch; n++)
        for (let c = 0; c < channels; c++) {
          let [sum, squares] = [0, 0];
          const from = (n * channels + c) * pixels;
          for (let k = from; k < from + pixels; k++) {
            const value = data[k] as number;
            sum += value;
            squares += value * value;
          }
          total.sum[c] = (total.sum[c] as number) + sum;
          total.squares[c] = (total.squares[c] as number) + squares;
        }
    }
  });
  return new Map(
    [...sums].map(([name, { count, sum, squares }]) => {
      const mean = sum.map((value) => value / count);
      const variance = squares.map((value, c) =>
        Math.max(0, value / count - (mean[c] as number) * (mean[c] as number)),
      );
      return [name, { mean, variance }];
    }),
  );
}

/**
 * Norms in groups that can be measured in one run: none of a group reads, even from afar, what another of it makes.
 */
export function normLevels(graph: Graph): BatchNormNode[][] {
  const depth = new Map<string, number>();
  const levels: BatchNormNode[][] = [];
  for (const node of graph.nodes) {
    const below = Math.max(0, ...node.inputs.map((name) => depth.get(name) ?? 0));
    if (node.kind === 'batchNorm') {
      let level = levels[below];
      if (!level) {
        level = [];
        levels[below] = level;
      }
      level.push(node);
    }
    depth.set(node.name, below + (node.kind === 'batchNorm' ? 1 : 0));
  }
  return levels;
}

/** Weights with new statistics; all else is as it was. Throws what running the network throws. */
export async function recalibrateBatchNorm(
  graph: Graph,
  weights: Weights,
  calibration: Calibration,
): Promise<Weights> {
  const current = new Map(weights);
  for (const level of normLevels(graph)) {
    const found = await statisticsOf(graph, current, level, calibration);
    for (const node of level) {
      const { mean, variance } = found.get(node.name) as { mean: Float64Array; variance: Float64Array };
      current.set(node.mean, { shape: [node.channels], data: Float32Array.from(mean) });
      current.set(node.variance, { shape: [node.channels], data: Float32Array.from(variance) });
    }
  }
  return current;
}
