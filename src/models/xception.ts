/**
 * Xception (Chollet 2017, figure 5): separable convolutions with residuals, for 299x299 pictures. Names are those of
 * timm's `legacy_xception` (`block1.rep.0.conv1`, `.pointwise`).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';

/** Figure 5: channels of each separable convolution of a block, and its stride. */
export const xceptionBlocks: readonly { readonly channels: readonly number[]; readonly stride: 1 | 2 }[] = [
  { channels: [128, 128], stride: 2 },
  { channels: [256, 256], stride: 2 },
  { channels: [728, 728], stride: 2 },
  ...Array.from({ length: 8 }, () => ({ channels: [728, 728, 728], stride: 1 as const })),
  { channels: [728, 1024], stride: 2 },
];

/** Input `input` [3, H, W]; output `fc` [N, classes]. 22,855,952 params. Width multiplies all channels. */
export function xception(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 299, dropout = 0, ghost } = options;
  const scaled = (channels: number): number => (width === 1 ? channels : makeDivisible(channels * width, 8));
  const g = new GraphBuilder(options.name);
  const separable = (x: string, name: string, norm: string, outChannels: number): string => {
    const before = g.channels(x);
    const y = g.conv2d(`${name}.conv1`, x, {
      outChannels: before,
      kernel: 3,
      padding: 'same',
      groups: before,
    });
    return convUnit(g, y, {
      outChannels: scaled(outChannels),
      activation: null,
      names: [`${name}.pointwise`, norm, ''],
      ghost,
    });
  };
  const stem = (x: string, at: number, channels: number, stride: number): string =>
    convUnit(g, x, {
      outChannels: scaled(channels),
      kernel: 3,
      stride,
      padding: 0,
      activation: 'relu',
      names: [`conv${at}`, `bn${at}`, `act${at}`],
    });
  let x = g.input('input', [3, inputSize, inputSize]);
  x = stem(stem(x, 1, 32, 2), 2, 64, 1);
  xceptionBlocks.forEach(({ channels, stride }, i) => {
    const name = `block${i + 1}`;
    let y = x;
    let at = 0;
    channels.forEach((outChannels, j) => {
      // the first block reads maps that are already rectified
      if (i > 0 || j > 0) y = g.activation(`${name}.rep.${at++}`, y, 'relu');
      y = separable(y, `${name}.rep.${at}`, `${name}.rep.${at + 1}`, outChannels);
      at += 2;
    });
    let short = x;
    if (stride === 2) {
      y = g.maxPool(`${name}.rep.${at}`, y, { kernel: 3, stride: 2, padding: 1 });
      short = convUnit(g, x, {
        outChannels: g.channels(y),
        stride,
        activation: null,
        names: [`${name}.skip`, `${name}.skipbn`, ''],
        ghost,
      });
    }
    x = g.add(`${name}.add`, y, short);
  });
  x = g.activation('act3', separable(x, 'conv3', 'bn3', 1536), 'relu');
  x = g.activation('act4', separable(x, 'conv4', 'bn4', 2048), 'relu');
  x = g.flatten('flatten', g.globalAvgPool('global_pool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const xceptionEntries: readonly ModelEntry[] = imagenetEntries(
  {
    name: 'xception',
    summary: 'Xception (Chollet 2017)',
    aliases: ['legacy_xception'],
    inputSize: 299,
    meta: {
      preprocessing: {
        resizeShortSide: 333,
        interpolation: 'bicubic',
        mean: [0.5, 0.5, 0.5],
        std: [0.5, 0.5, 0.5],
      },
    },
  },
  xception,
);
