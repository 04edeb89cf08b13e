/**
 * MobileNetV2 (Sandler et al. 2018, table 2): inverted residuals with ReLU6. Node and parameter names are
 * torchvision's (`features.1.conv.0.0`), so that its checkpoints load as they are.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, sequentialNames, type UnitNames } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { type InvertedResidualNames, invertedResidual } from './inverted-residual.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';

/** Table 2: expansion, output channels, repeats, stride of the first. */
export const mobileNetV2Rows = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** Names inside torchvision's block: `conv.0` (expand), `conv.1` (depthwise), then the projection and its norm. */
function blockNames(name: string, expands: boolean): InvertedResidualNames {
  const at = expands ? 1 : 0;
  const project: UnitNames = [
    `${name}.conv.${at + 1}`,
    `${name}.conv.${at + 2}`,
    `${name}.conv.${at + 2}.act`,
  ];
  return {
    expand: sequentialNames(`${name}.conv.0`),
    depthwise: sequentialNames(`${name}.conv.${at}`),
    squeeze: `${name}.se`,
    project,
  };
}

/**
 * Input `input` [3, H, W]; output `classifier.1` [N, classes]. Width multiplies all channels, rounded to multiples of
 * 8; the last 1280 only above 1. 1.0: 3,504,872 params, 300,774,272 MACs at 224x224.
 */
export function mobileNetV2(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, ghost } = options;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: makeDivisible(32 * width, 8),
    kernel: 3,
    stride: 2,
    activation: 'relu6',
    names: sequentialNames('features.0'),
  });
  let index = 1;
  for (const [expansion, channels, repeats, stride] of mobileNetV2Rows)
    for (let i = 0; i < repeats; i++) {
      const name = `features.${index++}`;
      x = invertedResidual(g, name, x, {
        outChannels: makeDivisible(channels * width, 8),
        expanded: g.channels(x) * expansion,
        kernel: 3,
        stride: i === 0 ? stride : 1,
        activation: 'relu6',
        names: blockNames(name, expansion !== 1),
        ghost,
      });
    }
  x = convUnit(g, x, {
    outChannels: makeDivisible(1280 * Math.max(1, width), 8),
    activation: 'relu6',
    names: sequentialNames(`features.${index}`),
    ghost,
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('classifier.0', x, dropout);
  return g.build([g.linear('classifier.1', x, { outFeatures: classes })], options.meta ?? {});
}

export const mobileNetV2Entries: readonly ModelEntry[] = [0.35, 0.5, 0.6, 0.75, 1, 1.4].flatMap((width) =>
  imagenetEntries(
    {
      name: width === 1 ? 'mobilenet_v2' : `mobilenet_v2_${widthSuffix(width)}`,
      summary: `MobileNetV2 ${width.toFixed(2).replace(/0$/, '')}x (Sandler et al. 2018)`,
      aliases: [`mobilenetv2_${String(Math.round(width * 100)).padStart(3, '0')}`],
      ghost: width === 1,
    },
    (options) => mobileNetV2({ width, ...options }),
  ),
);
