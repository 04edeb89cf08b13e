/**
 * Which channels of a network can only go together. A residual sum ties a channel of one branch to the same channel of
 * the other, a depthwise convolution ties each output to its input, a Ghost module ties ghosts to their intrinsic map,
 * a gate ties itself to what it scales; concatenation, slices, shuffles and pads only rename. The result names, for
 * every channel of every value, its unit: the set of channels that stay or go as one. Analysis only; remove.ts and
 * mask.ts act on it.
 *
 * Shape legend: a value [N, C, H, W] has C channels; flattened to [N, C*H*W] it has C*H*W, each of its map's unit.
 */
import { unreachable } from '../../errors.js';
import { type Graph, nodeParameters } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode, Node } from '../../graph/nodes.js';
import { inferShapes } from '../../graph/shapes.js';
import { UnionFind } from './union-find.js';

/** Units made by the filters of the same layers: the set within which one chooses what goes. */
export interface ChannelGroup {
  /** The first producer: what plans call the group. */
  readonly name: string;
  /** Convolutions and linear layers whose filters make these channels, in graph order. */
  readonly producers: readonly string[];
  /** Convolutions (not depthwise) and linear layers that read them. */
  readonly consumers: readonly string[];
  /** Indices of units, in the order of the first producer's filters. */
  readonly units: readonly number[];
  /** Why nothing of the group can go; absent where it can. */
  readonly fixed?: string;
}

export interface Coupling {
  /** By node name: the unit of every channel of its value. */
  readonly units: ReadonlyMap<string, Int32Array>;
  readonly unitCount: number;
  readonly groups: readonly ChannelGroup[];
}

/** How a convolution's channels hang together. */
export type ConvolutionForm = 'dense' | 'depthwise' | 'grouped';

export function convolutionForm(node: Conv2dNode): ConvolutionForm {
  if (node.groups === 1) return 'dense';
  return node.groups === node.inChannels ? 'depthwise' : 'grouped';
}

/** A convolution that makes channels of its own (not depthwise), or a linear layer. */
export function isProducer(node: Node): node is Conv2dNode | LinearNode {
  return node.kind === 'linear' || (node.kind === 'conv2d' && convolutionForm(node) !== 'depthwise');
}

/** Reasons why a channel stays, strongest last. */
const reasons = ['', 'shared weights', 'softmax', 'the network’s input', 'the network’s output'] as const;

/** Symbols are channels as they arise; joined symbols are one unit. */
class Symbols {
  readonly sets = new UnionFind();
  readonly #reason: number[] = [];

  fresh(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => {
      this.#reason.push(0);
      return this.sets.add();
    });
  }

  join(a: Int32Array, b: Int32Array): void {
    a.forEach((symbol, c) => {
      this.sets.join(symbol, b[c] as number);
    });
  }

  fix(symbols: Int32Array, reason: (typeof reasons)[number]): void {
    const rank = reasons.indexOf(reason);
    for (const symbol of symbols) this.#reason[symbol] = Math.max(this.#reason[symbol] as number, rank);
  }

  reasonOf(symbol: number): number {
    return this.#reason[symbol] as number;
  }
}

/** Joins position j of all `groups` runs of the channels, so that runs stay equally long and alike. */
function joinRuns(symbols: Symbols, channels: Int32Array, groups: number): void {
  const run = channels.length / groups;
  for (let g = 1; g < groups; g++)
    symbols.join(channels.subarray(0, run), channels.subarray(g * run, (g + 1) * run));
}

/** The channels of a node's value, from those of its inputs. */
function channelsOf(node: Node, inputs: readonly Int32Array[], count: number, symbols: Symbols): Int32Array {
  const x = inputs[0] as Int32Array;
  switch (node.kind) {
    case 'input': {
      const made = symbols.fresh(count);
      symbols.fix(made, 'the network’s input');
      return made;
    }
    case 'linear':
      return symbols.fresh(count);
    case 'conv2d': {
      const form = convolutionForm(node);
      if (form === 'depthwise') {
        const perInput = node.outChannels / node.inChannels;
        return Int32Array.from({ length: count }, (_, o) => x[Math.floor(o / perInput)] as number);
      }
      const made = symbols.fresh(count);
      if (form === 'grouped') {
        joinRuns(symbols, x, node.groups);
        joinRuns(symbols, made, node.groups);
      }
      return made;
    }
    case 'add':
      symbols.join(x, inputs[1] as Int32Array);
      return x;
    case 'mul':
      symbols.join(x, inputs[1] as Int32Array);
      return x;
    case 'concat':
      return Int32Array.from(inputs.flatMap((input) => [...input]));
    case 'slice':
      return x.slice(node.start, node.end);
    case 'padChannels':
      return Int32Array.from([...symbols.fresh(node.before), ...x, ...symbols.fresh(node.after)]);
    case 'permuteChannels':
      return x.map((_, c) => x[node.order[c] as number] as number);
    case 'shuffle': {
      const run = x.length / node.groups;
      return x.map((_, c) => x[(c % node.groups) * run + Math.floor(c / node.groups)] as number);
    }
    case 'flatten': {
      const perChannel = count / x.length;
      return Int32Array.from({ length: count }, (_, f) => x[Math.floor(f / perChannel)] as number);
    }
    case 'softmax':
      symbols.fix(x, 'softmax');
      return x;
    case 'batchNorm':
    case 'activation':
    case 'shift':
    case 'maxPool':
    case 'avgPool':
    case 'globalAvgPool':
    case 'upsample':
    case 'dropout':
    case 'identity':
      return x;
    default:
      return unreachable(node);
  }
}

/**
 * Finds the units of every value and the groups to choose from. Channels that reach an output, a softmax or shared
 * weights, and those of the input, are fixed.
 */
export function analyzeCoupling(graph: Graph): Coupling {
  const shapes = inferShapes(graph);
  const symbols = new Symbols();
  const values = new Map<string, Int32Array>();
  const users = new Map<string, number>();
  for (const node of graph.nodes)
    for (const name of new Set(nodeParameters(node))) users.set(name, (users.get(name) ?? 0) + 1);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => values.get(name) as Int32Array);
    const made = channelsOf(node, inputs, shapes.get(node.name)?.[1] ?? 0, symbols);
    values.set(node.name, made);
    if (nodeParameters(node).some((name) => (users.get(name) ?? 0) > 1))
      for (const channels of [...inputs, made]) symbols.fix(channels, 'shared weights');
  }
  for (const name of graph.outputs) symbols.fix(values.get(name) as Int32Array, 'the network’s output');

  const { unitOf, count } = symbols.sets.number();
  const strongest = new Uint8Array(count);
  unitOf.forEach((unit, symbol) => {
    strongest[unit] = Math.max(strongest[unit] as number, symbols.reasonOf(symbol));
  });
  const units = new Map(
    Array.from(values, ([name, channels]) => [name, channels.map((symbol) => unitOf[symbol] as number)]),
  );
  return { units, unitCount: count, groups: groupsOf(graph, units, count, strongest) };
}

/** Units with the same producers (and the same reason to stay, if any) are one group. */
function groupsOf(
  graph: Graph,
  units: ReadonlyMap<string, Int32Array>,
  count: number,
  strongest: Uint8Array,
): ChannelGroup[] {
  const producers: string[][] = Array.from({ length: count }, () => []);
  const order: number[] = [];
  const readers: Set<string>[] = Array.from({ length: count }, () => new Set());
  for (const node of graph.nodes) {
    if (!isProducer(node)) continue;
    for (const unit of new Set(units.get(node.name))) {
      if (producers[unit]?.length === 0) order.push(unit);
      producers[unit]?.push(node.name);
    }
    for (const unit of new Set(units.get(node.inputs[0] as string))) readers[unit]?.add(node.name);
  }
  const bySignature = new Map<string, number[]>();
  for (const unit of order) {
    const signature = JSON.stringify([producers[unit], strongest[unit]]);
    const members = bySignature.get(signature);
    if (members) members.push(unit);
    else bySignature.set(signature, [unit]);
  }
  const names = new Set<string>();
  const layers = graph.nodes
    .filter(({ kind }) => kind === 'conv2d' || kind === 'linear')
    .map(({ name }) => name);
  /** A layer of its own for every group that is to be named: a producer, else any whose value holds its channels. */
  const nameFor = (members: readonly number[], made: readonly string[]): string | undefined => {
    const own = new Set(members);
    const holds = (name: string): boolean => (units.get(name) as Int32Array).some((unit) => own.has(unit));
    const free = (name: string): boolean => !names.has(name);
    const name = made.find(free) ?? layers.find((n) => free(n) && holds(n));
    if (name !== undefined) names.add(name);
    return name;
  };
  return [...bySignature.values()].map((members) => {
    const first = members[0] as number;
    const made = producers[first] as string[];
    const read = new Set(members.flatMap((unit) => [...(readers[unit] as Set<string>)]));
    const known = reasons[strongest[first] as number] as string;
    const name = known === '' ? nameFor(members, made) : made[0];
    const reason = name === undefined ? 'its layers make other groups too' : known;
    return {
      name: name ?? (made[0] as string),
      producers: made,
      consumers: graph.nodes.map((node) => node.name).filter((node) => read.has(node)),
      units: members,
      ...(reason === '' ? {} : { fixed: reason }),
    };
  });
}
