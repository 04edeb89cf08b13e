/**
 * Measured milliseconds of every layer of a network on this machine, one thread: its compiled steps timed one by one,
 * and each step's time given to the layer that it computes. Fused work (batch norm, activation, shortcut) counts for
 * the convolution that it is fused into; copies between layouts count for no layer. Prints nothing (see profile.ts).
 */
import { createNetwork, type NetworkOptions } from '../../../create-network.js';
import type { Graph, Weights } from '../../../graph/graph.js';
import type { Node } from '../../../graph/nodes.js';

export interface MeasuredLayers {
  /** Milliseconds by node name; nodes that cost nothing of their own are absent. */
  readonly layers: ReadonlyMap<string, number>;
  /** Milliseconds of copies between layouts. */
  readonly layoutMs: number;
  /** All steps together. */
  readonly ms: number;
  readonly relaxed: boolean;
}

/** For each node that absorbed a convolution when batch norm was folded: that convolution. */
function absorbed(graph: Graph, computed: ReadonlySet<string>): Map<string, string> {
  const nodes = new Map<string, Node>(graph.nodes.map((node) => [node.name, node]));
  const owner = new Map<string, string>();
  for (const node of graph.nodes) {
    let source = node.kind === 'batchNorm' ? nodes.get(node.inputs[0] as string) : undefined;
    while (source?.kind === 'batchNorm') source = nodes.get(source.inputs[0] as string);
    if (source?.kind === 'conv2d' && !computed.has(source.name)) owner.set(node.name, source.name);
  }
  return owner;
}

/** Least of `rounds` times of each step, after a warm-up. Throws what compiling throws. */
export async function measureLayers(
  graph: Graph,
  weights: Weights,
  options: Pick<NetworkOptions, 'batch' | 'inputShapes'> & { readonly rounds?: number } = {},
): Promise<MeasuredLayers> {
  const { rounds = 30, ...compileOptions } = options;
  const network = await createNetwork(graph, weights, { ...compileOptions, threads: 1, profile: true });
  try {
    await network.warmUp(10);
    const steps = network.profileSteps(rounds);
    const kinds = new Map(graph.nodes.map((node) => [node.name, node.kind]));
    const owner = absorbed(graph, new Set(steps.flatMap((step) => step.nodes)));
    const layers = new Map<string, number>();
    let [layoutMs, ms] = [0, 0];
    for (const step of steps) {
      ms += step.ms;
      const own = step.nodes.map((name) => owner.get(name) ?? name).filter((name) => kinds.has(name));
      const layer =
        own.find((name) => kinds.get(name) === 'conv2d' || kinds.get(name) === 'linear') ?? own[0];
      if (layer === undefined || kinds.get(layer) === 'input') layoutMs += step.ms;
      else layers.set(layer, (layers.get(layer) ?? 0) + step.ms);
    }
    return { layers, layoutMs, ms, relaxed: network.backend.relaxed };
  } finally {
    network.dispose();
  }
}
