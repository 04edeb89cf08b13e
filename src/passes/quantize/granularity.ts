/** What has a range of its own in a quantised network, and what the parts of a value then share. */
import type { Graph } from '../../graph/graph.js';
import type { Shapes } from '../../graph/shapes.js';
import { type FusedGraph, type Operation, operationReads } from '../fuse.js';
import { filterNode } from './operations.js';
import { chooseInterval, type Interval, type RangeMethod } from './ranges.js';
import type { ValueStatistics } from './statistics.js';

/**
 * `tensor`: a whole value, both halves of a Ghost module together; `half`: each half; `channel`: every channel, just as
 * the calibration pictures show it; `equalised`: every channel, kept from too narrow a range and balanced with the
 * weights that read it (equalise.ts). None costs time: readers take the scales into their weights.
 */
export const granularities = ['tensor', 'half', 'channel', 'equalised'] as const;
export type Granularity = (typeof granularities)[number];

/** Cuts of a value's channels into runs. */
export function cuts(operation: Operation, channels: number, granularity: Granularity): readonly number[] {
  if (granularity === 'channel' || granularity === 'equalised')
    return Array.from({ length: channels + 1 }, (_, c) => c);
  if (granularity === 'half' && operation.root.kind === 'ghost')
    return [0, operation.root.cheap.inChannels, channels];
  return [0, channels];
}

/**
 * Few pictures do not show what every channel can become, above all behind the last convolutions, whose channels stand
 * for classes: each gets at least this share of the range of its value or half. One of the seven bits at most is lost
 * by it, where ranges of the calibration pictures alone clip the features of whatever they do not show.
 */
const leastShare = 1 / 2;

/** The range that each channel gets at least. `edges` cut the value into its halves. */
export function leastRanges(
  own: ValueStatistics,
  edges: readonly number[],
  method: RangeMethod,
  share = leastShare,
): readonly Interval[] {
  return edges.slice(1).flatMap((end, i) => {
    const from = edges[i] as number;
    const { low, high } = chooseInterval(own, from, end, method);
    return Array<Interval>(end - from).fill({ low: low * share, high: high * share });
  });
}

/**
 * Values whose channels stand for classes, each of which may become as great as any other, whatever the calibration
 * pictures show: back from the outputs, through layers of one pixel, to the maps that the last mean is taken of.
 */
export function classValues(graph: Graph, fused: FusedGraph, shapes: Shapes): ReadonlySet<string> {
  const onePixel = (name: string): boolean => {
    const [, , height = 1, width = 1] = shapes.get(name) ?? [];
    return height * width === 1;
  };
  const found = new Set(graph.outputs);
  for (const item of fused.items.toReversed()) {
    const name = item.kind === 'operation' ? item.operation.output : item.node.name;
    if (!found.has(name)) continue;
    const reads = item.kind === 'operation' ? operationReads(item.operation) : item.node.inputs;
    const filtered = item.kind === 'operation' && filterNode(item.operation) !== undefined;
    for (const read of reads) if (!filtered || onePixel(read)) found.add(read);
  }
  return found;
}

/** Values that must share one range when a Ghost module's halves may not differ. */
export function sharedHalves(graph: Graph): ReadonlyMap<string, readonly string[]> {
  const shared = new Map<string, readonly string[]>();
  for (const node of graph.nodes)
    if (node.kind === 'concat' && node.inputs.length > 1)
      for (const input of node.inputs) shared.set(input, node.inputs);
  return shared;
}

export function mergeStatistics(all: readonly ValueStatistics[]): ValueStatistics {
  const join = (pick: (one: ValueStatistics) => Float64Array): Float64Array =>
    Float64Array.from(all.flatMap((one) => [...pick(one)]));
  return {
    min: join((one) => one.min),
    max: join((one) => one.max),
    count: Math.max(0, ...all.map((one) => one.count)),
    samples: all.flatMap((one) => one.samples),
  };
}
