/**
 * Takes channels out of a network: every filter that makes them and every weight that reads them. The network that
 * results computes exactly what the old one computes when the readers' weights of those channels are zero (mask.ts).
 * Which channels go is decided elsewhere.
 */
import { rangeError } from '../../errors.js';
import {
  elementCount,
  type GhostModuleInfo,
  type Graph,
  makeGraph,
  type Parameter,
  type Tensor,
  type Weights,
} from '../../graph/graph.js';
import type { Conv2dNode, Node } from '../../graph/nodes.js';
import { type Coupling, convolutionForm } from './analyze.js';

/** Indices that stay, of every value's channels. */
export type Kept = ReadonlyMap<string, Int32Array>;

/** Channels of every value that stay when the units in `removed` go. */
export function keptChannels(coupling: Coupling, removed: ReadonlySet<number>): Kept {
  return new Map(
    Array.from(coupling.units, ([name, units]) => {
      const kept: number[] = [];
      units.forEach((unit, c) => {
        if (!removed.has(unit)) kept.push(c);
      });
      return [name, Int32Array.from(kept)];
    }),
  );
}

/** Rows `rows` of a tensor [R, C, ...], and of each the columns `columns` (all when undefined). */
export function gather(tensor: Tensor, rows: Int32Array, columns?: Int32Array): Tensor {
  const [, width = 1, ...rest] = tensor.shape;
  const inner = elementCount(rest);
  const taken = columns ?? Int32Array.from({ length: width }, (_, c) => c);
  const data = new Float32Array(rows.length * taken.length * inner);
  let at = 0;
  for (const row of rows)
    for (const column of taken) {
      const from = (row * width + column) * inner;
      data.set(tensor.data.subarray(from, from + inner), at);
      at += inner;
    }
  const shape = tensor.shape.length === 1 ? [rows.length] : [rows.length, taken.length, ...rest];
  return { shape, data };
}

/** Which columns of its weight a convolution keeps. */
function columnsOf(node: Conv2dNode, input: Int32Array): Int32Array | undefined {
  const form = convolutionForm(node);
  if (form === 'depthwise') return undefined;
  // all runs of a grouped convolution keep the same positions
  return form === 'dense' ? input : input.filter((c) => c < node.inChannels / node.groups);
}

/** A permutation of what is left: for each output channel that stays, the place of its source among the inputs' left. */
function orderAmong(input: Int32Array, own: Int32Array, source: (c: number) => number): number[] {
  const place = new Map(Array.from(input, (c, i) => [c, i]));
  return Array.from(own, (c) => place.get(source(c)) as number);
}

function isShuffle(order: readonly number[], groups: number): boolean {
  const run = order.length / groups;
  return (
    Number.isInteger(run) && order.every((from, c) => from === (c % groups) * run + Math.floor(c / groups))
  );
}

interface Rewriting {
  readonly kept: Kept;
  /** How many channels a value had. */
  readonly channels: (name: string) => number;
  readonly take: (name: string, rows: Int32Array, columns?: Int32Array) => void;
}

function rewrite(node: Node, { kept, channels, take }: Rewriting): Node {
  const own = kept.get(node.name) as Int32Array;
  const input = kept.get(node.inputs[0] ?? '') ?? new Int32Array(0);
  switch (node.kind) {
    case 'conv2d': {
      take(node.weight, own, columnsOf(node, input));
      if (node.bias !== undefined) take(node.bias, own);
      const groups = convolutionForm(node) === 'depthwise' ? input.length : node.groups;
      return { ...node, inChannels: input.length, outChannels: own.length, groups };
    }
    case 'linear':
      take(node.weight, own, input);
      if (node.bias !== undefined) take(node.bias, own);
      return { ...node, inFeatures: input.length, outFeatures: own.length };
    case 'batchNorm':
      for (const name of [node.scale, node.shift, node.mean, node.variance]) take(name, own);
      return { ...node, channels: own.length };
    case 'slice': {
      const start = input.filter((c) => c < node.start).length;
      return { ...node, start, end: start + own.length };
    }
    case 'padChannels': {
      const before = own.filter((c) => c < node.before).length;
      return { ...node, before, after: own.length - before - input.length };
    }
    case 'shift':
      return { ...node, offsets: Array.from(own, (c) => node.offsets[c] as readonly [number, number]) };
    case 'permuteChannels':
      return { ...node, order: orderAmong(input, own, (c) => node.order[c] as number) };
    case 'shuffle': {
      const { groups, ...base } = node;
      const run = channels(node.name) / groups;
      const order = orderAmong(input, own, (c) => (c % groups) * run + Math.floor(c / groups));
      return isShuffle(order, groups) ? node : { ...base, kind: 'permuteChannels', order };
    }
    default:
      return node;
  }
}

/** A Ghost module's facts after its channels changed; intrinsic channels are those its first convolution makes. */
function rewriteModule(
  module: GhostModuleInfo,
  kept: Kept,
  nodes: ReadonlyMap<string, Node>,
): GhostModuleInfo {
  const count = (name: string, otherwise: number): number => kept.get(name)?.length ?? otherwise;
  const primary = module.nodes.find((name) => nodes.get(name)?.kind === 'conv2d');
  return {
    ...module,
    inChannels: count(module.input, module.inChannels),
    outChannels: count(module.output, module.outChannels),
    intrinsicChannels: count(primary ?? '', module.intrinsicChannels),
  };
}

/**
 * The network without the units in `removed`; `kept` says which channels of the old values it still has.
 * Throws RangeError `PRUNED_AWAY` when a value would have no channel left, `WEIGHTS_MISSING`.
 */
export function removeUnits(
  graph: Graph,
  weights: Weights,
  coupling: Coupling,
  removed: ReadonlySet<number>,
): { readonly graph: Graph; readonly weights: Weights; readonly kept: Kept } {
  const kept = keptChannels(coupling, removed);
  for (const [name, channels] of kept)
    if (channels.length === 0)
      throw rangeError(
        'PRUNED_AWAY',
        `pruning "${graph.name}": node "${name}" would have no channel left; remove less of it`,
      );
  const newWeights = new Map(weights);
  const parameters: Record<string, Parameter> = { ...graph.parameters };
  const done = new Set<string>();
  const take = (name: string, rows: Int32Array, columns?: Int32Array): void => {
    // shared parameters are fixed, so all who read them keep everything
    if (done.has(name)) return;
    done.add(name);
    const tensor = weights.get(name);
    if (!tensor)
      throw rangeError(
        'WEIGHTS_MISSING',
        `pruning "${graph.name}": no weights for parameter "${name}"; load or initialise them`,
      );
    const taken = gather(tensor, rows, columns);
    newWeights.set(name, taken);
    parameters[name] = { shape: taken.shape, role: graph.parameters[name]?.role ?? 'weight' };
  };
  const channels = (name: string): number => coupling.units.get(name)?.length ?? 0;
  const nodes = graph.nodes.map((node) => rewrite(node, { kept, channels, take }));
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const ghostModules = graph.ghostModules.map((module) => rewriteModule(module, kept, byName));
  return { graph: makeGraph({ ...graph, nodes, parameters, ghostModules }), weights: newWeights, kept };
}
