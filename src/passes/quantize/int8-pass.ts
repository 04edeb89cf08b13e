/**
 * Post-training quantisation as a compression pass among the others: plan, edit, apply. What it makes are integers
 * (`quantized`); the float graph and weights stay as they were. How they are chosen is quantize.ts.
 */
import { profile } from '../../analysis/profile.js';
import { rangeError } from '../../errors.js';
import { type Graph, nodeParameters, type Tensor, type Weights } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import {
  type Calibration,
  type CompressionPass,
  type CompressionPlan,
  checkPlan,
  type LayerCost,
  type LayerPlan,
} from '../compression.js';
import { correctBiases } from './bias-correction.js';
import type { RoundingMethod } from './least-squares.js';
import { Observation } from './observation.js';
import { filterNode, int8Operations, operationsOf } from './operations.js';
import { type Prepared, prepareQuantization, type QuantizeOptions, quantizePrepared } from './quantize.js';
import { type RangeMethod, rangeMethods } from './ranges.js';

/** Of one layer; only `ranges` can be edited. */
export interface Int8Settings {
  readonly weightBits: 8;
  /** Seven: the dot product of relaxed SIMD leaves an eighth bit to the engine (network.ts). */
  readonly activationBits: 7;
  /** How the range of the layer's output is chosen. */
  readonly ranges: RangeMethod;
}

export interface Int8Options extends Pick<QuantizeOptions, 'ranges' | 'granularity'> {
  /** Corrects the biases by what int8 does to the mean of their sums. Default true. */
  readonly biasCorrection?: boolean;
  /** How weights are rounded. Default 'least-squares'. */
  readonly rounding?: RoundingMethod;
  /** Called as bias correction goes on. */
  readonly onCorrection?: (done: number, steps: number) => void;
}

type Int8Plan = CompressionPlan<Int8Settings>;

function layersOf(graph: Graph): (Conv2dNode | LinearNode)[] {
  return graph.nodes.flatMap((node) => (node.kind === 'conv2d' || node.kind === 'linear' ? [node] : []));
}

function layerShape(node: Conv2dNode | LinearNode): string {
  if (node.kind === 'linear') return `linear ${node.inFeatures}→${node.outFeatures}`;
  const { kernel, inChannels, outChannels, groups } = node;
  const grouped = groups === 1 ? '' : groups === inChannels ? ' depthwise' : ` g${groups}`;
  return `${kernel[0]}x${kernel[1]}${grouped} ${inChannels}→${outChannels}`;
}

/** A number a weight in bytes, a scale and a bias of floats for each output: what the file holds. */
function int8Bytes(node: Conv2dNode | LinearNode, weights: number): number {
  return weights + 8 * (node.kind === 'linear' ? node.outFeatures : node.outChannels);
}

function planInt8(graph: Graph, { ranges = 'tail' }: Int8Options): Int8Plan {
  const { layers: profiled, params, macs } = profile(graph);
  const macsOf = new Map(profiled.map((layer) => [layer.name, layer.macs]));
  const sizeOf = (name: string | undefined): number =>
    name === undefined ? 0 : (graph.parameters[name]?.shape.reduce((a, b) => a * b, 1) ?? 0);
  const layers: LayerPlan<Int8Settings>[] = [];
  let bytes = 0;
  for (const node of layersOf(graph)) {
    const own = nodeParameters(node).reduce((sum, name) => sum + sizeOf(name), 0);
    const cost: LayerCost = { params: own, macs: macsOf.get(node.name) ?? 0 };
    const after = int8Bytes(node, sizeOf(node.weight));
    bytes += after;
    layers.push({
      layer: node.name,
      shape: layerShape(node),
      apply: true,
      settings: { weightBits: 8, activationBits: 7, ranges },
      before: { ...cost, bytes: 4 * own },
      after: { ...cost, bytes: after },
    });
  }
  return {
    pass: 'int8',
    network: graph.name,
    layers,
    before: { params, macs, bytes: 4 * params },
    after: { params, macs, bytes },
  };
}

/** What the calibration pictures make of a prepared network. */
async function observe(prepared: Prepared, calibration: Calibration): Promise<Observation> {
  const { graph, weights, observed } = prepared;
  const observation = new Observation(prepared);
  await calibration.run(graph, weights, observed, (values) => {
    const [batch = 1] = values.get(observed[0] as string)?.shape ?? [];
    for (let n = 0; n < batch; n++)
      observation.add((name) => {
        const { data } = values.get(name) as Tensor;
        return data.subarray((n * data.length) / batch, ((n + 1) * data.length) / batch);
      });
  });
  return observation;
}

/** Throws RangeError `PLAN_MISFIT` for what int8 cannot do. */
function checkSettings(plan: Int8Plan): void {
  const fail = (layer: string, what: string): never => {
    throw rangeError('PLAN_MISFIT', `plan for "${plan.network}": layer "${layer}": ${what}`);
  };
  for (const { layer, apply, settings } of plan.layers) {
    if (!apply) fail(layer, 'int8 is for the whole network, a layer cannot stay in floats');
    if (settings.weightBits !== 8 || settings.activationBits !== 7)
      fail(layer, 'weights have 8 bits and activations 7; only "ranges" can be edited');
    if (!rangeMethods.includes(settings.ranges))
      fail(layer, `ranges: given "${settings.ranges}", expected ${rangeMethods.join(', ')}`);
  }
}

async function applyInt8(
  graph: Graph,
  weights: Weights,
  plan: Int8Plan,
  options: Int8Options,
  calibration: Calibration | undefined,
) {
  checkPlan(plan, 'int8', graph);
  checkSettings(plan);
  if (!calibration)
    throw rangeError(
      'NO_CALIBRATION',
      `int8: "${graph.name}": ranges are measured on pictures; give some to calibrate`,
    );
  const prepared = prepareQuantization(graph, weights);
  // folding batch norm renames nodes and leaves the names of weights
  const weightOf = new Map(layersOf(graph).map(({ name, weight }) => [name, weight]));
  const rangesOf = new Map(plan.layers.map((one) => [weightOf.get(one.layer), one.settings.ranges]));
  const operations = operationsOf(int8Operations(prepared.graph));
  const filtered = operations.flatMap((operation) => {
    const node = filterNode(operation);
    return node && node.kind !== 'shift' ? [{ ...node, output: operation.output }] : [];
  });
  const byNode = filtered.flatMap(({ name, weight }): [string, RangeMethod][] => {
    const ranges = rangesOf.get(weight);
    return ranges ? [[name, ranges]] : [];
  });
  const observation = await observe(prepared, calibration);
  const result = quantizePrepared(prepared, observation.statistics(), {
    ...options,
    rangesOf: new Map(byNode),
  });
  const noise = new Map(result.plan.map(({ value, sqnr }) => [value, 10 ** (-sqnr / 10)]));
  const errors = new Map(filtered.map(({ weight, output }) => [weight, noise.get(output)]));
  const layers = plan.layers.map((layer) => {
    const error = errors.get(weightOf.get(layer.layer) ?? '');
    return error === undefined ? layer : { ...layer, error };
  });
  const { biasCorrection: biases = true, rounding = 'least-squares', onCorrection: onStage } = options;
  const { open } = calibration;
  const quantized =
    biases || rounding !== 'nearest'
      ? await correctBiases(prepared, result.network, observation, { open, onStage, biases, rounding })
      : result.network;
  return { graph, weights, quantized, plan: { ...plan, layers } };
}

/**
 * int8, per channel. A layer's `error` is what rounding its output costs, squared, over the output's power; logits stay
 * floats and have none. Throws RangeError `NO_CALIBRATION` without pictures, `NOT_QUANTIZABLE`, `PLAN_MISFIT`.
 */
export const int8: CompressionPass<Int8Options, Int8Settings> = {
  name: 'int8',
  summary: 'weights in 8 bits, one scale a channel, activations in 7, calibrated (Nagel et al. 2019)',
  plan: async (graph, _weights, options = {}) => planInt8(graph, options),
  recount: async (graph, _weights, plan, options = {}) => {
    checkPlan(plan, 'int8', graph);
    checkSettings(plan);
    const settings = new Map(plan.layers.map((row) => [row.layer, row.settings]));
    const counted = planInt8(graph, options);
    const layers = counted.layers.map((row) => ({
      ...row,
      settings: settings.get(row.layer) ?? row.settings,
    }));
    return { ...counted, layers };
  },
  apply: (graph, weights, plan, options = {}, calibration) =>
    applyInt8(graph, weights, plan, options, calibration),
};
