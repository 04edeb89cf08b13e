/**
 * Networks of inverted residuals that a search found: a stem, rows of blocks that differ in kernel, expansion and
 * width, a head. MnasNet-A1, FBNet and ProxylessNAS are tables for this one builder. Names are timm's (`conv_stem`,
 * `blocks.1.0.conv_pw`, `.conv_dw`, `.conv_pwl`, `conv_head`, `classifier`).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import type { ActivationName } from '../graph/nodes.js';
import { convUnit } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { invertedResidual } from './inverted-residual.js';
import type { FamilyOptions } from './model-entry.js';

/** One block; `groups` is that of the two 1x1 convolutions. */
export type SearchedRow = readonly [
  kernel: number,
  expansion: number,
  out: number,
  stride: number,
  squeeze?: 0 | 1,
  groups?: number,
];

export interface SearchedNetOptions extends FamilyOptions {
  readonly stem: number;
  /** Channels of the last 1x1 convolution. */
  readonly head: number;
  readonly activation: ActivationName;
  readonly stages: readonly (readonly SearchedRow[])[];
  /** Gate of squeeze-and-excite, whose inner channels are a quarter of the block's input. */
  readonly squeeze?: { readonly gate: ActivationName };
  /** Whether a block of expansion 1 has its first 1x1 convolution all the same (FBNet's cell). Default false. */
  readonly alwaysExpand?: boolean;
}

/** Input `input` [3, H, W]; output `classifier` [N, classes]. Width multiplies all channels but the head's below 1. */
export function searchedNet(options: SearchedNetOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, ghost, activation } = options;
  const scaled = (channels: number): number => (width === 1 ? channels : makeDivisible(channels * width, 8));
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: scaled(options.stem),
    kernel: 3,
    stride: 2,
    activation,
    names: ['conv_stem', 'bn1', 'act1'],
  });
  options.stages.forEach((rows, stage) => {
    rows.forEach(([kernel, expansion, out, stride, squeeze, groups = 1], i) => {
      const name = `blocks.${stage}.${i}`;
      const inChannels = g.channels(x);
      const expands = expansion !== 1 || options.alwaysExpand === true;
      const at = expands ? 1 : 0;
      x = invertedResidual(g, name, x, {
        outChannels: scaled(out),
        expanded: inChannels * expansion,
        alwaysExpand: options.alwaysExpand === true,
        kernel,
        stride,
        activation,
        groups,
        squeeze:
          squeeze && options.squeeze
            ? {
                reduced: Math.max(1, Math.floor(inChannels / 4)),
                activation,
                gate: options.squeeze.gate,
                names: ['conv_reduce', 'conv_expand'],
              }
            : undefined,
        names: {
          expand: [`${name}.conv_pw`, `${name}.bn1`, `${name}.act1`],
          depthwise: [`${name}.conv_dw`, `${name}.bn${at + 1}`, `${name}.act${at + 1}`],
          squeeze: `${name}.se`,
          // timm calls the projection of a depthwise separable block `conv_pw`
          project: [
            `${name}.${expands ? 'conv_pwl' : 'conv_pw'}`,
            `${name}.bn${at + 2}`,
            `${name}.act${at + 2}`,
          ],
        },
        ghost,
      });
    });
  });
  x = convUnit(g, x, {
    outChannels: scaled(options.head),
    activation,
    names: ['conv_head', 'bn2', 'act2'],
    ghost,
  });
  x = g.flatten('flatten', g.globalAvgPool('global_pool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('classifier', x, { outFeatures: classes })], options.meta ?? {});
}
