/**
 * MobileNetV3 (Howard et al. 2019, tables 1 and 2), Large and Small, also in the minimalistic form of the authors'
 * repository (no squeeze-and-excite, no hard-swish, 3x3 only). Names are torchvision's (`features.1.block.0.0`).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, sequentialNames } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { type InvertedResidualNames, invertedResidual } from './inverted-residual.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';

/** Kernel, expanded channels, output channels, squeeze-and-excite, hard-swish (else ReLU), stride. */
export type MobileNetV3Row = readonly [
  kernel: number,
  expanded: number,
  out: number,
  se: 0 | 1,
  hard: 0 | 1,
  stride: 1 | 2,
];

/** Table 1. */
export const mobileNetV3LargeRows: readonly MobileNetV3Row[] = [
  [3, 16, 16, 0, 0, 1],
  [3, 64, 24, 0, 0, 2],
  [3, 72, 24, 0, 0, 1],
  [5, 72, 40, 1, 0, 2],
  [5, 120, 40, 1, 0, 1],
  [5, 120, 40, 1, 0, 1],
  [3, 240, 80, 0, 1, 2],
  [3, 200, 80, 0, 1, 1],
  [3, 184, 80, 0, 1, 1],
  [3, 184, 80, 0, 1, 1],
  [3, 480, 112, 1, 1, 1],
  [3, 672, 112, 1, 1, 1],
  [5, 672, 160, 1, 1, 2],
  [5, 960, 160, 1, 1, 1],
  [5, 960, 160, 1, 1, 1],
];

/** Table 2. */
export const mobileNetV3SmallRows: readonly MobileNetV3Row[] = [
  [3, 16, 16, 1, 0, 2],
  [3, 72, 24, 0, 0, 2],
  [3, 88, 24, 0, 0, 1],
  [5, 96, 40, 1, 1, 2],
  [5, 240, 40, 1, 1, 1],
  [5, 240, 40, 1, 1, 1],
  [5, 120, 48, 1, 1, 1],
  [5, 144, 48, 1, 1, 1],
  [5, 288, 96, 1, 1, 2],
  [5, 576, 96, 1, 1, 1],
  [5, 576, 96, 1, 1, 1],
];

const variants = {
  large: { rows: mobileNetV3LargeRows, head: 1280 },
  small: { rows: mobileNetV3SmallRows, head: 1024 },
} as const;

export interface MobileNetV3Options extends FamilyOptions {
  readonly variant: keyof typeof variants;
  /** The blocks, where they are not the paper's. Default: the variant's table. */
  readonly rows?: readonly MobileNetV3Row[];
  /** No squeeze-and-excite, ReLU only, 3x3 only. Default false. */
  readonly minimalistic?: boolean;
  /** Channels of the last hidden layer at width 1. Default 1280 (Large) or 1024 (Small). */
  readonly head?: number;
}

/** Names inside torchvision's block: `block.0` .. in order, those that exist. */
function blockNames(name: string, expands: boolean, se: boolean): InvertedResidualNames {
  const at = expands ? 1 : 0;
  return {
    expand: sequentialNames(`${name}.block.0`),
    depthwise: sequentialNames(`${name}.block.${at}`),
    squeeze: `${name}.block.${at + 1}`,
    project: sequentialNames(`${name}.block.${at + (se ? 2 : 1)}`),
  };
}

/**
 * Input `input` [3, H, W]; output `classifier.3` [N, classes]. Width multiplies all channels, rounded to multiples of
 * 8; the head's 1280 or 1024 only above 1, as the authors' code. Large 1.0: 5,483,032 params.
 */
export function mobileNetV3(options: MobileNetV3Options): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, ghost, minimalistic = false } = options;
  const { rows, head } = { ...variants[options.variant], ...options };
  const norm = { eps: 1e-3, momentum: 0.01 };
  const scaled = (channels: number): number => makeDivisible(channels * width, 8);
  const hardSwish = minimalistic ? 'relu' : 'hardSwish';
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    ...norm,
    outChannels: scaled(16),
    kernel: 3,
    stride: 2,
    activation: hardSwish,
    names: sequentialNames('features.0'),
  });
  let before = 16;
  rows.forEach(([kernel, expanded, out, se, hard, stride], i) => {
    const name = `features.${i + 1}`;
    // the expansion is relative to the scaled input, as in the authors' code; torchvision scales it by itself
    const channels = makeDivisible((g.channels(x) * expanded) / before, 8);
    before = out;
    const squeezes = se === 1 && !minimalistic;
    x = invertedResidual(g, name, x, {
      ...norm,
      outChannels: scaled(out),
      expanded: channels,
      kernel: minimalistic ? 3 : kernel,
      stride,
      activation: hard ? hardSwish : 'relu',
      squeeze: squeezes
        ? {
            reduced: makeDivisible(Math.floor(channels / 4), 8),
            activation: 'relu',
            gate: 'hardSigmoid',
            names: ['fc1', 'fc2'],
          }
        : undefined,
      names: blockNames(name, channels !== g.channels(x), squeezes),
      ghost,
    });
  });
  x = convUnit(g, x, {
    ...norm,
    outChannels: 6 * g.channels(x),
    activation: hardSwish,
    names: sequentialNames(`features.${rows.length + 1}`),
    ghost,
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  x = g.linear('classifier.0', x, { outFeatures: makeDivisible(head * Math.max(1, width), 8) });
  x = g.activation('classifier.1', x, hardSwish);
  if (dropout > 0) x = g.dropout('classifier.2', x, dropout);
  return g.build([g.linear('classifier.3', x, { outFeatures: classes })], options.meta ?? {});
}

export const mobileNetV3Entries: readonly ModelEntry[] = (['large', 'small'] as const).flatMap((variant) => {
  const title = `MobileNetV3 ${variant === 'large' ? 'Large' : 'Small'}`;
  return [
    ...[0.75, 1].flatMap((width) =>
      imagenetEntries(
        {
          name: `mobilenet_v3_${variant}${width === 1 ? '' : `_${widthSuffix(width)}`}`,
          summary: `${title} ${width === 1 ? '1.0' : width}x (Howard et al. 2019)`,
          aliases: [`mobilenetv3_${variant}_${String(width * 100).padStart(3, '0')}`],
          ghost: width === 1,
        },
        (options) => mobileNetV3({ width, ...options, variant }),
      ),
    ),
    ...imagenetEntries(
      {
        name: `mobilenet_v3_${variant}_minimal`,
        summary: `${title} 1.0x, minimalistic (no squeeze-and-excite, ReLU, 3x3)`,
        aliases: [`mobilenetv3_${variant}_minimal_100`],
        ghost: false,
      },
      (options) => mobileNetV3({ ...options, variant, minimalistic: true }),
    ),
  ];
});
