/**
 * ShuffleNetV2 (Ma et al. 2018, table 5): channel split, one branch untouched, concatenation, shuffle. Names are
 * torchvision's.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, sequentialNames } from './conv-unit.js';
import type { GhostOptions } from './ghost-module.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';

const repeats = [4, 8, 4] as const;

/** Table 5: channels of the stem, of stages 2 to 4 and of the last convolution, by width. */
export const shuffleNetV2Channels: Readonly<Record<string, readonly number[]>> = {
  '0.5': [24, 48, 96, 192, 1024],
  '1': [24, 116, 232, 464, 1024],
  '1.5': [24, 176, 352, 704, 1024],
  '2': [24, 244, 488, 976, 2048],
};

/** A branch: the depthwise convolution of stride 1 or 2 and the pointwise ones around it. */
function branch(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly out: number;
    readonly stride: number;
    readonly expand: boolean;
    readonly ghost: GhostOptions | undefined;
  },
): string {
  const { out, stride, expand, ghost } = options;
  let y = x;
  let at = 0;
  if (expand) {
    y = convUnit(g, y, { outChannels: out, activation: 'relu', names: sequentialNames(name), ghost });
    at = 3;
  }
  const channels = g.channels(y);
  y = convUnit(g, y, {
    outChannels: channels,
    kernel: 3,
    stride,
    groups: channels,
    activation: null,
    names: [`${name}.${at}`, `${name}.${at + 1}`, ''],
  });
  return convUnit(g, y, {
    outChannels: out,
    activation: 'relu',
    names: [`${name}.${at + 2}`, `${name}.${at + 3}`, `${name}.${at + 4}`],
    ghost,
  });
}

/**
 * Input `input` [3, H, W]; output `fc` [N, classes]. Throws RangeError `BAD_SHUFFLENET` for a width that is not in the
 * table (0.5, 1, 1.5, 2). 1.0x: 2,278,604 params.
 */
export function shuffleNetV2(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0, ghost } = options;
  const channels = shuffleNetV2Channels[String(width)];
  if (!channels)
    throw rangeError('BAD_SHUFFLENET', `ShuffleNetV2: width: given ${width}, expected 0.5, 1, 1.5 or 2`);
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: channels[0] ?? 24,
    kernel: 3,
    stride: 2,
    activation: 'relu',
    names: sequentialNames('conv1'),
  });
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  repeats.forEach((count, stage) => {
    const half = (channels[stage + 1] ?? 0) >> 1;
    for (let i = 0; i < count; i++) {
      const name = `stage${stage + 2}.${i}`;
      const stride = i === 0 ? 2 : 1;
      const common = { out: half, stride, ghost };
      const left =
        i === 0
          ? branch(g, `${name}.branch1`, x, { ...common, expand: false })
          : g.slice(`${name}.left`, x, 0, half);
      const right = i === 0 ? x : g.slice(`${name}.right`, x, half, 2 * half);
      const both = g.concat(`${name}.concat`, [
        left,
        branch(g, `${name}.branch2`, right, { ...common, expand: true }),
      ]);
      x = g.shuffle(`${name}.shuffle`, both, 2);
    }
  });
  x = convUnit(g, x, {
    outChannels: channels[4] ?? 1024,
    activation: 'relu',
    names: sequentialNames('conv5'),
    ghost,
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const shuffleNetV2Entries: readonly ModelEntry[] = [0.5, 1, 1.5, 2].flatMap((width) =>
  imagenetEntries(
    {
      name: `shufflenet_v2_${widthSuffix(width)}`,
      summary: `ShuffleNetV2 ${width.toFixed(1)}x (Ma et al. 2018)`,
      ghost: width === 1,
    },
    (options) => shuffleNetV2({ width, ...options }),
  ),
);
