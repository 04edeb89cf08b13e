/**
 * Low-rank decomposition: 1x1 convolutions and linear layers become two thinner ones, k x k convolutions two or three
 * (a 1x1 that cuts the inputs, the k x k between the ranks, a 1x1 that restores the outputs). The ranks follow from one
 * share of energy that every layer keeps, searched so that the network reaches the wanted MACs; a layer that would not
 * get cheaper is left alone. With calibration pictures outputs are cut along the principal directions of what the layer
 * says, and the bias takes up the mean of what is lost. The arithmetic is in factors.ts.
 */
import { nodeMacs } from '../../analysis/profile.js';
import { rangeError } from '../../errors.js';
import { makeGraph, type Parameter, type Tensor } from '../../graph/graph.js';
import type { LinearNode, Node } from '../../graph/nodes.js';
import { inferShapes } from '../../graph/shapes.js';
import { setBias } from '../channel-pruning/reconstruct.js';
import { type CompressionPass, checkPlan, type LayerCost, type LayerPlan } from '../compression.js';
import { searchShare } from '../prune/choose.js';
import { resolvePruneOptions } from '../prune/options.js';
import { layerCosts, layerShape, layersOf, totalCost } from '../prune/plan.js';
import { weightOf } from '../prune/scores.js';
import {
  type Candidate,
  candidates,
  costAt,
  type Form,
  forms,
  type LowRankOptions,
  type Ranks,
  ranksAt,
} from './candidates.js';
import { factorize, mostRank } from './factors.js';

export type { LowRankOptions } from './candidates.js';

/** The nodes and parameters that take a layer's place; the last has the layer's name. */
function decompose(
  { node, shape, directions }: Candidate,
  weight: Tensor,
  ranks: Ranks,
): { nodes: Node[]; tensors: Map<string, Tensor> } {
  const { reduce, core, expand } = factorize(weight.data, shape, directions, ranks);
  const tensors = new Map<string, Tensor>();
  const put = (name: string, sizes: readonly number[], data: Float32Array): string => {
    tensors.set(name, { shape: sizes, data });
    return name;
  };
  const { name } = node;
  const last = node.bias === undefined ? {} : { bias: node.bias };
  if (node.kind === 'linear') {
    const first: LinearNode = {
      kind: 'linear',
      name: `${name}.core`,
      inputs: node.inputs,
      inFeatures: shape.inputs,
      outFeatures: ranks.out,
      weight: put(`${name}.core.weight`, [ranks.out, shape.inputs], core),
    };
    put(node.weight, [shape.outputs, ranks.out], expand);
    return {
      nodes: [first, { ...node, inputs: [first.name], inFeatures: ranks.out }],
      tensors,
    };
  }
  const pointwise = {
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
  } as const;
  const nodes: Node[] = [];
  let inputs = node.inputs;
  const middle = reduce ? ranks.in : shape.inputs;
  if (reduce) {
    const weightName = put(`${name}.reduce.weight`, [ranks.in, shape.inputs, 1, 1], reduce);
    nodes.push({
      kind: 'conv2d',
      name: `${name}.reduce`,
      inputs,
      inChannels: shape.inputs,
      outChannels: ranks.in,
      ...pointwise,
      weight: weightName,
    });
    inputs = [`${name}.reduce`];
  }
  const { bias: _, ...plain } = node;
  const coreWeight = put(`${name}.core.weight`, [ranks.out, middle, ...node.kernel], core);
  nodes.push({
    ...plain,
    name: `${name}.core`,
    inputs,
    inChannels: middle,
    outChannels: ranks.out,
    weight: coreWeight,
  });
  put(node.weight, [shape.outputs, ranks.out, 1, 1], expand);
  nodes.push({
    ...plain,
    ...pointwise,
    ...last,
    inputs: [`${name}.core`],
    inChannels: ranks.out,
  });
  return { nodes, tensors };
}

/** What a cut loses of the mean, for the bias: (1 - U Uᵀ)(mean - b) + b. */
function biasFor(
  { shape, directions, mean }: Candidate,
  rank: number,
  old: Float32Array | undefined,
): Float64Array {
  const { outputs } = shape;
  const bare = Float64Array.from({ length: outputs }, (_, o) => (mean?.[o] ?? 0) - (old?.[o] ?? 0));
  const left = bare.slice();
  for (let r = 0; r < rank; r++) {
    let along = 0;
    for (let o = 0; o < outputs; o++)
      along += (directions.out.vectors[r * outputs + o] as number) * (bare[o] as number);
    for (let o = 0; o < outputs; o++)
      left[o] = (left[o] as number) - along * (directions.out.vectors[r * outputs + o] as number);
  }
  return left.map((value, o) => value + (old?.[o] ?? 0));
}

/** `mostOut`: ranks that the cut of the outputs can have. */
function ranksOfRow(row: LayerPlan, { shape }: Form, mostOut: number): Ranks {
  const read = (key: string, most: number): number => {
    const given = row.settings[key] ?? most;
    if (typeof given !== 'number' || !Number.isInteger(given) || given < 1 || given > most)
      throw rangeError(
        'PLAN_MISFIT',
        `lowrank: layer "${row.layer}": ${key}: given ${given}, expected a whole number from 1 to ${most}`,
      );
    return given;
  };
  return {
    out: read('rank', mostOut),
    in: read('rankIn', shape.inputs),
  };
}

export const lowRank: CompressionPass<LowRankOptions> = {
  name: 'lowrank',
  summary: 'makes layers products of thinner ones: SVD, and Tucker-2 for k x k (Kim et al. 2016)',

  async plan(graph, weights, options = {}, calibration) {
    const { ratio, roundTo } = resolvePruneOptions('lowrank', graph, options);
    const { energy } = options;
    if (energy !== undefined && !(energy > 0 && energy <= 1))
      throw rangeError(
        'BAD_OPTION',
        `lowrank: energy: given ${energy}, expected a share above 0 and up to 1`,
      );
    const { found, reasons } = await candidates(graph, weights, options, calibration);
    const before = totalCost(graph);
    const shapes = inferShapes(graph);
    const own = (candidate: Candidate): number =>
      nodeMacs(candidate.node, shapes.get(candidate.node.name) ?? []);
    const at = (share: number) =>
      new Map(Array.from(found, ([name, candidate]) => [name, ranksAt(candidate, share, roundTo)]));
    const saved = (ranks: ReadonlyMap<string, Ranks>): number =>
      [...found].reduce((sum, [name, candidate]) => {
        const { macs } = costAt(candidate, ranks.get(name) as Ranks);
        return sum + Math.max(own(candidate) - macs, 0);
      }, 0);
    const ranks =
      energy === undefined
        ? searchShare(before.macs / ratio, at, (given) => before.macs - saved(given))
        : at(energy);
    const costs = layerCosts(graph);
    const layers = layersOf(graph).map((node): LayerPlan => {
      const cost = costs.get(node.name) as LayerCost;
      const candidate = found.get(node.name);
      const row = { layer: node.name, shape: layerShape(node), before: cost };
      if (!candidate)
        return { ...row, apply: false, settings: {}, reason: reasons.get(node.name) ?? '', after: cost };
      const rank = ranks.get(node.name) as Ranks;
      const settings = candidate.directions.in ? { rank: rank.out, rankIn: rank.in } : { rank: rank.out };
      const wanted = costAt(candidate, rank);
      if (wanted.macs >= own(candidate))
        return { ...row, apply: false, settings, reason: 'would not get cheaper', after: cost };
      return { ...row, apply: true, settings, after: afterOf(candidate, cost, rank, own(candidate)) };
    });
    return { pass: 'lowrank', network: graph.name, layers, before, after: sumUp(before, layers) };
  },

  async recount(graph, _weights, plan, options = {}, calibration) {
    checkPlan(plan, 'lowrank', graph);
    const { found, reasons } = forms(graph, options);
    const shapes = inferShapes(graph);
    const costs = layerCosts(graph);
    const before = totalCost(graph);
    const layers = plan.layers.map((given): LayerPlan => {
      const cost = costs.get(given.layer) ?? given.before;
      const form = found.get(given.layer);
      const left = { ...given, before: cost, apply: false, after: cost };
      if (!given.apply) return left;
      if (!form) return { ...left, reason: reasons.get(given.layer) ?? 'no convolution or linear layer' };
      const { outputs, inputs, positions } = form.shape;
      const tall = positions === 1 && inputs < outputs && !calibration;
      const ranks = ranksOfRow(given, form, tall ? inputs : outputs);
      const macs = nodeMacs(form.node, shapes.get(given.layer) ?? []);
      const { reason: _, ...row } = given;
      return { ...row, before: cost, after: afterOf(form, cost, ranks, macs) };
    });
    return { pass: 'lowrank', network: graph.name, layers, before, after: sumUp(before, layers) };
  },

  async apply(graph, weights, plan, options = {}, calibration) {
    checkPlan(plan, 'lowrank', graph);
    const { found } = await candidates(graph, weights, options, calibration);
    const rows = new Map(plan.layers.map((row) => [row.layer, row]));
    const parameters: Record<string, Parameter> = { ...graph.parameters };
    const newWeights = new Map(weights);
    const biases = new Map<string, Float64Array>();
    const nodes = graph.nodes.flatMap((node): readonly Node[] => {
      const [row, candidate] = [rows.get(node.name), found.get(node.name)];
      if (!row?.apply || !candidate) return [node];
      const ranks = ranksOfRow(row, candidate, mostRank(candidate.shape, candidate.directions));
      const made = decompose(candidate, weightOf(weights, candidate.node.weight), ranks);
      for (const [name, tensor] of made.tensors) {
        newWeights.set(name, tensor);
        parameters[name] = { shape: tensor.shape, role: 'weight' };
      }
      const { bias } = candidate.node;
      if (candidate.mean)
        biases.set(
          node.name,
          biasFor(candidate, ranks.out, bias === undefined ? undefined : weightOf(weights, bias).data),
        );
      return made.nodes;
    });
    const changed = new Set([...rows.values()].filter(({ apply }) => apply).map(({ layer }) => layer));
    const ghostModules = graph.ghostModules.filter(
      (module) => !module.nodes.some((name) => changed.has(name)),
    );
    let result = makeGraph({ ...graph, nodes, parameters, ghostModules });
    for (const [name, bias] of biases) result = setBias(result, newWeights, name, bias);
    const before = totalCost(graph);
    const costs = layerCosts(graph);
    const now = layerCosts(result);
    const layers = plan.layers.map((row): LayerPlan => {
      const parts = ['', '.reduce', '.core'].flatMap((part) => now.get(`${row.layer}${part}`) ?? []);
      const after = {
        params: parts.reduce((sum, { params }) => sum + params, 0),
        macs: parts.reduce((sum, { macs }) => sum + macs, 0),
      };
      return { ...row, before: costs.get(row.layer) ?? row.before, after };
    });
    return {
      graph: result,
      weights: newWeights,
      plan: { pass: 'lowrank', network: graph.name, layers, before, after: totalCost(result) },
    };
  },
};

/** A decomposed layer's cost: what its batch norm has stays. */
function afterOf(candidate: Form, before: LayerCost, ranks: Ranks, macs: number): LayerCost {
  const { outputs, inputs, positions } = candidate.shape;
  const plain = outputs * inputs * positions + (candidate.node.bias === undefined ? 0 : outputs);
  const cost = costAt(candidate, ranks);
  return { params: cost.params + before.params - plain, macs: cost.macs + before.macs - macs };
}

function sumUp(before: LayerCost, layers: readonly LayerPlan[]): LayerCost {
  const change = (key: 'params' | 'macs'): number =>
    layers.reduce((sum, row) => sum + row.after[key] - row.before[key], before[key]);
  return { params: change('params'), macs: change('macs') };
}
