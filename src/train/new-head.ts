/**
 * Another last layer for another number of classes: graph and weights in, graph and weights out. The layers before it
 * keep their weights. Trains nothing.
 */
import { rangeError } from '../errors.js';
import { type Graph, makeGraph, type Weights } from '../graph/graph.js';
import type { LinearNode } from '../graph/nodes.js';
import { initializeWeights } from '../models/initialize.js';

/** The linear layer that gives the logits. Throws RangeError `NO_HEAD`. */
export function headOf(graph: Graph): LinearNode {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  let node = nodes.get(graph.outputs[0] ?? '');
  while (node && (node.kind === 'softmax' || node.kind === 'identity'))
    node = nodes.get(node.inputs[0] ?? '');
  if (graph.outputs.length === 1 && node?.kind === 'linear') return node;
  throw rangeError(
    'NO_HEAD',
    `${graph.name}: its output comes from ${node ? `"${node.name}" (${node.kind})` : 'nowhere'}; expected one linear layer, which can be replaced`,
  );
}

/**
 * The network with a fresh last layer of `classes` outputs, and every other weight as it was. A softmax after it goes:
 * losses take logits. Throws RangeError `NO_HEAD`.
 */
export function withNewHead(
  graph: Graph,
  weights: Weights,
  classes: number,
  seed: number,
): { readonly graph: Graph; readonly weights: Weights } {
  const head = headOf(graph);
  const inFeatures = graph.parameters[head.weight]?.shape[1] ?? 0;
  const at = graph.nodes.findIndex(({ name }) => name === head.name);
  const parameters = { ...graph.parameters };
  parameters[head.weight] = { role: 'weight', shape: [classes, inFeatures] };
  if (head.bias !== undefined) parameters[head.bias] = { role: 'bias', shape: [classes] };
  const { labels: _, ...meta } = graph.meta;
  const changed = makeGraph({
    ...graph,
    nodes: graph.nodes
      .slice(0, at + 1)
      .map((node) => (node.name === head.name ? { ...head, outFeatures: classes } : node)),
    outputs: [head.name],
    parameters,
    meta,
  });
  const fresh = initializeWeights(changed, seed);
  const own = new Set([head.weight, head.bias]);
  return {
    graph: changed,
    weights: new Map(
      Array.from(fresh, ([name, tensor]) => [name, own.has(name) ? tensor : (weights.get(name) ?? tensor)]),
    ),
  };
}
