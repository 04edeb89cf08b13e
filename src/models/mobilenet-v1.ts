/**
 * MobileNetV1 (Howard et al. 2017, table 1): depthwise separable convolutions with batch norm and ReLU. torchvision
 * has none; names follow the common PyTorch port (`model.1.0` depthwise, `model.1.3` pointwise, `fc`).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';

/** Table 1: output channels and stride of each separable convolution. */
export const mobileNetV1Rows = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
] as const;

/** Input `input` [3, H, W]; output `fc` [N, classes]. Width multiplies all channels. 1.0: 4,231,976 params. */
export function mobileNetV1(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0, ghost } = options;
  const scaled = (channels: number): number => Math.max(8, Math.round(channels * width));
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: scaled(32),
    kernel: 3,
    stride: 2,
    activation: 'relu',
    names: ['model.0.0', 'model.0.1', 'model.0.2'],
  });
  mobileNetV1Rows.forEach(([channels, stride], i) => {
    const name = `model.${i + 1}`;
    const before = g.channels(x);
    x = convUnit(g, x, {
      outChannels: before,
      kernel: 3,
      stride,
      groups: before,
      activation: 'relu',
      names: [`${name}.0`, `${name}.1`, `${name}.2`],
    });
    x = convUnit(g, x, {
      outChannels: scaled(channels),
      activation: 'relu',
      names: [`${name}.3`, `${name}.4`, `${name}.5`],
      ghost,
    });
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const mobileNetV1Entries: readonly ModelEntry[] = [0.25, 0.5, 0.75, 1].flatMap((width) =>
  imagenetEntries(
    {
      name: width === 1 ? 'mobilenet_v1' : `mobilenet_v1_${widthSuffix(width)}`,
      summary: `MobileNetV1 ${width === 1 ? '1.0' : width}x (Howard et al. 2017)`,
      aliases: [`mobilenetv1_${String(width * 100).padStart(3, '0')}`],
      ghost: width === 1,
    },
    (options) => mobileNetV1({ width, ...options }),
  ),
);
