/**
 * Finds what can become Ghost modules: every convolution with the batch norm and activation that follow it, and why
 * it cannot where it cannot. Reads the graph only; costs and weights are elsewhere.
 */
import { consumerMap, type Graph, nodeMap } from '../../graph/graph.js';
import type { ActivationNode, BatchNormNode, Conv2dNode, Node } from '../../graph/nodes.js';
import { inferShapes, type Shapes } from '../../graph/shapes.js';
import { type GhostifyOptions, isListed } from './options.js';

/** A convolution, what follows it alone, and the name of what the rest of the network reads. */
export interface Unit {
  readonly conv: Conv2dNode;
  readonly norm?: BatchNormNode;
  readonly activation?: ActivationNode;
  /** The last of the three. */
  readonly output: string;
  /** [C, H, W] of the convolution's output. */
  readonly map: readonly number[];
  /** Why it is left; absent where it can become a Ghost module. */
  readonly reason?: string;
}

/**
 * All convolutions in graph order, each with its reason where it is left.
 */
export function findUnits(graph: Graph, options: GhostifyOptions = {}): Unit[] {
  const consumers = consumerMap(graph);
  const outputs = new Set(graph.outputs);
  const shapes = inferShapes(graph);
  const users = new Map<string, number>();
  for (const node of graph.nodes)
    if (node.kind === 'conv2d') users.set(node.weight, (users.get(node.weight) ?? 0) + 1);
  const inModule = new Map(
    graph.ghostModules.flatMap((module) => module.nodes.map((name) => [name, module.name])),
  );

  const scores = scoreLayers(graph, shapes);

  const onlyReader = (name: string): Node | undefined => {
    const readers = consumers.get(name) ?? [];
    return readers.length === 1 && !outputs.has(name) ? readers[0] : undefined;
  };
  const units = graph.nodes.flatMap((conv): Unit[] => {
    if (conv.kind !== 'conv2d') return [];
    const after = onlyReader(conv.name);
    const norm = after?.kind === 'batchNorm' ? after : undefined;
    const next = norm ? onlyReader(norm.name) : after;
    const activation = next?.kind === 'activation' ? next : undefined;
    const map = (shapes.get(conv.name) ?? []).slice(1);
    const reason = reasonToLeave(conv, map, options, {
      module: inModule.get(conv.name),
      shared: (users.get(conv.weight) ?? 0) > 1,
      constant: graph.parameters[conv.weight]?.role === 'constant',
      scores: scores.has(conv.name),
    });
    return [
      {
        conv,
        ...(norm ? { norm } : {}),
        ...(activation ? { activation } : {}),
        output: (activation ?? norm ?? conv).name,
        map,
        ...(reason === undefined ? {} : { reason }),
      },
    ];
  });
  return units;
}

/** Convolutions whose maps become class scores, one number a class, with no other layer between. */
function scoreLayers(graph: Graph, shapes: Shapes): ReadonlySet<string> {
  const isScore = (name: string): boolean => {
    const [, , height = 1, width = 1] = shapes.get(name) ?? [];
    return height * width === 1;
  };
  const open = new Set(graph.outputs.filter(isScore));
  const found = new Set<string>();
  for (const node of [...graph.nodes].reverse()) {
    if (!open.has(node.name) || node.kind === 'linear') continue;
    if (node.kind === 'conv2d') found.add(node.name);
    else for (const input of node.inputs) open.add(input);
  }
  return found;
}

function reasonToLeave(
  conv: Conv2dNode,
  map: readonly number[],
  options: GhostifyOptions,
  known: {
    readonly module: string | undefined;
    readonly shared: boolean;
    readonly constant: boolean;
    readonly scores: boolean;
  },
): string | undefined {
  const { skip = [], only, minChannels = 8 } = options;
  if (known.module !== undefined) return `already of the Ghost module "${known.module}"`;
  if (conv.groups > 1 && conv.groups === conv.inChannels) return 'depthwise: already cheap';
  if (conv.groups > 1) return `grouped (${conv.groups} groups)`;
  if (known.constant) return 'fixed filters';
  if (known.shared) return 'shares its weights';
  if (conv.kernel[0] !== conv.kernel[1]) return `its kernel ${conv.kernel.join('x')} is not square`;
  if ((map[1] ?? 1) * (map[2] ?? 1) === 1) return 'one pixel: a fully connected layer';
  if (known.scores && !only?.includes(conv.name))
    return 'makes the class scores (name it in only to change it)';
  if (isListed(conv.name, skip)) return 'named in skip';
  if (only && !isListed(conv.name, only)) return 'not named in only';
  if (conv.outChannels < minChannels)
    return `${conv.outChannels} output channels are fewer than ${minChannels}`;
  return undefined;
}

/** Names in `skip` and `only` that match no convolution. */
export function unknownNames(graph: Graph, options: GhostifyOptions): string[] {
  const convolutions = graph.nodes.filter((node) => node.kind === 'conv2d').map((node) => node.name);
  return [...(options.skip ?? []), ...(options.only ?? [])].filter(
    (item) => !convolutions.some((name) => isListed(name, [item])),
  );
}

/** The unit of a layer by its convolution's name. */
export function unitOf(graph: Graph, units: readonly Unit[], layer: string): Unit | undefined {
  return nodeMap(graph).get(layer)?.kind === 'conv2d'
    ? units.find((unit) => unit.conv.name === layer)
    : undefined;
}
