/**
 * Shift-ResNet-50 for ImageNet (Wu et al. 2018): the bottleneck's 3x3 convolution is a 1x1 convolution, a shift and a
 * 1x1 convolution, as in the CIFAR networks of shift-resnet.ts. Unverified: its authors published no code of it and no
 * text that we could read says the expansion and the width of the 6.0 M network of the GhostNet paper's table 6. With
 * expansion 3, an eighth of the bottleneck's channels is the nearest whole division (6.16 M).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';
import { resNetRows } from './resnet-imagenet.js';
import { shiftOffsets } from './shift-resnet.js';

export interface ImageNetShiftResNetOptions extends FamilyOptions {
  /** Channels that are shifted, as a multiple of the bottleneck's. Default 3. */
  readonly expansion?: number;
  /** Divides the channels inside the bottlenecks. Default 1. */
  readonly reduction?: number;
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. Width multiplies all channels. */
export function imageNetShiftResNet50(options: ImageNetShiftResNetOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, expansion = 3, reduction = 1 } = options;
  const scaled = (channels: number): number => Math.max(1, Math.round(channels * width));
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: scaled(64),
    kernel: 7,
    stride: 2,
    activation: 'relu',
    names: ['conv1', 'bn1', 'bn1.relu'],
  });
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  resNetRows[50].depths.forEach((depth, stage) => {
    const middle = scaled((64 << stage) / reduction);
    const out = scaled(256 << stage);
    for (let block = 0; block < depth; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const conv = (y: string, at: string, outChannels: number, s = 1, relu = true): string =>
        convUnit(g, y, {
          outChannels,
          stride: s,
          activation: relu ? 'relu' : null,
          names: [`${name}.conv${at}`, `${name}.bn${at}`, `${name}.bn${at}.relu`],
        });
      let y = conv(x, '1', middle);
      y = conv(y, '2a', middle * expansion);
      y = g.shift(`${name}.shift2`, y, shiftOffsets(g.channels(y)));
      y = conv(conv(y, '2b', middle, stride), '3', out, 1, false);
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
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const imageNetShiftResNetEntries: readonly ModelEntry[] = [1, 8].flatMap((reduction) =>
  imagenetEntries(
    {
      name: reduction === 1 ? 'shiftresnet50-3' : `shiftresnet50-3-r${reduction}`,
      summary: `Shift-ResNet-50, expansion 3${reduction === 1 ? '' : `, ${reduction} times narrower bottlenecks`} (after Wu et al. 2018, unverified)`,
      ghost: false,
    },
    (options) => imageNetShiftResNet50({ ...options, reduction }),
  ),
);
