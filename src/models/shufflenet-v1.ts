/**
 * ShuffleNetV1 (Zhang et al. 2018, table 1): grouped pointwise convolutions with channel shuffle. Channels by groups
 * and width are the authors' repository's (0.5x with 8 groups keeps 16 channels in the stem). Names are theirs.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';

const repeats = [4, 8, 4] as const;

/** Channels of the stem and of stages 2, 3 and 4, by groups and width. */
export const shuffleNetV1Channels: Readonly<Record<number, Readonly<Record<string, readonly number[]>>>> = {
  1: { '1': [24, 144, 288, 576] },
  2: { '1': [24, 200, 400, 800] },
  3: {
    '0.5': [12, 120, 240, 480],
    '1': [24, 240, 480, 960],
    '1.5': [24, 360, 720, 1440],
    '2': [48, 480, 960, 1920],
  },
  4: { '1': [24, 272, 544, 1088] },
  8: {
    '0.5': [16, 192, 384, 768],
    '1': [24, 384, 768, 1536],
    '1.5': [24, 576, 1152, 2304],
    '2': [48, 768, 1536, 3072],
  },
};

export interface ShuffleNetV1Options extends FamilyOptions {
  /** 1, 2, 3, 4 or 8. */
  readonly groups: number;
}

/** One unit (figure 2b and 2c); in and out [N, C, H, W]. */
function unit(g: GraphBuilder, name: string, x: string, out: number, groups: number, first: boolean): string {
  const stride = g.channels(x) === out ? 1 : 2;
  const middle = out >> 2;
  const inside = stride === 2 ? out - g.channels(x) : out;
  const main = `${name}.branch_main_1`;
  let y = convUnit(g, x, {
    outChannels: middle,
    groups: first ? 1 : groups,
    activation: 'relu',
    names: [`${main}.0`, `${main}.1`, `${main}.2`],
  });
  if (groups > 1) y = g.shuffle(`${name}.shuffle`, y, groups);
  y = convUnit(g, y, {
    outChannels: middle,
    kernel: 3,
    stride,
    groups: middle,
    activation: null,
    names: [`${name}.branch_main_2.0`, `${name}.branch_main_2.1`, ''],
  });
  y = convUnit(g, y, {
    outChannels: inside,
    groups,
    activation: null,
    names: [`${name}.branch_main_2.2`, `${name}.branch_main_2.3`, ''],
  });
  if (stride === 1) return g.activation(`${name}.relu`, g.add(`${name}.add`, y, x), 'relu');
  const short = g.avgPool(`${name}.branch_proj`, x, { kernel: 3, stride: 2, padding: 1 });
  return g.concat(`${name}.concat`, [short, g.activation(`${name}.relu`, y, 'relu')]);
}

/**
 * Input `input` [3, H, W]; output `classifier.0` [N, classes]. Throws RangeError `BAD_SHUFFLENET` for groups and
 * widths that are not in the table.
 */
export function shuffleNetV1(options: ShuffleNetV1Options): Graph {
  const { width = 1, groups, classes = 1000, inputSize = 224, dropout = 0 } = options;
  const channels = shuffleNetV1Channels[groups]?.[String(width)];
  if (!channels)
    throw rangeError(
      'BAD_SHUFFLENET',
      `ShuffleNetV1: groups, width: given ${groups}, ${width}, expected groups 1, 2, 3, 4, 8 at width 1, or 3 or 8 at 0.5, 1.5 or 2`,
    );
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: channels[0] ?? 24,
    kernel: 3,
    stride: 2,
    activation: 'relu',
    names: ['first_conv.0', 'first_conv.1', 'first_conv.2'],
  });
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let index = 0;
  repeats.forEach((count, stage) => {
    for (let i = 0; i < count; i++)
      x = unit(g, `features.${index++}`, x, channels[stage + 1] ?? 0, groups, stage === 0 && i === 0);
  });
  x = g.flatten('flatten', g.globalAvgPool('globalpool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('classifier.0', x, { outFeatures: classes, bias: false })], options.meta ?? {});
}

export const shuffleNetV1Entries: readonly ModelEntry[] = (
  [
    [3, 0.5],
    [3, 1],
    [3, 1.5],
    [3, 2],
    [8, 0.5],
    [8, 1],
  ] as const
).flatMap(([groups, width]) =>
  imagenetEntries(
    {
      name: `shufflenet_v1_g${groups}_${widthSuffix(width)}`,
      summary: `ShuffleNetV1 ${width.toFixed(1)}x, ${groups} groups (Zhang et al. 2018)`,
      ghost: false,
    },
    (options) => shuffleNetV1({ width, ...options, groups }),
  ),
);
