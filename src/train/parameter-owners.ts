/** Which layer a parameter's own steps (preparing weights for the kernels) count for in a profile. */
import type { CompiledTraining } from '../compiler/training/compile-training.js';

/** For each parameter the first node that has it; where batch norm is fused with its activation, the activation. */
export function parameterOwners({ graph, values }: CompiledTraining): ReadonlyMap<string, string> {
  const computed = new Set(values.map(({ node }) => node));
  const owners = new Map<string, string>();
  for (const node of graph.nodes) {
    const owner = computed.has(node.name)
      ? node.name
      : graph.nodes.find((reader) => reader.inputs.includes(node.name))?.name;
    for (const value of Object.values(node))
      if (typeof value === 'string' && Object.hasOwn(graph.parameters, value) && !owners.has(value))
        owners.set(value, owner ?? node.name);
  }
  return owners;
}
