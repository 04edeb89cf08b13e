/**
 * The parallel branches with which GhostNetV3 (Liu et al. 2024, section 3.1) trains: three convolutions with batch
 * norm, a 1x1 depthwise one, and a batch norm of the input alone, summed. `foldBranches` (src/passes) makes one
 * convolution of them. Names are the official code's (`primary_rpr_conv.0.conv`); shapes [N, C, H, W].
 */
import type { GraphBuilder } from '../graph/builder.js';
import type { ActivationName } from '../graph/nodes.js';
import { ghostChannels } from './ghost-module.js';

const copies = 3;

/** The sum of the branches `<name>_rpr_*` of `x`. */
function branches(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly outChannels: number;
    readonly kernel: number;
    readonly stride?: number;
    readonly groups?: number;
    /** Whether a batch norm of `x` itself is a branch. */
    readonly skip: boolean;
  },
): string {
  const { outChannels, kernel, stride = 1, groups = 1, skip } = options;
  const conv = (branch: string, k: number): string =>
    g.batchNorm(
      `${branch}.bn`,
      g.conv2d(`${branch}.conv`, x, { outChannels, kernel: k, stride, groups, padding: 'same' }),
    );
  const parts: string[] = [];
  if (kernel > 1) parts.push(conv(`${name}_rpr_scale`, 1));
  if (skip) parts.push(g.batchNorm(`${name}_rpr_skip`, x));
  for (let i = 0; i < copies; i++) parts.push(conv(`${name}_rpr_conv.${i}`, kernel));
  return parts.reduce((sum, part, i) => g.add(`${name}_rpr_sum.${i}`, sum, part));
}

/** A Ghost module with branches in both halves; returns its output [N, outChannels, H, W]. */
export function branchedGhostModule(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly outChannels: number;
    readonly ratio: number;
    readonly cheapKernel: number;
    readonly activation: ActivationName | null;
  },
): string {
  const { outChannels, ratio, cheapKernel, activation } = options;
  const { intrinsic, ghosts } = ghostChannels(outChannels, ratio);
  const before = g.nodeNames.length;
  const inChannels = g.channels(x);
  const finish = (part: string, y: string): string =>
    activation ? g.activation(`${name}.${part}_activation`, y, activation) : y;
  const primary = finish(
    'primary',
    branches(g, `${name}.primary`, x, {
      outChannels: intrinsic,
      kernel: 1,
      skip: inChannels === intrinsic,
    }),
  );
  let output = primary;
  if (ghosts > 0) {
    const cheap = branches(g, `${name}.cheap`, primary, {
      outChannels: ghosts,
      kernel: cheapKernel,
      groups: intrinsic,
      skip: ghosts === intrinsic,
    });
    output = g.concat(`${name}.concat`, [primary, finish('cheap', cheap)]);
  }
  if (intrinsic + ghosts > outChannels) output = g.slice(`${name}.slice`, output, 0, outChannels);
  g.recordGhostModule({
    name,
    input: x,
    output,
    nodes: g.nodeNames.slice(before),
    inChannels,
    outChannels,
    intrinsicChannels: intrinsic,
    ratio,
    kernel: 1,
    cheapKernel,
    cheapOperation: 'depthwise',
  });
  return output;
}

/** The depthwise convolution between the two Ghost modules, with its branches. */
export function branchedDepthwise(
  g: GraphBuilder,
  name: string,
  x: string,
  options: { readonly kernel: number; readonly stride: number },
): string {
  const channels = g.channels(x);
  return branches(g, `${name}.dw`, x, { ...options, outChannels: channels, groups: channels, skip: false });
}
