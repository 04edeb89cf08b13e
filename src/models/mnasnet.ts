/**
 * MnasNet-B1 and A1 (Tan et al. 2019, figure 7). B1 bears torchvision's names (`layers.8.0.layers.0`), A1, which
 * torchvision lacks, timm's (`blocks.1.0.conv_pw`).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, type UnitNames } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { invertedResidual } from './inverted-residual.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';
import { searchedNet } from './searched-net.js';

/** B1: kernel, expansion, output channels, repeats, stride. */
export const mnasNetB1Rows = [
  [3, 3, 24, 3, 2],
  [5, 3, 40, 3, 2],
  [5, 6, 80, 3, 2],
  [3, 6, 96, 2, 1],
  [5, 6, 192, 4, 2],
  [3, 6, 320, 1, 1],
] as const;

/** The paper's B1. Input `input` [3, H, W]; output `classifier.1` [N, classes]. 1.0: 4,383,312 params. */
export function mnasNetB1(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, ghost } = options;
  const momentum = 0.0003;
  const scaled = (channels: number): number => makeDivisible(channels * width, 8);
  const numbered = (name: string, from: number): UnitNames => [
    `${name}.${from}`,
    `${name}.${from + 1}`,
    `${name}.${from + 2}`,
  ];
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: scaled(32),
    kernel: 3,
    stride: 2,
    activation: 'relu',
    momentum,
    names: numbered('layers', 0),
  });
  const stem = g.channels(x);
  x = convUnit(g, x, {
    outChannels: stem,
    kernel: 3,
    groups: stem,
    activation: 'relu',
    momentum,
    names: numbered('layers', 3),
  });
  x = convUnit(g, x, {
    outChannels: scaled(16),
    activation: null,
    momentum,
    names: numbered('layers', 6),
    ghost,
  });
  mnasNetB1Rows.forEach(([kernel, expansion, channels, repeats, stride], stage) => {
    for (let i = 0; i < repeats; i++) {
      const name = `layers.${8 + stage}.${i}`;
      x = invertedResidual(g, name, x, {
        outChannels: scaled(channels),
        expanded: g.channels(x) * expansion,
        kernel,
        stride: i === 0 ? stride : 1,
        activation: 'relu',
        momentum,
        names: {
          expand: numbered(`${name}.layers`, 0),
          depthwise: numbered(`${name}.layers`, 3),
          squeeze: `${name}.se`,
          project: numbered(`${name}.layers`, 6),
        },
        residual: i > 0,
        ghost,
      });
    }
  });
  x = convUnit(g, x, {
    outChannels: 1280,
    activation: 'relu',
    momentum,
    names: numbered('layers', 14),
    ghost,
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('classifier.0', x, dropout);
  return g.build([g.linear('classifier.1', x, { outFeatures: classes })], options.meta ?? {});
}

export const mnasNetEntries: readonly ModelEntry[] = [
  ...[0.5, 0.75, 1, 1.3].flatMap((width) =>
    imagenetEntries(
      {
        name: `mnasnet${width === 1 ? '1_0' : widthSuffix(width).slice(1)}`,
        summary: `MnasNet-B1 ${width === 1 ? '1.0' : width}x (Tan et al. 2019)`,
        aliases: [
          `mnasnet_${String(Math.round(width * 100)).padStart(3, '0')}`,
          ...(width === 1 ? ['mnasnet_b1'] : []),
        ],
        ghost: width === 1,
      },
      (options) => mnasNetB1({ width, ...options }),
    ),
  ),
  ...imagenetEntries(
    {
      name: 'mnasnet_a1',
      summary: 'MnasNet-A1 1.0x (Tan et al. 2019), with squeeze-and-excite',
      aliases: ['semnasnet_100'],
    },
    (options) =>
      searchedNet({
        ...options,
        stem: 32,
        head: 1280,
        activation: 'relu',
        squeeze: { gate: 'sigmoid' },
        // kernel, expansion, output channels, stride, squeeze-and-excite
        stages: [
          [[3, 1, 16, 1]],
          [
            [3, 6, 24, 2],
            [3, 6, 24, 1],
          ],
          [
            [5, 3, 40, 2, 1],
            [5, 3, 40, 1, 1],
            [5, 3, 40, 1, 1],
          ],
          [
            [3, 6, 80, 2],
            [3, 6, 80, 1],
            [3, 6, 80, 1],
            [3, 6, 80, 1],
          ],
          [
            [3, 6, 112, 1, 1],
            [3, 6, 112, 1, 1],
          ],
          [
            [5, 6, 160, 2, 1],
            [5, 6, 160, 1, 1],
            [5, 6, 160, 1, 1],
          ],
          [[3, 6, 320, 1]],
        ],
      }),
  ),
];
