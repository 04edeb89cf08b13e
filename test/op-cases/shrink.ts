/**
 * Makes a failing case small: first the earliest node whose own value is wrong, then ever more of what feeds it is
 * replaced by inputs, as long as the failure stays. What is left is printed for people.
 */
import { type Graph, makeGraph, nodeParameters } from '../../src/graph/graph.js';
import type { Node } from '../../src/graph/nodes.js';
import { printGraph } from '../../src/graph/print.js';
import { inferShapes } from '../../src/graph/shapes.js';
import type { OpCase } from './op-case.js';

/** The part of a graph that `outputs` depend on. */
export function subgraph(graph: Graph, outputs: readonly string[]): Graph {
  const needed = new Set(outputs);
  for (const node of [...graph.nodes].reverse())
    if (needed.has(node.name)) for (const input of node.inputs) needed.add(input);
  const nodes = graph.nodes.filter((node) => needed.has(node.name));
  const named = new Set(nodes.flatMap(nodeParameters));
  const parameters = Object.fromEntries(Object.entries(graph.parameters).filter(([name]) => named.has(name)));
  return makeGraph({ ...graph, nodes, outputs: [...outputs], parameters, ghostModules: [] });
}

/** The graph with one node turned into an input of its shape. */
function cutAt(graph: Graph, name: string): Graph {
  const shape = inferShapes(graph).get(name)?.slice(1) ?? [];
  const nodes = graph.nodes.map(
    (node): Node => (node.name === name ? { kind: 'input', name, inputs: [], shape } : node),
  );
  return subgraph({ ...graph, nodes }, graph.outputs);
}

/** A smaller case that still fails; `fails` says whether a case does. */
export async function shrink(failing: OpCase, fails: (small: OpCase) => Promise<boolean>): Promise<OpCase> {
  let smallest = failing;
  const accept = async (graph: Graph): Promise<boolean> => {
    const candidate = { ...smallest, graph };
    if (!(await fails(candidate))) return false;
    smallest = candidate;
    return true;
  };
  for (const node of failing.graph.nodes)
    if (node.kind !== 'input' && (await accept(subgraph(failing.graph, [node.name])))) break;
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of [...smallest.graph.nodes].reverse()) {
      if (node.kind === 'input' || smallest.graph.outputs.includes(node.name)) continue;
      if (!smallest.graph.nodes.some(({ name }) => name === node.name)) continue;
      if (await accept(cutAt(smallest.graph, node.name))) changed = true;
    }
  }
  if (smallest.batch > 1) {
    const single = { ...smallest, batch: 1 };
    if (await fails(single)) smallest = single;
  }
  return smallest;
}

/** Everything that is needed to see and repeat a case. */
export function describeCase({ name, graph, batch, seed, inputScale }: OpCase): string {
  return `${name}: batch ${batch}, seed ${seed}, inputs ±${inputScale}\n${printGraph(graph, { batch })}`;
}
