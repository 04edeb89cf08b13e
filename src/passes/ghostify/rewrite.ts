/**
 * The graph with some convolutions as Ghost modules. Nodes only: weights are made in weights.ts. A module's channels
 * stand in the order of its wiring and a `permuteChannels` node puts them back, so that the rest of the network is as it
 * was; sink-permutations.ts takes those nodes out again.
 */
import { GraphBuilder } from '../../graph/builder.js';
import { type Graph, nodeParameters } from '../../graph/graph.js';
import { ghostModule } from '../../models/ghost-module.js';
import { type GhostSettings, moduleChannels } from './options.js';
import type { Wiring } from './select.js';
import type { Unit } from './units.js';

export interface Replacement {
  readonly unit: Unit;
  readonly settings: GhostSettings;
  /** Absent: the first channels are intrinsic, the others follow in order. */
  readonly wiring?: Wiring;
}

/** Biases stand in a module only where no batch norm takes them up. */
export function moduleHasBias(unit: Unit): boolean {
  return unit.norm === undefined;
}

/** For every old channel its place in the module's output; undefined where nothing moves. */
export function outputOrder(wiring: Wiring): readonly number[] | undefined {
  const all = [...wiring.intrinsic, ...wiring.ghosts];
  if (all.every((channel, place) => channel === place)) return undefined;
  const order = new Array<number>(all.length);
  all.forEach((channel, place) => {
    order[channel] = place;
  });
  return order;
}

/** The new graph; `replacements` by convolution name. */
export function rewrite(graph: Graph, replacements: ReadonlyMap<string, Replacement>): Graph {
  const g = new GraphBuilder(graph.name);
  const renamed = new Map<string, string>();
  const resolve = (name: string): string => renamed.get(name) ?? name;
  const swallowed = new Set<string>();
  for (const node of graph.nodes) {
    if (swallowed.has(node.name)) continue;
    const replacement = replacements.get(node.name);
    if (replacement) {
      const { unit, settings } = replacement;
      const inside = settings.placement === 'inside';
      const output = addModule(g, resolve(node.inputs[0] as string), replacement);
      renamed.set(inside ? unit.output : node.name, output);
      if (inside) for (const part of [unit.norm, unit.activation]) if (part) swallowed.add(part.name);
      continue;
    }
    const parameters = Object.fromEntries(
      nodeParameters(node).map((name) => [name, graph.parameters[name] as Graph['parameters'][string]]),
    );
    g.addNode({ ...node, inputs: node.inputs.map(resolve) }, parameters);
  }
  for (const module of graph.ghostModules)
    g.recordGhostModule({ ...module, input: resolve(module.input), output: resolve(module.output) });
  return g.build(graph.outputs.map(resolve), graph.meta);
}

function addModule(g: GraphBuilder, x: string, replacement: Replacement): string {
  const { unit, settings, wiring } = replacement;
  const { conv, norm, activation } = unit;
  const inside = settings.placement === 'inside';
  const output = ghostModule(g, conv.name, x, {
    outChannels: conv.outChannels,
    kernel: conv.kernel[0],
    stride: conv.stride,
    padding: conv.padding,
    dilation: conv.dilation,
    ratio: settings.ratio,
    cheapKernel: settings.cheapKernel,
    cheapOperation: settings.cheapOperation,
    intrinsicChannels: moduleChannels(conv.outChannels, settings).intrinsic,
    bias: moduleHasBias(unit),
    batchNorm: inside && norm !== undefined,
    activation: inside ? (activation?.function ?? null) : null,
    ...(norm ? { norm: { eps: norm.eps, momentum: norm.momentum } } : {}),
  });
  const order = wiring && outputOrder(wiring);
  return order ? g.permuteChannels(`${conv.name}.order`, output, order) : output;
}
