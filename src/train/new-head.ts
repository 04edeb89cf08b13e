/**
 * Another last layer for another number of classes: graph and weights in, graph and weights out. The layers before it
 * keep their weights. Trains nothing.
 */
import { rangeError } from '../errors.js';
import { type Graph, makeGraph, type Weights } from '../graph/graph.js';
import type { Conv2dNode, LinearNode, Node } from '../graph/nodes.js';
import { initializeWeights } from '../models/initialize.js';

/** What may stand between the layer that makes a number for each class and the logits: it treats all classes alike. */
const passing: ReadonlySet<Node['kind']> = new Set([
  'identity',
  'flatten',
  'globalAvgPool',
  'activation',
  'dropout',
]);

interface Head {
  /** A linear layer, or a dense convolution whose maps are pooled (SqueezeNet). */
  readonly layer: LinearNode | Conv2dNode;
  /** The node that gives the logits. */
  readonly logits: string;
}

/** The layer that makes the logits. Throws RangeError `NO_HEAD`. */
export function headOf(graph: Graph): Head {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const [output = ''] = graph.outputs;
  let node = nodes.get(output);
  while (node?.kind === 'softmax' || node?.kind === 'identity') node = nodes.get(node.inputs[0] ?? '');
  const logits = node?.name ?? '';
  while (node && passing.has(node.kind)) node = nodes.get(node.inputs[0] ?? '');
  const one = graph.outputs.length === 1;
  if (one && (node?.kind === 'linear' || (node?.kind === 'conv2d' && node.groups === 1)))
    return { layer: node, logits };
  throw rangeError(
    'NO_HEAD',
    `${graph.name}: its output "${output}" comes from ${node ? `"${node.name}" (${node.kind})` : 'nowhere'}; expected one linear ` +
      'layer or one convolution that is pooled, which can be replaced',
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
  const { layer, logits } = headOf(graph);
  const [, ...rest] = graph.parameters[layer.weight]?.shape ?? [];
  const parameters = { ...graph.parameters };
  parameters[layer.weight] = { role: 'weight', shape: [classes, ...rest] };
  if (layer.bias !== undefined) parameters[layer.bias] = { role: 'bias', shape: [classes] };
  const { labels: _, ...meta } = graph.meta;
  const end = graph.nodes.findIndex(({ name }) => name === logits);
  const wider =
    layer.kind === 'linear' ? { ...layer, outFeatures: classes } : { ...layer, outChannels: classes };
  const changed = makeGraph({
    ...graph,
    nodes: graph.nodes.slice(0, end + 1).map((node) => (node.name === layer.name ? wider : node)),
    outputs: [logits],
    parameters,
    meta,
  });
  const fresh = initializeWeights(changed, seed);
  const own = new Set([layer.weight, layer.bias]);
  return {
    graph: changed,
    weights: new Map(
      Array.from(fresh, ([name, tensor]) => [name, own.has(name) ? tensor : (weights.get(name) ?? tensor)]),
    ),
  };
}
