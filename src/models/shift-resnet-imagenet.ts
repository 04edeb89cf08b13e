/**
 * Shift-ResNet-50 for ImageNet (Wu et al. 2018): the bottleneck's 3x3 convolution is a 1x1 convolution, a shift and a
 * 1x1 convolution, as in the CIFAR networks of shift-resnet.ts. A reconstruction: its authors published no code of it, and no
 * text that we could read says the expansion or the width of the 6.0 M network of the GhostNet paper's table 6. Expansion 3 and
 * half of all channels give 5,985,864 params, as half of ResNet-50's channels give the 6.9 M of Slimmable Networks.
 */
import type { Graph } from '../graph/graph.js';
import { bottleneckResNet50 } from './bottleneck-resnet.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';
import { shiftOffsets } from './shift-resnet.js';

export interface ImageNetShiftResNetOptions extends FamilyOptions {
  /** Channels that are shifted, as a multiple of the bottleneck's. Default 3. */
  readonly expansion?: number;
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. Width multiplies all channels. */
export function imageNetShiftResNet50(options: ImageNetShiftResNetOptions): Graph {
  const { width = 1, expansion = 3 } = options;
  const scaled = (channels: number): number => Math.max(1, Math.round(channels * width));
  return bottleneckResNet50(options, {
    stemChannels: scaled(64),
    stemNames: ['conv1', 'bn1', 'bn1.relu'],
    outChannels: (stage) => scaled(256 << stage),
    blockName: ({ stage, block }) => `layer${stage + 1}.${block}`,
    body: (g, x, { name, stage, stride, out, conv }) => {
      const outChannels = scaled(64 << stage);
      let y = conv(x, '1', { outChannels });
      y = conv(y, '2a', { outChannels: outChannels * expansion });
      y = g.shift(`${name}.shift2`, y, shiftOffsets(g.channels(y)));
      return conv(conv(y, '2b', { outChannels, stride }), '3', { outChannels: out }, false);
    },
  });
}

export const imageNetShiftResNetEntries: readonly ModelEntry[] = [1, 0.5].flatMap((width) =>
  imagenetEntries(
    {
      name: width === 1 ? 'shiftresnet50-3' : `shiftresnet50-3-${widthSuffix(width)}`,
      summary: `Shift-ResNet-50, expansion 3${width === 1 ? '' : `, ${width}x width`} (after Wu et al. 2018, a reconstruction)`,
      ghost: false,
    },
    (options) => imageNetShiftResNet50({ width, ...options }),
  ),
);
