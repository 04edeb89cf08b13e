/**
 * The unit that most networks are made of: a convolution, its batch norm and its activation, or the Ghost module in
 * its place. Shapes: [N, C, H, W] to [N, outChannels, H', W'].
 */
import type { GraphBuilder, Pad } from '../graph/builder.js';
import type { ActivationName } from '../graph/nodes.js';
import { type GhostOptions, ghostModule } from './ghost-module.js';

/** Names of the convolution, the batch norm and the activation. */
export type UnitNames = readonly [conv: string, norm: string, activation: string];

export interface ConvUnitOptions {
  readonly outChannels: number;
  /** Default 1. */
  readonly kernel?: number;
  /** Default 1. */
  readonly stride?: number;
  /** Default 1. */
  readonly groups?: number;
  /** Default 'same'. */
  readonly padding?: Pad | 'same';
  /** Null: none. */
  readonly activation: ActivationName | null;
  readonly names: UnitNames;
  /** Batch norm's eps; default 1e-5. */
  readonly eps?: number | undefined;
  /** Batch norm's momentum (PyTorch's); default 0.1. */
  readonly momentum?: number | undefined;
  /** A Ghost module instead, when the convolution has one group. */
  readonly ghost?: GhostOptions | undefined;
}

/** `name.0`, `name.1`, `name.2`: what torchvision's Conv2dNormActivation and any `Sequential` of the three have. */
export function sequentialNames(name: string): UnitNames {
  return [`${name}.0`, `${name}.1`, `${name}.2`];
}

/** Adds the unit; returns its output node. */
export function convUnit(g: GraphBuilder, x: string, options: ConvUnitOptions): string {
  const { outChannels, kernel = 1, stride = 1, groups = 1, padding = 'same', activation, ghost } = options;
  const [conv, norm, act] = options.names;
  if (ghost && groups === 1)
    return ghostModule(g, conv, x, {
      outChannels,
      kernel,
      stride,
      padding,
      activation,
      ratio: ghost.ratio,
      cheapKernel: ghost.cheapKernel ?? 3,
    });
  let y = g.conv2d(conv, x, { outChannels, kernel, stride, padding, groups });
  y = g.batchNorm(norm, y, {
    ...(options.eps === undefined ? {} : { eps: options.eps }),
    ...(options.momentum === undefined ? {} : { momentum: options.momentum }),
  });
  return activation ? g.activation(act, y, activation) : y;
}
