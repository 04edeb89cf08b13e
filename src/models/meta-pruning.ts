/**
 * ResNet-50 with the channels that MetaPruning (Liu et al. 2019) found: a number from 0 to 30 for the stem, for each of
 * the first three stages' outputs and for the inside of each of the 16 bottlenecks says which part of ResNet-50's
 * channels stays. The one encoding that its authors published is that of table 6 (1.0 B); the one of their 2.0 B network
 * is not published. Names are the authors' code's (`layers.0.conv1`).
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';
import { resNetRows } from './resnet-imagenet.js';

/** Stem, outputs of stages 1 to 3, insides of the 16 bottlenecks, as the authors' code evaluates it. */
export const metaPruningEncoding = [
  19, 9, 15, 13, 10, 9, 10, 6, 9, 13, 11, 12, 7, 18, 7, 13, 12, 10, 19, 18,
] as const;

/** What an encoding's number stands for: 10 % and 3 % a step, of `channels`, cut to a whole number. */
export function keptChannels(channels: number, code: number): number {
  return Math.floor((channels * (10 + 3 * code)) / 100);
}

export interface MetaPruningOptions extends FamilyOptions {
  /** 20 whole numbers from 0 to 30. Default: the published encoding. */
  readonly encoding?: readonly number[];
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. Width multiplies all channels. Throws RangeError `BAD_ENCODING`. */
export function metaPruningResNet50(options: MetaPruningOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, encoding = metaPruningEncoding } = options;
  const { depths } = resNetRows[50];
  const blocks = depths.reduce((sum, depth) => sum + depth, 0);
  const codes = depths.length + blocks;
  if (encoding.length !== codes || encoding.some((code) => !Number.isInteger(code) || code < 0 || code > 30))
    throw rangeError(
      'BAD_ENCODING',
      `MetaPruning: encoding: given [${encoding.join(', ')}], expected ${codes} whole numbers from 0 to 30`,
    );
  const kept = (channels: number, code: number): number =>
    Math.max(1, Math.round(keptChannels(channels, code) * width));
  const all = 30;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: kept(64, encoding[0] ?? all),
    kernel: 7,
    stride: 2,
    activation: 'relu',
    names: ['conv1', 'bn1', 'relu'],
  });
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let index = 0;
  depths.forEach((depth, stage) => {
    const planes = 64 << stage;
    const last = stage === depths.length - 1;
    const out = kept(planes * 4, last ? all : (encoding[stage + 1] ?? all));
    for (let block = 0; block < depth; block++) {
      const name = `layers.${index}`;
      const middle = kept(planes, encoding[depths.length + index] ?? all);
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const conv = (y: string, at: number, outChannels: number, kernel: number, s: number): string =>
        convUnit(g, y, {
          outChannels,
          kernel,
          stride: s,
          activation: at < 3 ? 'relu' : null,
          names: [`${name}.conv${at}`, `${name}.bn${at}`, `${name}.bn${at}.relu`],
        });
      const y = conv(conv(conv(x, 1, middle, 1, 1), 2, middle, 3, stride), 3, out, 1, 1);
      const shortcut =
        block > 0
          ? x
          : convUnit(g, x, {
              outChannels: out,
              stride,
              activation: null,
              names: [`${name}.downsample.0`, `${name}.downsample.1`, ''],
            });
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, shortcut), 'relu');
      index++;
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const metaPruningEntries: readonly ModelEntry[] = imagenetEntries(
  {
    name: 'metapruning_resnet50_x0_5',
    summary: 'ResNet-50 with the channels that MetaPruning found at 1.0 B (Liu et al. 2019)',
    ghost: false,
  },
  metaPruningResNet50,
);
