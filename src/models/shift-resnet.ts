/**
 * Shift-ResNet for CIFAR (Wu et al. 2018): ResNet-20, 56 and 110 whose 3x3 convolutions are a 1x1 convolution, a shift
 * of each channel by a fixed pixel offset (no parameters, no arithmetic), and a 1x1 convolution. Its form is the
 * authors' repository's; names too (`layer1.0.conv1`). The ImageNet form is in shift-resnet-imagenet.ts.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import type { Pair } from '../graph/nodes.js';
import { convUnit } from './conv-unit.js';
import type { FamilyOptions } from './model-entry.js';

export interface ShiftResNetOptions extends FamilyOptions {
  /** 20, 56 or 110: 6n + 2. */
  readonly depth: number;
  /** Channels between the two 1x1 convolutions, as a multiple of the block's. Default 1. */
  readonly expansion?: number;
}

/** The nine offsets of a 3x3 neighbourhood, each for an equal run of channels; what is left over stays in place. */
export function shiftOffsets(channels: number): readonly Pair[] {
  const run = Math.floor(channels / 9);
  return Array.from({ length: channels }, (_, c): Pair => {
    const at = run === 0 ? 9 : Math.floor(c / run);
    return at < 9 ? [Math.floor(at / 3) - 1, (at % 3) - 1] : [0, 0];
  });
}

/** Input `input` [3, H, W]; output `linear` [N, classes]. */
export function shiftResNet(options: ShiftResNetOptions): Graph {
  const { depth, expansion = 1, classes = 10, inputSize = 32 } = options;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, { outChannels: 16, kernel: 3, activation: 'relu', names: ['conv1', 'bn1', 'relu'] });
  [16, 32, 64].forEach((out, stage) => {
    for (let i = 0; i < (depth - 2) / 6; i++) {
      const name = `layer${stage + 1}.${i}`;
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const conv = (y: string, at: number, outChannels: number, s: number): string =>
        convUnit(g, y, {
          outChannels,
          stride: s,
          activation: 'relu',
          names: [`${name}.conv${at}`, `${name}.bn${at}`, `${name}.bn${at}.relu`],
        });
      let y = conv(x, 1, Math.floor(out * expansion), 1);
      y = g.shift(`${name}.shift2`, y, shiftOffsets(g.channels(y)));
      y = conv(y, 2, out, stride);
      const short =
        stride === 1 && g.channels(x) === out
          ? x
          : convUnit(g, x, {
              outChannels: out,
              stride,
              activation: null,
              names: [`${name}.shortcut.0`, `${name}.shortcut.1`, ''],
            });
      x = g.add(`${name}.add`, y, short);
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('linear', x, { outFeatures: classes })], options.meta ?? {});
}
