/**
 * The layers that low-rank decomposition can take apart: their shapes, directions, ranks and what those would cost.
 * Builds nothing; low-rank.ts does.
 */
import type { Graph, Weights } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import { inferShapes } from '../../graph/shapes.js';
import { sampleOutputs } from '../channel-pruning/samples.js';
import type { Calibration, LayerCost } from '../compression.js';
import { type PruneOptions, resolvePruneOptions } from '../prune/options.js';
import { layersOf } from '../prune/plan.js';
import { weightOf } from '../prune/scores.js';
import { type Directions, mostRank, rankFor, type WeightShape, weightDirections } from './factors.js';

export interface LowRankOptions extends Omit<PruneOptions, 'keep' | 'minChannels'> {
  /** Instead of `ratio`: the share of energy that every cut keeps, above 0 and up to 1. */
  readonly energy?: number;
  /** Places of a picture where a layer's outputs are sampled, at most. Default 16. */
  readonly perPicture?: number;
}

export type Layer = Conv2dNode | LinearNode;

export interface Ranks {
  readonly out: number;
  readonly in: number;
}

/** What counting needs of a layer. */
export interface Form {
  readonly node: Layer;
  readonly shape: WeightShape;
  /** Output pixels, and input pixels of a k x k convolution. */
  readonly pixels: { readonly in: number; readonly out: number };
}

export interface Candidate extends Form {
  readonly directions: Directions;
  /** Mean output over pictures, when they were given. */
  readonly mean: Float64Array | undefined;
}

function weightShape(node: Layer): WeightShape {
  return node.kind === 'linear'
    ? { outputs: node.outFeatures, inputs: node.inFeatures, positions: 1 }
    : { outputs: node.outChannels, inputs: node.inChannels, positions: node.kernel[0] * node.kernel[1] };
}

/** Mean and covariance of a layer's outputs at sampled places. */
function statistics(samples: readonly Float32Array[]): { mean: Float64Array; covariance: Float64Array } {
  const size = samples[0]?.length ?? 0;
  const mean = new Float64Array(size);
  for (const y of samples)
    for (let o = 0; o < size; o++) mean[o] = (mean[o] as number) + (y[o] as number) / samples.length;
  const covariance = new Float64Array(size * size);
  for (const y of samples) {
    const centred = Float64Array.from(y, (value, o) => value - (mean[o] as number));
    for (let i = 0; i < size; i++)
      for (let j = 0; j <= i; j++)
        covariance[i * size + j] =
          (covariance[i * size + j] as number) + (centred[i] as number) * (centred[j] as number);
  }
  for (let i = 0; i < size; i++)
    for (let j = 0; j < i; j++) covariance[j * size + i] = covariance[i * size + j] as number;
  return { mean, covariance };
}

/** Layers that can be decomposed; and why the others cannot. */
export function forms(
  graph: Graph,
  options: LowRankOptions,
): { found: Map<string, Form>; reasons: Map<string, string> } {
  const { excluded } = resolvePruneOptions('lowrank', graph, options);
  const shapes = inferShapes(graph);
  const users = new Map<string, number>();
  for (const { weight } of layersOf(graph)) users.set(weight, (users.get(weight) ?? 0) + 1);
  const reasons = new Map<string, string>();
  const pixelsOf = (name: string): number => (shapes.get(name) ?? []).slice(2).reduce((a, b) => a * b, 1);
  const layers = layersOf(graph).filter((node) => {
    const constant = graph.parameters[node.weight]?.role === 'constant';
    const reason =
      excluded(node.name) ??
      (node.kind === 'conv2d' && node.groups > 1 ? 'grouped or depthwise: already thin' : undefined) ??
      ((users.get(node.weight) ?? 0) > 1 || constant ? 'its weights are shared or fixed' : undefined);
    if (reason !== undefined) reasons.set(node.name, reason);
    return reason === undefined;
  });
  const found = new Map(
    layers.map((node): [string, Form] => {
      const pixels = { in: pixelsOf(node.inputs[0] as string), out: pixelsOf(node.name) };
      return [node.name, { node, shape: weightShape(node), pixels }];
    }),
  );
  return { found, reasons };
}

/** The same with their directions. */
export async function candidates(
  graph: Graph,
  weights: Weights,
  options: LowRankOptions,
  calibration: Calibration | undefined,
): Promise<{ found: Map<string, Candidate>; reasons: Map<string, string> }> {
  const { found: plain, reasons } = forms(graph, options);
  const layers = Array.from(plain.values(), ({ node }) => node);
  const samples = calibration
    ? await sampleOutputs({ graph, weights }, calibration, layers, options.perPicture ?? 16)
    : undefined;
  const found = new Map(
    Array.from(plain.values(), (form): [string, Candidate] => {
      const { node, shape } = form;
      const seen = samples?.get(node.name);
      // directions of fewer samples than outputs would be arbitrary beyond them
      const known = seen && seen.length >= 2 * shape.outputs ? statistics(seen) : undefined;
      samples?.delete(node.name);
      const directions = weightDirections(weightOf(weights, node.weight).data, shape, known?.covariance);
      return [node.name, { ...form, directions, mean: known?.mean }];
    }),
  );
  return { found, reasons };
}

/** Cost of a layer at ranks, without its batch norm. */
export function costAt({ node, shape, pixels }: Form, ranks: Ranks): LayerCost {
  const { outputs, inputs, positions } = shape;
  const cut = positions > 1 && ranks.in < inputs;
  const middle = ranks.out * (cut ? ranks.in : inputs) * positions;
  const reduce = cut ? ranks.in * inputs : 0;
  const expand = ranks.out * outputs;
  return {
    params: reduce + middle + expand + (node.bias === undefined ? 0 : outputs),
    macs: reduce * pixels.in + (middle + expand) * pixels.out,
  };
}

export function ranksAt({ shape, directions }: Candidate, energy: number, roundTo: number): Ranks {
  const round = (rank: number, most: number): number => Math.min(most, Math.ceil(rank / roundTo) * roundTo);
  return {
    out: round(rankFor(directions.out.energy, energy), mostRank(shape, directions)),
    in: directions.in ? round(rankFor(directions.in.energy, energy), shape.inputs) : shape.inputs,
  };
}
