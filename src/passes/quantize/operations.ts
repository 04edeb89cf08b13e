/**
 * The operations of an int8 network: the fused graph with the choices that decide what is rounded where. Reference and
 * compiler walk through the same list, so that they round at the same places.
 */
import { rangeError } from '../../errors.js';
import { type Graph, nodeMap } from '../../graph/graph.js';
import type { ActivationName, Conv2dNode, LinearNode, ShiftNode } from '../../graph/nodes.js';
import type { Shapes } from '../../graph/shapes.js';
import { type AliasNode, type FusedGraph, fuse, type Operation, operationReads } from '../fuse.js';

/** Sigmoid and SiLU have exponentials: they are tables, and operations of their own. */
export function isTable(activation: ActivationName | null): activation is 'sigmoid' | 'silu' {
  return activation === 'sigmoid' || activation === 'silu';
}

export function int8Operations(graph: Graph): FusedGraph {
  return fuse(graph, (activation) => !isTable(activation));
}

export function operationsOf(fused: FusedGraph): readonly Operation[] {
  return fused.items.flatMap((item) => (item.kind === 'operation' ? [item.operation] : []));
}

/** The convolution, linear layer or shift of an operation that has a filter. */
export function filterNode(operation: Operation): Conv2dNode | LinearNode | ShiftNode | undefined {
  const { root } = operation;
  if (root.kind === 'ghost') return root.cheap;
  if (root.kind !== 'node') return undefined;
  const { node } = root;
  return node.kind === 'conv2d' || node.kind === 'linear' || node.kind === 'shift' ? node : undefined;
}

/** Whether a value takes the scales of its input: pools and enlarging. */
export function keepsScales(operation: Operation): boolean {
  const { root } = operation;
  return root.kind === 'node' && ['maxPool', 'avgPool', 'upsample'].includes(root.node.kind);
}

/**
 * Values that stay floats: what a linear layer, a convolution of one pixel or a mean over the whole map makes for the
 * outputs or for a softmax only, the same seen through nodes that only rename it (flatten, dropout), and softmax
 * itself. What has scales in `stored` does not, as in a part of a network, whose outputs are no logits.
 * Throws RangeError `NOT_QUANTIZABLE` when something else reads a softmax.
 */
export function floatValues(
  graph: Graph,
  fused: FusedGraph,
  shapes: Shapes,
  stored?: { readonly has: (name: string) => boolean },
): ReadonlySet<string> {
  const byName = nodeMap(graph);
  const readers = new Map<string, string[]>();
  const read = (name: string, reader: string): void => {
    readers.set(name, [...(readers.get(name) ?? []), reader]);
  };
  for (const item of fused.items)
    if (item.kind === 'alias') for (const name of item.node.inputs) read(name, item.node.name);
    else for (const name of operationReads(item.operation)) read(name, item.operation.output);
  const isSoftmax = (name: string): boolean => byName.get(name)?.kind === 'softmax';
  const floats = new Set<string>();
  const takesFloats = new Set<string>();
  // backwards: whether a value is a float depends on what reads it
  for (const item of fused.items.toReversed()) {
    const name = item.kind === 'operation' ? item.operation.output : item.node.name;
    const readBy = readers.get(name) ?? [];
    if (isSoftmax(name)) {
      if (readBy.length > 0)
        throw rangeError(
          'NOT_QUANTIZABLE',
          `quantize "${graph.name}": "${readBy[0]}" reads softmax "${name}"; in int8 a softmax can only be an output`,
        );
      floats.add(name);
      takesFloats.add(name);
      continue;
    }
    const ends = graph.outputs.includes(name) || readBy.length > 0;
    const mayStay = item.kind === 'alias' ? isPlain(item.node) : makesFloats(item.operation);
    const [, , height = 1, width = 1] = shapes.get(name) ?? [];
    if (!mayStay || height * width > 1 || !ends || stored?.has(name)) continue;
    if (!readBy.every((reader) => takesFloats.has(reader))) continue;
    floats.add(name);
    if (item.kind === 'alias') takesFloats.add(name);
  }
  return withSources(fused, floats);
}

/** Kernels that can leave floats. */
function makesFloats({ root }: Operation): boolean {
  if (root.kind !== 'node') return false;
  const { node } = root;
  return (
    node.kind === 'linear' || node.kind === 'globalAvgPool' || (node.kind === 'conv2d' && node.groups === 1)
  );
}

function isPlain({ kind }: AliasNode): boolean {
  return kind === 'flatten' || kind === 'identity' || kind === 'dropout';
}

/** Without the names that stand for a value in steps. */
function withSources(fused: FusedGraph, floats: Set<string>): ReadonlySet<string> {
  for (const item of fused.items)
    if (item.kind === 'alias' && !floats.has(item.node.inputs[0] as string)) floats.delete(item.node.name);
  return floats;
}

/** Values of each channel after an alias, from those of its inputs; `zero` is a channel of zeros. */
export function aliasValues<T>(
  node: AliasNode,
  inputs: readonly (readonly T[])[],
  pixels: number,
  zero: T,
): readonly T[] {
  const x = inputs[0] ?? [];
  switch (node.kind) {
    case 'identity':
    case 'dropout':
      return x;
    case 'slice':
      return x.slice(node.start, node.end);
    case 'padChannels':
      return [...Array<T>(node.before).fill(zero), ...x, ...Array<T>(node.after).fill(zero)];
    case 'shuffle': {
      const n = x.length / node.groups;
      return x.map((_, i) => x[(i % node.groups) * n + Math.floor(i / node.groups)] as T);
    }
    case 'permuteChannels':
      return node.order.map((channel) => x[channel] as T);
    case 'concat':
      return inputs.flat();
    case 'flatten':
      return x.flatMap((value) => Array<T>(pixels).fill(value));
  }
}
