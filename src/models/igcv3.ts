/**
 * IGCV3-D (Sun et al. 2018): MobileNetV2's table with twice the blocks, its 1x1 convolutions in two groups, and
 * permutations between them.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, sequentialNames } from './conv-unit.js';
import { makeDivisible } from './ghostnet.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';

/** Expansion, output channels, repeats, stride of the first. */
export const igcV3Rows = [
  [1, 16, 1, 1],
  [6, 24, 4, 2],
  [6, 32, 6, 2],
  [6, 64, 8, 2],
  [6, 96, 6, 1],
  [6, 160, 6, 2],
  [6, 320, 1, 1],
] as const;

const groups = 2;

/** Input `input` [3, H, W]; output `classifier` [N, classes]. 1.0: 3,491,688 params. */
export function igcV3(options: FamilyOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2 } = options;
  const scaled = (channels: number): number => makeDivisible(channels * width, 8);
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: scaled(32),
    kernel: 3,
    stride: 2,
    activation: 'relu6',
    names: sequentialNames('features.0'),
  });
  let index = 1;
  for (const [expansion, channels, repeats, firstStride] of igcV3Rows)
    for (let i = 0; i < repeats; i++) {
      const name = `features.${index++}`;
      const stride = i === 0 ? firstStride : 1;
      const outChannels = scaled(channels);
      const expanded = g.channels(x) * expansion;
      let y = x;
      y = convUnit(g, y, {
        outChannels: expanded,
        groups,
        activation: null,
        names: sequentialNames(`${name}.expand`),
      });
      y = g.shuffle(`${name}.permute1`, y, groups);
      y = convUnit(g, y, {
        outChannels: expanded,
        kernel: 3,
        stride,
        groups: expanded,
        activation: 'relu6',
        names: sequentialNames(`${name}.depthwise`),
      });
      y = convUnit(g, y, {
        outChannels,
        groups,
        activation: null,
        names: sequentialNames(`${name}.project`),
      });
      y = g.shuffle(`${name}.permute2`, y, groups);
      x = stride === 1 && g.channels(x) === outChannels ? g.add(`${name}.add`, y, x) : y;
    }
  x = convUnit(g, x, {
    outChannels: makeDivisible(1280 * Math.max(1, width), 8),
    activation: 'relu6',
    names: sequentialNames(`features.${index}`),
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('classifier', x, { outFeatures: classes })], options.meta ?? {});
}

export const igcV3Entries: readonly ModelEntry[] = imagenetEntries(
  { name: 'igcv3', summary: 'IGCV3-D 1.0x (Sun et al. 2018)', ghost: false },
  igcV3,
);
