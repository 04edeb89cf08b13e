/**
 * ResNet-50 with the channels that MetaPruning (Liu et al. 2019) found: a number from 0 to 30 for the stem, for each of
 * the first three stages' outputs and for the inside of each of the 16 bottlenecks says which part of ResNet-50's
 * channels stays. The one encoding that its authors published is that of table 6 (1.0 B); the one of their 2.0 B network
 * is not published. Names are the authors' code's (`layers.0.conv1`).
 */
import { rangeError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { bottleneckResNet50 } from './bottleneck-resnet.js';
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
  const { width = 1, encoding = metaPruningEncoding } = options;
  const { depths } = resNetRows[50];
  const blocks = depths.reduce((sum, depth) => sum + depth, 0);
  const codes = depths.length + blocks;
  if (encoding.length !== codes || encoding.some((code) => !Number.isInteger(code) || code < 0 || code > 30))
    throw rangeError(
      'BAD_ENCODING',
      `MetaPruning: encoding: given [${encoding.join(', ')}], expected ${codes} whole numbers from 0 to 30`,
    );
  const kept = (channels: number, code: number | undefined = 30): number =>
    Math.max(1, Math.round(keptChannels(channels, code) * width));
  const lastStage = depths.length - 1;
  return bottleneckResNet50(options, {
    stemChannels: kept(64, encoding[0]),
    stemNames: ['conv1', 'bn1', 'relu'],
    outChannels: (stage) => kept(256 << stage, stage === lastStage ? 30 : encoding[stage + 1]),
    blockName: ({ index }) => `layers.${index}`,
    body: (_, x, { stage, index, stride, out, conv }) => {
      const outChannels = kept(64 << stage, encoding[depths.length + index]);
      const inner = conv(conv(x, '1', { outChannels }), '2', { outChannels, kernel: 3, stride });
      return conv(inner, '3', { outChannels: out }, false);
    },
  });
}

export const metaPruningEntries: readonly ModelEntry[] = imagenetEntries(
  {
    name: 'metapruning_resnet50_x0_5',
    summary: 'ResNet-50 with the channels that MetaPruning found at 1.0 B (Liu et al. 2019)',
    ghost: false,
  },
  metaPruningResNet50,
);
