/**
 * The inverted residual block of MobileNetV2 (Sandler et al. 2018) and its many heirs: expand by a 1x1 convolution,
 * filter by a depthwise one, perhaps squeeze and excite, project linearly, and add the input when shapes allow.
 * Node names are chosen by the family, because each one's checkpoints have their own.
 */
import type { GraphBuilder } from '../graph/builder.js';
import type { ActivationName } from '../graph/nodes.js';
import { convUnit, type UnitNames } from './conv-unit.js';
import type { GhostOptions } from './ghost-module.js';

/** Names of a block's parts. */
export interface InvertedResidualNames {
  readonly expand: UnitNames;
  readonly depthwise: UnitNames;
  readonly squeeze: string;
  readonly project: UnitNames;
}

export interface SqueezeExcitationOptions {
  /** Channels between the two 1x1 convolutions. */
  readonly reduced: number;
  readonly activation: ActivationName;
  readonly gate: ActivationName;
  /** Names of the two convolutions below the block's name, e.g. `fc1`, `fc2`. */
  readonly names: readonly [reduce: string, expand: string];
}

export interface InvertedResidualOptions {
  readonly outChannels: number;
  /** Channels of the depthwise convolution; equal to the input's: no expansion, unless `alwaysExpand`. */
  readonly expanded: number;
  /** Whether a 1x1 convolution stands before the depthwise one even when it expands nothing. Default false. */
  readonly alwaysExpand?: boolean;
  readonly kernel: number;
  readonly stride: number;
  /** Of the two 1x1 convolutions; with more than one, the channels are shuffled after the first. Default 1. */
  readonly groups?: number;
  readonly activation: ActivationName;
  readonly names: InvertedResidualNames;
  readonly squeeze?: SqueezeExcitationOptions | undefined;
  /** Whether the input is added when stride is 1 and channels are equal. Default true. */
  readonly residual?: boolean;
  readonly eps?: number | undefined;
  readonly momentum?: number | undefined;
  /** Expansion and projection as Ghost modules. */
  readonly ghost?: GhostOptions | undefined;
}

/** Squeeze and excite (Hu et al. 2018) with two 1x1 convolutions with bias; [N, C, H, W] in and out. */
export function squeezeExcitation(
  g: GraphBuilder,
  name: string,
  x: string,
  options: SqueezeExcitationOptions,
): string {
  const [reduce, expand] = options.names;
  let gate = g.globalAvgPool(`${name}.avgpool`, x);
  gate = g.conv2d(`${name}.${reduce}`, gate, { outChannels: options.reduced, bias: true });
  gate = g.activation(`${name}.activation`, gate, options.activation);
  gate = g.conv2d(`${name}.${expand}`, gate, { outChannels: g.channels(x), bias: true });
  gate = g.activation(`${name}.gate`, gate, options.gate);
  return g.mul(`${name}.mul`, x, gate);
}

/** Adds the block `name` on [N, C, H, W]; returns its output, [N, outChannels, H/stride, W/stride]. */
export function invertedResidual(
  g: GraphBuilder,
  name: string,
  x: string,
  options: InvertedResidualOptions,
): string {
  const { outChannels, expanded, kernel, stride, activation, names, squeeze, ghost, eps, momentum } = options;
  const { groups = 1 } = options;
  const inChannels = g.channels(x);
  const common = { eps, momentum };
  let y = x;
  if (expanded !== inChannels || options.alwaysExpand)
    y = convUnit(g, y, { ...common, outChannels: expanded, groups, activation, names: names.expand, ghost });
  if (groups > 1) y = g.shuffle(`${name}.shuffle`, y, groups);
  y = convUnit(g, y, {
    ...common,
    outChannels: expanded,
    kernel,
    stride,
    groups: expanded,
    activation,
    names: names.depthwise,
  });
  if (squeeze) y = squeezeExcitation(g, names.squeeze, y, squeeze);
  y = convUnit(g, y, { ...common, outChannels, groups, activation: null, names: names.project, ghost });
  const residual = (options.residual ?? true) && stride === 1 && inChannels === outChannels;
  return residual ? g.add(`${name}.add`, y, x) : y;
}
