/**
 * Builds a graph node by node. Each method adds a node and returns its name, which later calls take as input.
 * Shapes are inferred as nodes are added, so a misfit is reported at the line that made it. Parameter names follow
 * PyTorch (`<name>.weight`, `<name>.bias`, `<name>.running_mean`, ...). Holds no weights.
 */
import { rangeError } from '../errors.js';
import type { GhostModuleInfo, Graph, GraphMeta, Parameter } from './graph.js';
import { makeGraph } from './graph.js';
import type { ActivationName, Node, Padding, Pair } from './nodes.js';
import { inferNodeShape } from './shapes.js';

/** A size for both axes, or [height, width]. */
export type Size = number | Pair;
/** Zero padding for all sides, [vertical, horizontal], or [top, left, bottom, right]. */
export type Pad = number | Pair | Padding;

export interface Conv2dOptions {
  readonly outChannels: number;
  /** Default 1. */
  readonly kernel?: Size;
  /** Default 1. */
  readonly stride?: Size;
  /** Default 0. `'same'`: dilation * (kernel - 1) / 2, which keeps the size at stride 1 for odd kernels. */
  readonly padding?: Pad | 'same';
  /** Default 1. */
  readonly dilation?: Size;
  /** Default 1; equal to the input channels: depthwise. */
  readonly groups?: number;
  /** Default false. */
  readonly bias?: boolean;
  /** A fixed filter (not learned, not counted as params), e.g. a Haar wavelet. Default false. */
  readonly constant?: boolean;
}

export interface PoolOptions {
  readonly kernel: Size;
  /** Default: the kernel. */
  readonly stride?: Size;
  readonly padding?: Pad;
  readonly ceilMode?: boolean;
}

function pair(size: Size): Pair {
  return typeof size === 'number' ? [size, size] : size;
}

function padding(pad: Pad): Padding {
  if (typeof pad === 'number') return [pad, pad, pad, pad];
  return pad.length === 2 ? [pad[0], pad[1], pad[0], pad[1]] : pad;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Node[] = [];
  readonly #parameters: Record<string, Parameter> = {};
  readonly #shapes = new Map<string, readonly number[]>();
  readonly #ghostModules: GhostModuleInfo[] = [];

  /** `name` is the network's name, kept in the graph. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Output shape of a node so far, for batch 1. Throws RangeError `GRAPH_INVALID` for an unknown name. */
  shape(name: string): readonly number[] {
    const shape = this.#shapes.get(name);
    if (!shape) throw rangeError('GRAPH_INVALID', `graph "${this.#name}": no node is named "${name}"`);
    return shape;
  }

  /** C of a node's output. */
  channels(name: string): number {
    return this.shape(name)[1] ?? 0;
  }

  /** Names of all nodes so far, in order. */
  get nodeNames(): readonly string[] {
    return this.#nodes.map((node) => node.name);
  }

  /** Adds any node record. Throws RangeError `GRAPH_INVALID` (name taken) or `SHAPE_MISMATCH`. */
  addNode(node: Node, parameters: Readonly<Record<string, Parameter>> = {}): string {
    if (this.#shapes.has(node.name))
      throw rangeError('GRAPH_INVALID', `graph "${this.#name}": two nodes are named "${node.name}"`);
    const shape =
      node.kind === 'input'
        ? [1, ...node.shape]
        : inferNodeShape(
            node,
            node.inputs.map((input) => this.shape(input)),
          );
    for (const [name, parameter] of Object.entries(parameters)) {
      const known = this.#parameters[name];
      if (known && known.shape.join() !== parameter.shape.join())
        throw rangeError('GRAPH_INVALID', `parameter "${name}" is declared twice with different shapes`);
      this.#parameters[name] = parameter;
    }
    this.#nodes.push(node);
    this.#shapes.set(node.name, shape);
    return node.name;
  }

  /** A network input of shape [C, H, W] (or [C]). */
  input(name: string, shape: readonly number[]): string {
    return this.addNode({ kind: 'input', name, inputs: [], shape: [...shape] });
  }

  /** A convolution; parameters `<name>.weight` and, with bias, `<name>.bias`. Throws RangeError `BAD_CONVOLUTION`. */
  conv2d(name: string, x: string, options: Conv2dOptions): string {
    const inChannels = this.channels(x);
    const { outChannels, groups = 1, bias = false } = options;
    const kernel = pair(options.kernel ?? 1);
    const stride = pair(options.stride ?? 1);
    const dilation = pair(options.dilation ?? 1);
    const pad: Padding =
      options.padding === 'same'
        ? padding([(dilation[0] * (kernel[0] - 1)) >> 1, (dilation[1] * (kernel[1] - 1)) >> 1])
        : padding(options.padding ?? 0);
    const whole = [outChannels, groups, ...kernel, ...stride, ...dilation];
    if (whole.some((value) => !Number.isInteger(value) || value < 1))
      throw rangeError(
        'BAD_CONVOLUTION',
        `conv2d "${name}": outChannels, groups, kernel, stride and dilation must be whole numbers of at least 1, given ${whole.join(', ')}`,
      );
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw rangeError(
        'BAD_CONVOLUTION',
        `conv2d "${name}": groups = ${groups} must divide inChannels = ${inChannels} and outChannels = ${outChannels}`,
      );
    const role = options.constant ? 'constant' : 'weight';
    return this.addNode(
      {
        kind: 'conv2d',
        name,
        inputs: [x],
        inChannels,
        outChannels,
        kernel,
        stride,
        padding: pad,
        dilation,
        groups,
        weight: `${name}.weight`,
        ...(bias ? { bias: `${name}.bias` } : {}),
      },
      {
        [`${name}.weight`]: { shape: [outChannels, inChannels / groups, ...kernel], role },
        ...(bias ? { [`${name}.bias`]: { shape: [outChannels], role: 'bias' as const } } : {}),
      },
    );
  }

  /** Batch normalisation; parameters `<name>.weight`, `.bias`, `.running_mean`, `.running_var`, each [C]. */
  batchNorm(
    name: string,
    x: string,
    options: { readonly eps?: number; readonly momentum?: number } = {},
  ): string {
    const channels = this.channels(x);
    const shape = [channels];
    return this.addNode(
      {
        kind: 'batchNorm',
        name,
        inputs: [x],
        channels,
        eps: options.eps ?? 1e-5,
        momentum: options.momentum ?? 0.1,
        scale: `${name}.weight`,
        shift: `${name}.bias`,
        mean: `${name}.running_mean`,
        variance: `${name}.running_var`,
      },
      {
        [`${name}.weight`]: { shape, role: 'scale' },
        [`${name}.bias`]: { shape, role: 'shift' },
        [`${name}.running_mean`]: { shape, role: 'statistic' },
        [`${name}.running_var`]: { shape, role: 'statistic' },
      },
    );
  }

  activation(name: string, x: string, fn: ActivationName): string {
    return this.addNode({ kind: 'activation', name, inputs: [x], function: fn });
  }

  add(name: string, a: string, b: string): string {
    return this.addNode({ kind: 'add', name, inputs: [a, b] });
  }

  /** Elementwise product; `b` may be a gate [N, C, 1, 1]. */
  mul(name: string, a: string, b: string): string {
    return this.addNode({ kind: 'mul', name, inputs: [a, b] });
  }

  concat(name: string, inputs: readonly string[]): string {
    return this.addNode({ kind: 'concat', name, inputs: [...inputs] });
  }

  /** Channels [start, end). */
  slice(name: string, x: string, start: number, end: number): string {
    return this.addNode({ kind: 'slice', name, inputs: [x], start, end });
  }

  /** Zero channels before and after. */
  padChannels(name: string, x: string, before: number, after: number): string {
    return this.addNode({ kind: 'padChannels', name, inputs: [x], before, after });
  }

  shuffle(name: string, x: string, groups: number): string {
    return this.addNode({ kind: 'shuffle', name, inputs: [x], groups });
  }

  /** Channel c of the output is channel `order[c]` of `x`; `order` is a permutation. */
  permuteChannels(name: string, x: string, order: readonly number[]): string {
    return this.addNode({ kind: 'permuteChannels', name, inputs: [x], order: [...order] });
  }

  /** One [dy, dx] per channel. */
  shift(name: string, x: string, offsets: readonly Pair[]): string {
    return this.addNode({ kind: 'shift', name, inputs: [x], offsets });
  }

  maxPool(name: string, x: string, options: PoolOptions): string {
    return this.addNode({ kind: 'maxPool', name, inputs: [x], ...this.#pool(options) });
  }

  avgPool(name: string, x: string, options: PoolOptions & { readonly countIncludePad?: boolean }): string {
    const countIncludePad = options.countIncludePad ?? true;
    return this.addNode({ kind: 'avgPool', name, inputs: [x], ...this.#pool(options), countIncludePad });
  }

  globalAvgPool(name: string, x: string): string {
    return this.addNode({ kind: 'globalAvgPool', name, inputs: [x] });
  }

  flatten(name: string, x: string): string {
    return this.addNode({ kind: 'flatten', name, inputs: [x] });
  }

  /** A fully connected layer on [N, features]; bias by default. */
  linear(
    name: string,
    x: string,
    options: { readonly outFeatures: number; readonly bias?: boolean },
  ): string {
    const inFeatures = this.channels(x);
    const { outFeatures, bias = true } = options;
    return this.addNode(
      {
        kind: 'linear',
        name,
        inputs: [x],
        inFeatures,
        outFeatures,
        weight: `${name}.weight`,
        ...(bias ? { bias: `${name}.bias` } : {}),
      },
      {
        [`${name}.weight`]: { shape: [outFeatures, inFeatures], role: 'weight' },
        ...(bias ? { [`${name}.bias`]: { shape: [outFeatures], role: 'bias' as const } } : {}),
      },
    );
  }

  softmax(name: string, x: string): string {
    return this.addNode({ kind: 'softmax', name, inputs: [x] });
  }

  /** Nearest-neighbour enlargement by a whole factor. */
  upsample(name: string, x: string, scale: Size): string {
    return this.addNode({ kind: 'upsample', name, inputs: [x], scale: pair(scale) });
  }

  dropout(name: string, x: string, rate: number): string {
    if (!(rate >= 0 && rate < 1))
      throw rangeError('BAD_DROPOUT', `dropout "${name}": rate: given ${rate}, expected 0 <= rate < 1`);
    return this.addNode({ kind: 'dropout', name, inputs: [x], rate });
  }

  identity(name: string, x: string): string {
    return this.addNode({ kind: 'identity', name, inputs: [x] });
  }

  /** Records that some of the nodes added are one Ghost module. */
  recordGhostModule(info: GhostModuleInfo): void {
    this.#ghostModules.push(info);
  }

  /** The frozen graph with the given outputs. Throws RangeError `GRAPH_INVALID`. */
  build(outputs: readonly string[], meta: GraphMeta = {}): Graph {
    return makeGraph({
      name: this.#name,
      nodes: this.#nodes,
      outputs: [...outputs],
      parameters: this.#parameters,
      ghostModules: this.#ghostModules,
      meta,
    });
  }

  #pool(options: PoolOptions): {
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: Padding;
    readonly ceilMode: boolean;
  } {
    return {
      kernel: pair(options.kernel),
      stride: pair(options.stride ?? options.kernel),
      padding: padding(options.padding ?? 0),
      ceilMode: options.ceilMode ?? false,
    };
  }
}
