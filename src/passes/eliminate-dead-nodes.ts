/**
 * Removes what inference does not need: dropout and identity nodes (readers are joined to their input) and nodes and
 * parameters that no output depends on. Values of all remaining nodes stay the same to the bit.
 */

import type { Weights } from '../graph/graph.js';
import { consumerMap, type GhostModuleInfo, type Graph, makeGraph, nodeParameters } from '../graph/graph.js';
import type { PassResult, PlanStep } from './pass.js';

/** Pure; the weights returned hold only parameters that are still named. */
export function eliminateDeadNodes(graph: Graph, weights: Weights): PassResult {
  const plan: PlanStep[] = [];
  const replacement = new Map<string, string>();
  const resolve = (name: string): string => replacement.get(name) ?? name;
  for (const node of graph.nodes) {
    if (node.kind !== 'dropout' && node.kind !== 'identity') continue;
    replacement.set(node.name, resolve(node.inputs[0] as string));
    plan.push({
      node: node.name,
      action: `removed; readers read "${replacement.get(node.name)}"`,
      reason: node.kind,
    });
  }
  const rewired = graph.nodes
    .filter((node) => !replacement.has(node.name))
    .map((node) => ({ ...node, inputs: node.inputs.map(resolve) }));
  const outputs = graph.outputs.map(resolve);
  const needed = new Set(outputs);
  for (const node of [...rewired].reverse())
    if (needed.has(node.name)) for (const input of node.inputs) needed.add(input);
  const nodes = rewired.filter((node) => {
    const keep = needed.has(node.name) || node.kind === 'input';
    if (!keep) plan.push({ node: node.name, action: 'removed', reason: 'no output depends on it' });
    return keep;
  });
  const named = new Set(nodes.flatMap(nodeParameters));
  return {
    graph: makeGraph({
      ...graph,
      nodes,
      outputs,
      parameters: Object.fromEntries(Object.entries(graph.parameters).filter(([name]) => named.has(name))),
      ghostModules: renameModules(graph.ghostModules, new Set(nodes.map((node) => node.name)), resolve),
    }),
    weights: new Map([...weights].filter(([name]) => named.has(name))),
    plan,
  };
}

/** Ghost modules whose nodes were removed or renamed; a module with no output left is dropped. */
export function renameModules(
  modules: readonly GhostModuleInfo[],
  present: ReadonlySet<string>,
  resolve: (name: string) => string,
): GhostModuleInfo[] {
  return modules
    .map((module) => ({
      ...module,
      input: resolve(module.input),
      output: resolve(module.output),
      nodes: module.nodes.filter((name) => present.has(name)),
    }))
    .filter((module) => present.has(module.output) && present.has(module.input));
}

/** Whether any node besides `reader` reads `name`, or it is an output: then its value must survive a fusion. */
export function hasOtherReaders(graph: Graph, name: string, reader: string): boolean {
  if (graph.outputs.includes(name)) return true;
  return (consumerMap(graph).get(name) ?? []).some((node) => node.name !== reader);
}
