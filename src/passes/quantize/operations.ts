/**
 * The operations of an int8 network: the fused graph with the choices that decide what is rounded where. Reference and
 * compiler walk through the same list, so that they round at the same places.
 */
import { rangeError } from '../../errors.js';
import { type Graph, nodeMap } from '../../graph/graph.js';
import type { ActivationName, Conv2dNode, LinearNode, ShiftNode } from '../../graph/nodes.js';
import type { Shapes } from '../../graph/shapes.js';
import { type AliasNode, type FusedGraph, fuse, isAlias, type Operation, operationReads } from '../fuse.js';

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
 * Values that stay floats: what a linear layer (or a convolution of one pixel) makes for the outputs or for a softmax
 * only, and softmax itself. Throws RangeError `NOT_QUANTIZABLE` when something else reads a softmax.
 */
export function floatValues(graph: Graph, fused: FusedGraph, shapes: Shapes): ReadonlySet<string> {
  const byName = nodeMap(graph);
  const readers = new Map<string, string[]>();
  const read = (name: string, reader: string): void => {
    readers.set(name, [...(readers.get(name) ?? []), reader]);
  };
  const operations = operationsOf(fused);
  for (const operation of operations)
    for (const name of operationReads(operation)) read(name, operation.output);
  for (const node of graph.nodes)
    if (isAlias(node) && fused.items.some((item) => item.kind === 'alias' && item.node === node))
      for (const name of node.inputs) read(name, node.name);
  const isSoftmax = (name: string): boolean => byName.get(name)?.kind === 'softmax';
  const floats = new Set<string>();
  for (const { output, root } of operations) {
    const readBy = readers.get(output) ?? [];
    if (isSoftmax(output)) {
      if (readBy.length > 0)
        throw rangeError(
          'NOT_QUANTIZABLE',
          `quantize "${graph.name}": "${readBy[0]}" reads softmax "${output}"; in int8 a softmax can only be an output`,
        );
      floats.add(output);
      continue;
    }
    const [, , height = 1, width = 1] = shapes.get(output) ?? [];
    const isDense =
      root.kind === 'node' &&
      (root.node.kind === 'linear' || (root.node.kind === 'conv2d' && root.node.groups === 1));
    const isLast = graph.outputs.includes(output) || readBy.length > 0;
    if (isDense && height * width === 1 && isLast && readBy.every(isSoftmax)) floats.add(output);
  }
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
