/**
 * The node kinds of a network: a closed union of frozen records. A network is data; everything a person wants from
 * it (count, run, train, export) is a function of this data, so no node holds behaviour or weights.
 *
 * Shape legend: N batch, C channels, H height, W width, K kernel positions. Feature maps are [N, C, H, W] and
 * flattened features [N, C]. Weights are named; their values live in a `Weights` map beside the graph.
 */

/** Height and width. */
export type Pair = readonly [number, number];
/** Zero padding: top, left, bottom, right. */
export type Padding = readonly [number, number, number, number];

export type ActivationName = 'relu' | 'relu6' | 'hardSwish' | 'hardSigmoid' | 'sigmoid' | 'silu';

interface Base {
  /** Unique in the graph; dotted as the field's checkpoints are (`blocks.1.0.ghost1.primary_conv.0`). */
  readonly name: string;
  /** Names of the nodes whose outputs this node reads. */
  readonly inputs: readonly string[];
}

/** The network's input: `shape` is [C, H, W] (or [C]); the batch is chosen at compile time. */
export interface InputNode extends Base {
  readonly kind: 'input';
  readonly shape: readonly number[];
}

/** 2-D cross-correlation. Weight [outChannels, inChannels / groups, kh, kw]; bias [outChannels]. */
export interface Conv2dNode extends Base {
  readonly kind: 'conv2d';
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
  readonly weight: string;
  readonly bias?: string;
}

/** Batch normalisation over C: y = (x - mean) / sqrt(variance + eps) * scale + shift. All four parameters are [C]. */
export interface BatchNormNode extends Base {
  readonly kind: 'batchNorm';
  readonly channels: number;
  readonly eps: number;
  /** PyTorch's momentum: running = (1 - momentum) * running + momentum * batch. */
  readonly momentum: number;
  readonly scale: string;
  readonly shift: string;
  readonly mean: string;
  readonly variance: string;
}

/** hardSwish x*relu6(x+3)/6; hardSigmoid relu6(x+3)/6; silu x*sigmoid(x). */
export interface ActivationNode extends Base {
  readonly kind: 'activation';
  readonly function: ActivationName;
}

/** Elementwise sum of two equal shapes. */
export interface AddNode extends Base {
  readonly kind: 'add';
}

/** Elementwise product; the second input may be [N, C, 1, 1] against [N, C, H, W] (a squeeze-and-excite gate). */
export interface MulNode extends Base {
  readonly kind: 'mul';
}

/** Concatenation along C. */
export interface ConcatNode extends Base {
  readonly kind: 'concat';
}

/** Channels [start, end). */
export interface SliceNode extends Base {
  readonly kind: 'slice';
  readonly start: number;
  readonly end: number;
}

/** Zero channels added before and after: C to before + C + after (ResNet's option A shortcut). No parameters, no MACs. */
export interface PadChannelsNode extends Base {
  readonly kind: 'padChannels';
  readonly before: number;
  readonly after: number;
}

/** Channel shuffle (ShuffleNet): C = groups * n, viewed [groups, n], transposed, flattened. */
export interface ShuffleNode extends Base {
  readonly kind: 'shuffle';
  readonly groups: number;
}

/** Channels in another order: channel c of the output is channel `order[c]` of the input; `order` is a permutation. */
export interface PermuteChannelsNode extends Base {
  readonly kind: 'permuteChannels';
  readonly order: readonly number[];
}

/**
 * Each channel moved by a fixed whole number of pixels, zeros moving in: y[c][i][j] = x[c][i+dy][j+dx].
 * `offsets` has one [dy, dx] per channel. No parameters, no MACs (Shift, Wu et al. 2018).
 */
export interface ShiftNode extends Base {
  readonly kind: 'shift';
  readonly offsets: readonly Pair[];
}

/** Max pooling; padding counts as minus infinity. */
export interface MaxPoolNode extends Base {
  readonly kind: 'maxPool';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** Round the output size up, as PyTorch does (a window must start inside the input or the left/top padding). */
  readonly ceilMode: boolean;
}

/** Average pooling. */
export interface AvgPoolNode extends Base {
  readonly kind: 'avgPool';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly ceilMode: boolean;
  /** Whether padding zeros count in the divisor (PyTorch's default: true). */
  readonly countIncludePad: boolean;
}

/** Mean over H and W: [N, C, H, W] to [N, C, 1, 1]. */
export interface GlobalAvgPoolNode extends Base {
  readonly kind: 'globalAvgPool';
}

/** [N, C, H, W] to [N, C*H*W]. */
export interface FlattenNode extends Base {
  readonly kind: 'flatten';
}

/** y = x W^T + b on [N, inFeatures]. Weight [outFeatures, inFeatures]; bias [outFeatures]. */
export interface LinearNode extends Base {
  readonly kind: 'linear';
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly weight: string;
  readonly bias?: string;
}

/** Softmax over C. */
export interface SoftmaxNode extends Base {
  readonly kind: 'softmax';
}

/** Nearest-neighbour enlargement by a whole factor for height and width. */
export interface UpsampleNode extends Base {
  readonly kind: 'upsample';
  readonly scale: Pair;
}

/** Identity at inference; in training zeroes with probability `rate` and scales by 1 / (1 - rate). */
export interface DropoutNode extends Base {
  readonly kind: 'dropout';
  readonly rate: number;
}

/** y = x. */
export interface IdentityNode extends Base {
  readonly kind: 'identity';
}

/** Every kind of node. Switches over `kind` must be exhaustive (`unreachable` in the last arm). */
export type Node =
  | InputNode
  | Conv2dNode
  | BatchNormNode
  | ActivationNode
  | AddNode
  | MulNode
  | ConcatNode
  | SliceNode
  | PadChannelsNode
  | ShuffleNode
  | PermuteChannelsNode
  | ShiftNode
  | MaxPoolNode
  | AvgPoolNode
  | GlobalAvgPoolNode
  | FlattenNode
  | LinearNode
  | SoftmaxNode
  | UpsampleNode
  | DropoutNode
  | IdentityNode;

export type NodeKind = Node['kind'];

/** All kinds, in the order of the union. */
export const nodeKinds = [
  'input',
  'conv2d',
  'batchNorm',
  'activation',
  'add',
  'mul',
  'concat',
  'slice',
  'padChannels',
  'shuffle',
  'permuteChannels',
  'shift',
  'maxPool',
  'avgPool',
  'globalAvgPool',
  'flatten',
  'linear',
  'softmax',
  'upsample',
  'dropout',
  'identity',
] as const satisfies readonly NodeKind[];

export const activationNames = [
  'relu',
  'relu6',
  'hardSwish',
  'hardSigmoid',
  'sigmoid',
  'silu',
] as const satisfies readonly ActivationName[];
