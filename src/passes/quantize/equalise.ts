/**
 * Cross-layer equalisation (Nagel et al. 2019, arXiv 1906.04721, section 4.1) as a choice of scales. Dividing channel c
 * by s_c behind a layer and multiplying the next layer's column c by s_c is, once both are rounded, the same as storing
 * the channel in steps s_c times as large: filters hold their input's scales inside. So no weight changes, every
 * activation stays what it is, and it is exact behind any of them, ReLU or not.
 *
 * Starting from a range for every channel (so that activations use all their steps), column c of the readers has a share
 * g_c = max over rows o of |W[o, c]| s_c / max over c' of |W[o, c']| s_c' of its filters' range. The paper's balance
 * gives both sides the same share, sqrt(g_c): the channel's steps grow by 1 / sqrt(g_c). A depthwise reader has one
 * column a row, g_c = 1. Channels that something without a filter reads (a sum, a gate, a mean) stay as they are.
 */
import { type Graph, nodeMap, type Weights } from '../../graph/graph.js';
import type { Shapes } from '../../graph/shapes.js';
import { type FusedGraph, operationReads } from '../fuse.js';
import { realFilter } from './filters.js';
import { levels, type ScaleRun } from './network.js';
import { filterNode, keepsScales, operationsOf } from './operations.js';
import { resolveOrigins } from './origins.js';
import { resolveScales } from './scales.js';

/** Steps grow at most this many times: a channel that nothing weighs may vanish, its zero point may not. */
const most = 2 ** 10;

/** `values` has a run for every channel; so has the result. */
export function equalise(
  { graph, weights }: { readonly graph: Graph; readonly weights: Weights },
  values: ReadonlyMap<string, readonly ScaleRun[]>,
  fused: FusedGraph,
  shapes: Shapes,
): ReadonlyMap<string, readonly ScaleRun[]> {
  const origins = resolveOrigins(graph, values, fused, shapes);
  const scales = resolveScales({ graph, values }, fused, shapes);
  const byName = nodeMap(graph);
  const operations = operationsOf(fused);
  const shares = new Map([...values].map(([name, runs]) => [name, new Float64Array(runs.length)]));
  const use = (value: string, share: (channel: number) => number): void => {
    origins.get(value)?.forEach((origin, c) => {
      const used = origin && shares.get(origin.value);
      if (used) used[origin.channel] = Math.max(used[origin.channel] as number, share(c));
    });
  };

  for (const operation of operations) {
    const node = filterNode(operation);
    const filter = realFilter(operation, weights);
    const x = node && scales.get(node.inputs[0] as string);
    const filtered = node && filter && x ? (node.inputs[0] as string) : undefined;
    if (filter && x && filtered !== undefined) {
      const shares = columnShares(filter, x.scale);
      use(filtered, (c) => shares[c] as number);
    }
    // the intrinsic maps of a Ghost module go on as they are
    const plain =
      operation.root.kind === 'ghost'
        ? operationReads(operation)
        : operationReads(operation).filter((name) => name !== filtered);
    if (!keepsScales(operation)) for (const name of plain) use(name, () => 1);
  }
  for (const name of graph.outputs) use(name, () => 1);

  const limits = new Map(
    operations.map(({ output, activation }) => [
      output,
      activation === 'relu6' ? Math.fround(6 / levels) : Number.POSITIVE_INFINITY,
    ]),
  );
  return new Map(
    [...values].map(([name, runs]) => {
      const used = shares.get(name) as Float64Array;
      const limit = byName.get(name)?.kind === 'input' ? 0 : (limits.get(name) ?? 0);
      return [
        name,
        runs.map((run, c): ScaleRun => {
          const growth = Math.min(most, 1 / Math.sqrt(Math.max(used[c] as number, 1e-12)));
          const scale = Math.max(run.scale, Math.min(limit, Math.fround(run.scale * growth)));
          return { ...run, scale };
        }),
      ];
    }),
  );
}

/** The largest share of a row's range that each input channel's weights take. */
function columnShares(
  { data, outputs, columns, taps, channel }: NonNullable<ReturnType<typeof realFilter>>,
  scale: Float32Array,
): Float64Array {
  const shares = new Float64Array(scale.length);
  const row = new Float64Array(columns);
  for (let o = 0; o < outputs; o++) {
    let largest = 0;
    for (let i = 0; i < columns; i++) {
      let size = 0;
      for (let t = 0; t < taps; t++)
        size = Math.max(size, Math.abs(data[(o * columns + i) * taps + t] as number));
      row[i] = size * (scale[channel(o, i)] as number);
      largest = Math.max(largest, row[i] as number);
    }
    if (largest === 0) continue;
    for (let i = 0; i < columns; i++) {
      const c = channel(o, i);
      shares[c] = Math.max(shares[c] as number, (row[i] as number) / largest);
    }
  }
  return shares;
}
