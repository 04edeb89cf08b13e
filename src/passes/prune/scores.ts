/**
 * What a unit of channels is worth, judged from the weights alone. In a residual stream several layers make one unit:
 * each layer's filters are first divided by their mean, so that no layer outvotes the others.
 */
import { rangeError } from '../../errors.js';
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import { type Coupling, isProducer } from '../coupling/analyze.js';

export type Norm = 'l1' | 'l2';

export function weightOf(weights: Weights, name: string): Tensor {
  const tensor = weights.get(name);
  if (!tensor)
    throw rangeError(
      'WEIGHTS_MISSING',
      `pruning: no weights for parameter "${name}"; load or initialise them`,
    );
  return tensor;
}

/** l1 or l2 norm of each filter of a weight [C, ...]. */
export function filterNorms(weight: Tensor, norm: Norm): Float64Array {
  const filters = weight.shape[0] ?? 1;
  const size = weight.data.length / filters;
  return Float64Array.from({ length: filters }, (_, c) => {
    let sum = 0;
    for (let i = c * size; i < (c + 1) * size; i++) {
      const value = weight.data[i] as number;
      sum += norm === 'l1' ? Math.abs(value) : value * value;
    }
    return norm === 'l1' ? sum : Math.sqrt(sum);
  });
}

/** The mean over a unit's channels of values that nodes give theirs; NaN where no node speaks of the unit. */
export function unitMeans(
  coupling: Coupling,
  values: Iterable<readonly [node: string, perChannel: ArrayLike<number>]>,
): Float64Array {
  const sums = new Float64Array(coupling.unitCount);
  const counts = new Float64Array(coupling.unitCount);
  for (const [node, perChannel] of values)
    coupling.units.get(node)?.forEach((unit, c) => {
      sums[unit] = (sums[unit] as number) + (perChannel[c] as number);
      counts[unit] = (counts[unit] as number) + 1;
    });
  return sums.map((sum, unit) => sum / (counts[unit] as number));
}

/** By unit: the mean of its filters' norms, each relative to its layer's mean. */
export function filterScores(graph: Graph, weights: Weights, coupling: Coupling, norm: Norm): Float64Array {
  return unitMeans(
    coupling,
    graph.nodes.filter(isProducer).map((node) => {
      const norms = filterNorms(weightOf(weights, node.weight), norm);
      const mean = norms.reduce((a, b) => a + b, 0) / norms.length;
      return [node.name, mean > 0 ? norms.map((value) => value / mean) : norms] as const;
    }),
  );
}
