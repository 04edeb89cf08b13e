/**
 * The same network with channels silenced instead of removed: what a pruned network must equal, and what soft pruning
 * trains. Two ways: `maskReaders` zeroes what convolutions and linear layers read of the channels, which is exact for
 * every network; `maskMakers` zeroes what makes them (filters, biases, batch norm's scale and shift), which makes the
 * channels themselves zero wherever all between keeps zero at zero (every activation but the two sigmoids).
 */
import { elementCount, type Graph, type Tensor, type Weights } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import { type Coupling, convolutionForm, isProducer } from './analyze.js';

/** Replaces tensors by copies to be written to. */
class Copies {
  readonly weights: Map<string, Tensor>;
  readonly #own = new Set<string>();

  constructor(weights: Weights) {
    this.weights = new Map(weights);
  }

  data(name: string): Float32Array {
    const tensor = this.weights.get(name) as Tensor;
    if (this.#own.has(name)) return tensor.data;
    const copy = { shape: tensor.shape, data: tensor.data.slice() };
    this.weights.set(name, copy);
    this.#own.add(name);
    return copy.data;
  }
}

/** New weights in which nothing is read of the channels in `removed`. */
export function maskReaders(
  graph: Graph,
  weights: Weights,
  coupling: Coupling,
  removed: ReadonlySet<number>,
): Weights {
  const copies = new Copies(weights);
  for (const node of graph.nodes) {
    if (!isProducer(node)) continue;
    const input = coupling.units.get(node.inputs[0] as string) as Int32Array;
    const { rows, columns, inner, perRun, rowsPerRun } = layoutOf(node);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const channel = Math.floor(row / rowsPerRun) * perRun + column;
        if (!removed.has(input[channel] as number)) continue;
        const at = (row * columns + column) * inner;
        copies.data(node.weight).fill(0, at, at + inner);
      }
  }
  return copies.weights;
}

/** Rows, columns and kernel positions of a weight, and how rows of a grouped convolution find their input channels. */
function layoutOf(node: Conv2dNode | LinearNode): {
  rows: number;
  columns: number;
  inner: number;
  perRun: number;
  rowsPerRun: number;
} {
  if (node.kind === 'linear') {
    const { outFeatures: rows, inFeatures: columns } = node;
    return { rows, columns, inner: 1, perRun: 0, rowsPerRun: rows };
  }
  const columns = node.inChannels / node.groups;
  return {
    rows: node.outChannels,
    columns,
    inner: elementCount(node.kernel),
    perRun: columns,
    rowsPerRun: node.outChannels / node.groups,
  };
}

/** New weights in which all that makes the channels in `removed` is zero. */
export function maskMakers(
  graph: Graph,
  weights: Weights,
  coupling: Coupling,
  removed: ReadonlySet<number>,
): Weights {
  const copies = new Copies(weights);
  const zero = (name: string | undefined, units: Int32Array): void => {
    if (name === undefined) return;
    const perRow = (weights.get(name) as Tensor).data.length / units.length;
    units.forEach((unit, c) => {
      if (removed.has(unit)) copies.data(name).fill(0, c * perRow, (c + 1) * perRow);
    });
  };
  for (const node of graph.nodes) {
    const own = coupling.units.get(node.name) as Int32Array;
    if (node.kind === 'batchNorm') {
      zero(node.scale, own);
      zero(node.shift, own);
    } else if (node.kind === 'linear' || node.kind === 'conv2d') {
      // fixed filters (Haar) stay: of a zero map they make zeros anyway
      if (node.kind === 'conv2d' && convolutionForm(node) === 'depthwise') zero(node.bias, own);
      else {
        zero(node.weight, own);
        zero(node.bias, own);
      }
    }
  }
  return copies.weights;
}
