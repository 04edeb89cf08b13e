/** Where every channel of a value was made, seen through nodes that only rename channels or keep their input's scales. */
import { nodeMap } from '../../graph/graph.js';
import type { Shapes } from '../../graph/shapes.js';
import type { FusedGraph } from '../fuse.js';
import type { QuantizedNetwork } from './network.js';
import { aliasValues, keepsScales } from './operations.js';

/** A channel of a value that has scales of its own; null: a channel of zeros. */
export type Origin = { readonly value: string; readonly channel: number } | null;

/** By value name, one entry a channel. `values` names the values that have scales of their own. */
export function resolveOrigins(
  graph: QuantizedNetwork['graph'],
  values: { readonly has: (name: string) => boolean },
  fused: FusedGraph,
  shapes: Shapes,
): ReadonlyMap<string, readonly Origin[]> {
  const resolved = new Map<string, readonly Origin[]>();
  const byName = nodeMap(graph);
  for (const item of fused.items) {
    if (item.kind === 'operation') {
      const { output } = item.operation;
      const kept = keepsScales(item.operation)
        ? resolved.get(byName.get(output)?.inputs[0] ?? '')
        : undefined;
      if (kept) resolved.set(output, kept);
      else if (values.has(output))
        resolved.set(
          output,
          Array.from({ length: shapes.get(output)?.[1] ?? 1 }, (_, channel) => ({ value: output, channel })),
        );
      continue;
    }
    const { node } = item;
    const inputs = node.inputs.map((name) => resolved.get(name));
    if (inputs.includes(undefined)) continue;
    const [, , height = 1, width = 1] = shapes.get(node.inputs[0] as string) ?? [];
    resolved.set(node.name, aliasValues<Origin>(node, inputs as (readonly Origin[])[], height * width, null));
  }
  return resolved;
}
