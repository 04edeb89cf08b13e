/**
 * A graph as runtimes with channels last want it (LiteRT, tfjs): convolutions, sums and linear layers with the relu
 * after them, dropout and identity gone, and arrays brought from [N, C, H, W] to [N, H, W, C] and back. Knows no
 * runtime.
 */
import { consumerMap, type Graph, inputNodes, type Weights } from '../../../graph/graph.js';
import type { Node } from '../../../graph/nodes.js';
import { inferShapes } from '../../../graph/shapes.js';
import { eliminateDeadNodes } from '../../../passes/eliminate-dead-nodes.js';

export type FusedRelu = 'relu' | 'relu6' | null;

/** A node with the relu after it; `output` names the value that it makes. */
export interface ChannelsLastStep {
  readonly node: Node;
  readonly relu: FusedRelu;
  readonly output: string;
}

export interface ChannelsLastPlan {
  readonly steps: readonly ChannelsLastStep[];
  /** [N, C, H, W] or [N, C] of every value. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly input: string;
  readonly output: string;
  readonly weights: Weights;
}

const takesRelu: ReadonlySet<Node['kind']> = new Set(['conv2d', 'linear', 'add']);

/** Plans a graph of one input and one output, batch norm folded, for a batch. */
export function planChannelsLast(graph: Graph, weights: Weights, batch: number): ChannelsLastPlan {
  const clean = eliminateDeadNodes(graph, weights);
  const consumers = consumerMap(clean.graph);
  const shapes = inferShapes(clean.graph, { batch });
  const fused = new Set<string>();
  const steps: ChannelsLastStep[] = [];
  for (const node of clean.graph.nodes) {
    if (fused.has(node.name)) continue;
    const readers = consumers.get(node.name) ?? [];
    const next = readers.length === 1 && !clean.graph.outputs.includes(node.name) ? readers[0] : undefined;
    if (
      takesRelu.has(node.kind) &&
      next?.kind === 'activation' &&
      (next.function === 'relu' || next.function === 'relu6')
    ) {
      fused.add(next.name);
      steps.push({ node, relu: next.function, output: next.name });
    } else steps.push({ node, relu: null, output: node.name });
  }
  const input = inputNodes(clean.graph)[0]?.name ?? '';
  return { steps, shapes, input, output: clean.graph.outputs[0] ?? '', weights: clean.weights };
}

/** [N, C, H, W] as [N, H, W, C]; other ranks stay. */
export function lastShape(shape: readonly number[]): readonly number[] {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return shape.length === 4 ? [n, h, w, c] : shape;
}

/** Values of [A, B, P] as [A, P, B]: channels last from channels first, with P = H * W, and the way back. */
export function swapInner(values: Float32Array, a: number, b: number, p: number): Float32Array {
  const swapped = new Float32Array(values.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < p; k++) swapped[(i * p + k) * b + j] = values[(i * b + j) * p + k] as number;
  return swapped;
}

export function toChannelsLast(values: Float32Array, shape: readonly number[]): Float32Array {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return swapInner(values, n, c, h * w);
}

export function toChannelsFirst(values: Float32Array, shape: readonly number[]): Float32Array {
  const [n = 1, c = 1, h = 1, w = 1] = shape;
  return swapInner(values, n, h * w, c);
}

/** A runner's input of [N, C, H, W], converted when it is another array than the last one. */
export function inputConverter(shape: readonly number[]): (values: Float32Array) => Float32Array {
  let [last, converted]: [Float32Array | undefined, Float32Array] = [undefined, new Float32Array(0)];
  return (values) => {
    if (values !== last) [last, converted] = [values, toChannelsLast(values, shape)];
    return converted;
  };
}
