/**
 * A graph: frozen nodes in topological order, the parameters they name, and the ghost modules they came from.
 * Holds no weights and computes nothing; see shapes.ts, print.ts, json.ts and the passes.
 */
import { rangeError } from '../errors.js';
import type { Node } from './nodes.js';

/**
 * A named parameter tensor. `weight`, `bias`, `scale` and `shift` are learned and counted as params; `statistic`
 * (batch norm's running mean and variance) and `constant` (fixed filters, e.g. Haar) are stored but not counted.
 */
export interface Parameter {
  readonly shape: readonly number[];
  readonly role: 'weight' | 'bias' | 'scale' | 'shift' | 'statistic' | 'constant';
}

/** The linear operation that makes the ghost maps (section 3.1). */
export type CheapOperation = 'depthwise' | 'identity' | 'affine' | 'haar' | 'shift';

/** What a Ghost module in the graph was built from, so that analysis and passes can speak of it as one thing. */
export interface GhostModuleInfo {
  readonly name: string;
  /** Node that feeds the module and node that is its output. */
  readonly input: string;
  readonly output: string;
  /** Names of all nodes of the module, in order. */
  readonly nodes: readonly string[];
  readonly inChannels: number;
  readonly outChannels: number;
  readonly intrinsicChannels: number;
  /** s of the paper. */
  readonly ratio: number;
  /** Kernel size of the primary convolution (k). */
  readonly kernel: number;
  /** d of the paper. */
  readonly cheapKernel: number;
  readonly cheapOperation: CheapOperation;
}

/** How raw pictures become the network's input; kept with the model file. Values are of 0..1 scale RGB. */
export interface Preprocessing {
  /** Resize so that the short side has this many pixels; absent: resize straight to the input size. */
  readonly resizeShortSide?: number;
  readonly interpolation: 'bilinear' | 'bicubic';
  /** Cut the middle out of the picture as it is, without a resize. Default false. */
  readonly keepSize?: boolean;
  /**
   * Where a centre crop begins when the excess is odd: half of it rounded to even (torchvision's `CenterCrop`), or down.
   * Default 'even'.
   */
  readonly cropRounding?: 'even' | 'down';
  /** The crop is this many times H x W, and each block of shrink x shrink pixels becomes its rounded mean. Default 1. */
  readonly shrink?: number;
  /** Of values of 0..1, by channel; (x - 128) / 128 of bytes is mean and std 128 / 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface GraphMeta {
  readonly preprocessing?: Preprocessing;
  /** Class names by output index. */
  readonly labels?: readonly string[];
  /** Free text facts (licence, origin, training command). */
  readonly notes?: Readonly<Record<string, string>>;
}

export interface Graph {
  readonly name: string;
  /** Topologically ordered: a node comes after its inputs. */
  readonly nodes: readonly Node[];
  /** Names of output nodes, in order. */
  readonly outputs: readonly string[];
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly ghostModules: readonly GhostModuleInfo[];
  readonly meta: GraphMeta;
}

/** A tensor of 32-bit floats, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Values of a graph's parameters by name. */
export type Weights = ReadonlyMap<string, Tensor>;

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function inputNodes(graph: Graph): Extract<Node, { kind: 'input' }>[] {
  return graph.nodes.filter((node) => node.kind === 'input');
}

export function nodeMap(graph: Graph): ReadonlyMap<string, Node> {
  return new Map(graph.nodes.map((node) => [node.name, node]));
}

/** Names of the nodes that read each node, in graph order. Every node has an entry. */
export function consumerMap(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const consumers = new Map<string, Node[]>(graph.nodes.map((node) => [node.name, []]));
  for (const node of graph.nodes) for (const input of new Set(node.inputs)) consumers.get(input)?.push(node);
  return consumers;
}

/** Names of the parameters a node reads, in the order weight/scale, bias/shift, mean, variance. */
export function nodeParameters(node: Node): readonly string[] {
  switch (node.kind) {
    case 'conv2d':
    case 'linear':
      return node.bias === undefined ? [node.weight] : [node.weight, node.bias];
    case 'batchNorm':
      return [node.scale, node.shift, node.mean, node.variance];
    default:
      return [];
  }
}

/** Freezes a graph and checks its order, names, inputs and parameters. Throws RangeError `GRAPH_INVALID`. */
export function makeGraph(graph: Graph): Graph {
  const fail = (what: string): never => {
    throw rangeError('GRAPH_INVALID', `graph ${JSON.stringify(graph.name)}: ${what}`);
  };
  const seen = new Set<string>();
  for (const node of graph.nodes) {
    if (seen.has(node.name)) fail(`two nodes are named ${JSON.stringify(node.name)}; names must be unique`);
    for (const input of node.inputs)
      if (!seen.has(input))
        fail(
          `node ${JSON.stringify(node.name)} reads ${JSON.stringify(input)}, which is not an earlier node`,
        );
    for (const parameter of nodeParameters(node))
      if (!Object.hasOwn(graph.parameters, parameter))
        fail(
          `node ${JSON.stringify(node.name)} names parameter ${JSON.stringify(parameter)}, which is not declared`,
        );
    seen.add(node.name);
    Object.freeze(node);
  }
  if (graph.outputs.length === 0) fail('it has no output');
  for (const output of graph.outputs)
    if (!seen.has(output)) fail(`output ${JSON.stringify(output)} is not a node`);
  return Object.freeze(graph);
}
