/** Taking parameters out of a graph that is being rewritten. */
import { nodeParameters, type Parameter, type Tensor } from '../graph/graph.js';
import type { Node } from '../graph/nodes.js';

/** Removes the named parameters and their weights, but for those that one of the nodes reads: nodes may share them. */
export function dropParameters(
  names: Iterable<string>,
  nodes: readonly Node[],
  parameters: Record<string, Parameter>,
  weights: Map<string, Tensor>,
): void {
  const used = new Set(nodes.flatMap(nodeParameters));
  for (const name of names) {
    if (used.has(name)) continue;
    delete parameters[name];
    weights.delete(name);
  }
}
