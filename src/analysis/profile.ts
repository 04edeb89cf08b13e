/**
 * Counts a network without running it: params, MACs, activations, bytes moved and receptive field, per layer and in
 * total, and the theoretical gains of each Ghost module (equations 4 and 5).
 *
 * The counting rule, everywhere in this package: MACs are the multiply-accumulates of convolutions and linear layers
 * (what the paper calls FLOPs), padding positions included; batch norm, activations, pools, adds and gates count
 * nothing. Params are learned numbers: weights, biases, batch norm's scale and shift, but not its running statistics
 * or fixed filters. Activations are the outputs of convolutions and linear layers, in elements.
 */
import {
  elementCount,
  type GhostModuleInfo,
  type Graph,
  inputNodes,
  nodeParameters,
  type Parameter,
} from '../graph/graph.js';
import type { Node } from '../graph/nodes.js';
import { inferShapes, type Shapes } from '../graph/shapes.js';

export interface LayerProfile {
  readonly name: string;
  /** The node kind; `depthwise` for depthwise convolutions. */
  readonly op: string;
  readonly params: number;
  readonly macs: number;
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShape: readonly number[];
  /** Elements a convolution or linear layer puts out; 0 for others. */
  readonly activations: number;
  /** Bytes read and written once by a plain implementation in 32-bit floats: inputs, parameters, output. */
  readonly bytes: number;
  /** Height and width of the input region that one output pixel sees. */
  readonly receptiveField: readonly [number, number];
}

/** What a Ghost module saves against the plain convolution of the same shape. */
export interface GhostModuleProfile {
  readonly name: string;
  readonly ratio: number;
  readonly cheapKernel: number;
  readonly kernel: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly macs: number;
  readonly plainMacs: number;
  /** r_s, equation 4. */
  readonly speedUp: number;
  readonly weights: number;
  readonly plainWeights: number;
  /** r_c, equation 5. */
  readonly compression: number;
}

export interface Profile {
  readonly name: string;
  /** Shape of each input, batch included. */
  readonly inputShapes: readonly (readonly number[])[];
  readonly params: number;
  readonly macs: number;
  readonly activations: number;
  readonly bytes: number;
  readonly layers: readonly LayerProfile[];
  readonly ghostModules: readonly GhostModuleProfile[];
}

export interface ProfileOptions {
  /** [C, H, W] of the (first) input, when it is not the graph's own. */
  readonly inputShape?: readonly number[];
  /** Counts are for the whole batch. Default 1. */
  readonly batch?: number;
}

/** MACs of a node given its output shape; 0 for all but convolutions and linear layers. */
export function nodeMacs(node: Node, outputShape: readonly number[]): number {
  if (node.kind === 'conv2d')
    return elementCount(outputShape) * (node.inChannels / node.groups) * node.kernel[0] * node.kernel[1];
  if (node.kind === 'linear') return elementCount(outputShape) * node.inFeatures;
  return 0;
}

function learned(parameter: Parameter | undefined): number {
  if (!parameter || parameter.role === 'statistic' || parameter.role === 'constant') return 0;
  return elementCount(parameter.shape);
}

interface Field {
  /** Height and width seen. */
  readonly size: readonly [number, number];
  /** Input pixels between neighbouring outputs. */
  readonly jump: readonly [number, number];
}

/** Receptive field of a node from its inputs' (the union of them), by the usual recurrence r' = r + (k-1) j. */
function receptiveField(node: Node, inputs: readonly Field[], inputShape: readonly number[]): Field {
  const size: [number, number] = [1, 1];
  const jump: [number, number] = [1, 1];
  for (const field of inputs)
    for (const axis of [0, 1] as const) {
      size[axis] = Math.max(size[axis], field.size[axis]);
      jump[axis] = Math.max(jump[axis], field.jump[axis]);
    }
  for (const axis of [0, 1] as const) {
    if (node.kind === 'conv2d' || node.kind === 'maxPool' || node.kind === 'avgPool') {
      const dilation = node.kind === 'conv2d' ? node.dilation[axis] : 1;
      size[axis] += (node.kernel[axis] - 1) * dilation * jump[axis];
      jump[axis] *= node.stride[axis];
    } else if (node.kind === 'globalAvgPool' || (node.kind === 'flatten' && inputShape.length === 4)) {
      size[axis] += ((inputShape[axis + 2] ?? 1) - 1) * jump[axis];
    } else if (node.kind === 'upsample') {
      jump[axis] /= node.scale[axis];
    } else if (node.kind === 'shift') {
      const reach = Math.max(0, ...node.offsets.map((offset) => Math.abs(offset[axis])));
      size[axis] += 2 * reach * jump[axis];
    }
  }
  return { size, jump };
}

function profileGhostModule(
  module: GhostModuleInfo,
  nodes: ReadonlyMap<string, Node>,
  shapes: Shapes,
): GhostModuleProfile {
  let macs = 0;
  let weights = 0;
  let primaryShape: readonly number[] = [];
  for (const name of module.nodes) {
    const node = nodes.get(name);
    const shape = shapes.get(name);
    if (node?.kind !== 'conv2d' || !shape) continue;
    if (primaryShape.length === 0) primaryShape = shape;
    macs += nodeMacs(node, shape);
    weights += (node.outChannels * node.inChannels * node.kernel[0] * node.kernel[1]) / node.groups;
  }
  const plainWeights = module.outChannels * module.inChannels * module.kernel ** 2;
  const plainMacs = plainWeights * (primaryShape[0] ?? 1) * elementCount(primaryShape.slice(2));
  return {
    name: module.name,
    ratio: module.ratio,
    cheapKernel: module.cheapKernel,
    kernel: module.kernel,
    inChannels: module.inChannels,
    outChannels: module.outChannels,
    macs,
    plainMacs,
    speedUp: plainMacs / macs,
    weights,
    plainWeights,
    compression: plainWeights / weights,
  };
}

/**
 * Equations 4 and 5 in their closed form, where both are the same number:
 * s c k² / (c k² + (s - 1) d²), which is about s when d is about k and c is large.
 */
export function theoreticalGain(options: {
  readonly ratio: number;
  readonly inChannels: number;
  readonly kernel: number;
  readonly cheapKernel: number;
}): number {
  const { ratio, inChannels, kernel, cheapKernel } = options;
  const full = inChannels * kernel ** 2;
  return (ratio * full) / (full + (ratio - 1) * cheapKernel ** 2);
}

/** Counts of every layer and in total. Throws RangeError `SHAPE_MISMATCH` when the input shape does not fit. */
export function profile(graph: Graph, options: ProfileOptions = {}): Profile {
  const inputs = inputNodes(graph);
  const first = inputs[0];
  const shapes = inferShapes(graph, {
    batch: options.batch ?? 1,
    ...(options.inputShape && first ? { inputShapes: { [first.name]: options.inputShape } } : {}),
  });
  const shapeOf = (name: string): readonly number[] => shapes.get(name) ?? [];
  const fields = new Map<string, Field>();
  const counted = new Set<string>();
  const layers: LayerProfile[] = [];
  for (const node of graph.nodes) {
    const outputShape = shapeOf(node.name);
    const inputShapes = node.inputs.map(shapeOf);
    const field = receptiveField(
      node,
      node.inputs.map((name) => fields.get(name) as Field),
      inputShapes[0] ?? [],
    );
    fields.set(node.name, field);
    if (node.kind === 'input') continue;
    let params = 0;
    let stored = 0;
    for (const name of nodeParameters(node)) {
      stored += elementCount(graph.parameters[name]?.shape ?? []);
      if (counted.has(name)) continue;
      counted.add(name);
      params += learned(graph.parameters[name]);
    }
    const weighted = node.kind === 'conv2d' || node.kind === 'linear';
    const elements = elementCount(outputShape);
    const depthwise = node.kind === 'conv2d' && node.groups > 1 && node.groups === node.inChannels;
    layers.push({
      name: node.name,
      op: depthwise ? 'depthwise' : node.kind === 'activation' ? node.function : node.kind,
      params,
      macs: nodeMacs(node, outputShape),
      inputShapes,
      outputShape,
      activations: weighted ? elements : 0,
      bytes: 4 * (inputShapes.reduce((sum, shape) => sum + elementCount(shape), 0) + stored + elements),
      receptiveField: field.size,
    });
  }
  const total = (key: 'params' | 'macs' | 'activations' | 'bytes'): number =>
    layers.reduce((sum, layer) => sum + layer[key], 0);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  return {
    name: graph.name,
    inputShapes: inputs.map((node) => shapeOf(node.name)),
    params: total('params'),
    macs: total('macs'),
    activations: total('activations'),
    bytes: total('bytes'),
    layers,
    ghostModules: graph.ghostModules.map((module) => profileGhostModule(module, nodes, shapes)),
  };
}
