/** Integers for one filter: per-channel symmetric weights with the input's scales inside. */
import type { Weights } from '../../graph/graph.js';
import { shiftWindow } from '../../graph/shapes.js';
import { batchNormAffine } from '../fold-batch-norm.js';
import type { Operation } from '../fuse.js';
import { leastScale, reachOf, wholeFactors } from './filter-scales.js';
import type { FilterUnits } from './narrow.js';
import type { ChannelScales, QuantizedFilter } from './network.js';
import { levels } from './network.js';
import { filterNode } from './operations.js';

/** Sizes of a node's filter. */
export interface FilterSize {
  readonly outputs: number;
  /** Input channels that one output reads. */
  readonly columns: number;
  readonly taps: number;
  readonly groups: number;
}

export function filterSize(node: Exclude<ReturnType<typeof filterNode>, undefined>): FilterSize {
  if (node.kind === 'shift') {
    const [height, width] = shiftWindow(node).kernel;
    const outputs = node.offsets.length;
    return { outputs, columns: 1, taps: height * width, groups: outputs };
  }
  if (node.kind === 'linear')
    return { outputs: node.outFeatures, columns: node.inFeatures, taps: 1, groups: 1 };
  const { outChannels: outputs, groups, inChannels, kernel } = node;
  return { outputs, columns: inChannels / groups, taps: kernel[0] * kernel[1], groups };
}

/** A filter in real numbers with what its operation's batch norm does to it. */
export interface RealFilter {
  /** [O][columns][taps]. */
  readonly data: Float32Array;
  readonly bias: Float32Array;
  readonly outputs: number;
  readonly columns: number;
  readonly taps: number;
  readonly kernelWidth: number;
  /** Input channel of column i of output o. */
  readonly channel: (output: number, column: number) => number;
}

/** The filter of an operation; undefined where it has none. */
export function realFilter(operation: Operation, weights: Weights): RealFilter | undefined {
  const node = filterNode(operation);
  if (!node) return undefined;
  const { outputs, columns, taps, groups } = filterSize(node);
  const kernelWidth =
    node.kind === 'conv2d' ? node.kernel[1] : node.kind === 'shift' ? shiftWindow(node).kernel[1] : 1;
  if (node.kind === 'shift') {
    const { kernel, padding } = shiftWindow(node);
    const [top, left] = padding;
    const data = new Float32Array(outputs * taps);
    node.offsets.forEach(([dy, dx], c) => {
      data[c * taps + (dy + top) * kernel[1] + dx + left] = 1;
    });
    return { data, bias: new Float32Array(outputs), outputs, columns, taps, kernelWidth, channel: (o) => o };
  }
  let data = weights.get(node.weight)?.data ?? new Float32Array(outputs * columns * taps);
  let bias = node.bias === undefined ? undefined : weights.get(node.bias)?.data;
  if (operation.root.kind === 'ghost' && operation.affine) {
    // the batch norm after the concatenation: the ghosts' part goes into their filter
    const { scale, shift } = batchNormAffine(operation.affine, weights);
    const first = scale.length - outputs;
    const old = bias;
    data = data.map((value, i) => value * (scale[first + Math.floor(i / (columns * taps))] as number));
    bias = Float32Array.from(
      { length: outputs },
      (_, o) => (shift[first + o] as number) + (old?.[o] ?? 0) * (scale[first + o] as number),
    );
  }
  const perGroup = outputs / groups;
  return {
    data,
    bias: bias ?? new Float32Array(outputs),
    outputs,
    columns,
    taps,
    kernelWidth,
    channel: (o, i) => Math.floor(o / perGroup) * columns + i,
  };
}

/**
 * Weights rounded, the bias as it is (bias-correction.ts changes it). `units` are those of the outputs where sums are
 * rounded in 16 bits: the filter's scales are chosen to suit.
 */
export function quantizeFilter(filter: RealFilter, x: ChannelScales, units?: FilterUnits): QuantizedFilter {
  const { data, outputs, columns, taps, channel } = filter;
  const values = new Int8Array(data.length);
  const bias = filter.bias.slice();
  const length = columns * taps;
  const inputOf = (o: number, i: number): number => channel(o, Math.floor(i / taps));
  const scaledOf = (o: number): Float64Array =>
    Float64Array.from(
      { length },
      (_, i) => (data[o * length + i] as number) * (x.scale[inputOf(o, i)] as number),
    );
  const reach = new Float64Array(outputs);
  const least = Float32Array.from({ length: outputs }, (_, o) => {
    const scaled = scaledOf(o);
    let whole = bias[o] as number;
    for (let i = 0; i < length; i++) whole -= (scaled[i] as number) * (x.zeroPoint[inputOf(o, i)] as number);
    reach[o] = reachOf(scaled, whole);
    return leastScale(scaled, whole, filter);
  });
  const scales = units ? wholeFactors(least, units, reach) : least;
  for (let o = 0; o < outputs; o++) {
    const scaled = scaledOf(o);
    const scale = scales[o] as number;
    for (let i = 0; i < length; i++) {
      const value = Math.round((scaled[i] as number) / scale);
      values[o * length + i] = Math.min(levels, Math.max(-levels, value));
    }
  }
  return { values, scales, bias };
}
