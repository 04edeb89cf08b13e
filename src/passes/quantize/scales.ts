/** The scale of every channel of every value, also of those that only rename channels. */
import { nodeMap } from '../../graph/graph.js';
import type { Shapes } from '../../graph/shapes.js';
import type { FusedGraph } from '../fuse.js';
import { type ChannelScales, expandRuns, type QuantizedNetwork } from './network.js';
import { aliasValues, keepsScales } from './operations.js';

/** By value name; values that stay floats have no entry. */
export function resolveScales(
  network: Pick<QuantizedNetwork, 'graph' | 'values'>,
  fused: FusedGraph,
  shapes: Shapes,
): ReadonlyMap<string, ChannelScales> {
  const resolved = new Map<string, ChannelScales>();
  const byName = nodeMap(network.graph);
  for (const item of fused.items) {
    if (item.kind === 'operation') {
      const { operation } = item;
      const runs = network.values.get(operation.output);
      const kept = keepsScales(operation)
        ? resolved.get(byName.get(operation.output)?.inputs[0] ?? '')
        : undefined;
      const scales = kept ?? (runs && expandRuns(runs));
      if (scales) resolved.set(operation.output, scales);
      continue;
    }
    const { node } = item;
    const inputs = node.inputs.map((name) => resolved.get(name));
    if (inputs.includes(undefined)) continue;
    const pairs = (inputs as ChannelScales[]).map(({ scale, zeroPoint }) =>
      Array.from(scale, (value, c) => [value, zeroPoint[c] as number] as const),
    );
    const [, , height = 1, width = 1] = shapes.get(node.inputs[0] as string) ?? [];
    // filters hold the scales of their inputs: channels of zeros must not be coarser than the others
    const coarsest = Math.max(...pairs.flatMap((channels) => channels.map(([scale]) => scale)));
    const channels = aliasValues(node, pairs, height * width, [coarsest, 0] as const);
    resolved.set(node.name, {
      scale: Float32Array.from(channels, ([scale]) => scale),
      zeroPoint: Int32Array.from(channels, ([, zeroPoint]) => zeroPoint),
    });
  }
  return resolved;
}
