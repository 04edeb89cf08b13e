/**
 * VGG-16 for ImageNet (Simonyan and Zisserman 2015, configuration D): 138,357,544 params, of which the three linear
 * layers hold 123.6 M. Names are torchvision's. The CIFAR variant of the paper's tables is in vgg.ts.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';
import { vgg16Layers } from './vgg.js';

export interface ImageNetVggOptions extends FamilyOptions {
  /** The output is the last feature map [N, 512, H/32, W/32] instead of logits. Default false. */
  readonly features?: boolean;
  /** Batch norm after each convolution (torchvision's `vgg16_bn`). Default false. */
  readonly batchNorm?: boolean;
}

/** Maps of side `side` brought to 7x7 as torchvision's adaptive average pool does it, where it is exact. */
function sevenBySeven(g: GraphBuilder, x: string): string {
  const side = g.shape(x)[2] ?? 0;
  if (side === 7) return x;
  if (side % 7 === 0) return g.avgPool('avgpool', x, { kernel: side / 7 });
  if (side === 1) return g.upsample('avgpool', x, 7);
  throw rangeError(
    'BAD_VGG',
    `VGG-16: inputSize: given ${side * 32}, expected 32 or a multiple of 224, so that the last map is 1x1 or a multiple of 7x7`,
  );
}

/** Input `input` [3, H, W]; output `classifier.6` [N, classes]. Width multiplies the channels and the 4096. */
export function imageNetVgg16(options: ImageNetVggOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.5, ghost, batchNorm = false } = options;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  let index = 0;
  for (const layer of vgg16Layers) {
    if (layer === 'M') {
      x = g.maxPool(`features.${index++}`, x, { kernel: 2 });
      continue;
    }
    const outChannels = Math.max(1, Math.round(layer * width));
    if (ghost)
      x = ghostModule(g, `features.${index++}`, x, {
        outChannels,
        kernel: 3,
        ratio: ghost.ratio,
        cheapKernel: ghost.cheapKernel ?? 3,
      });
    else {
      x = g.conv2d(`features.${index++}`, x, { outChannels, kernel: 3, padding: 1, bias: true });
      if (batchNorm) x = g.batchNorm(`features.${index++}`, x);
      x = g.activation(`features.${index++}`, x, 'relu');
    }
  }
  const meta = options.meta ?? {};
  if (options.features) return g.build([x], meta);
  x = g.flatten('flatten', sevenBySeven(g, x));
  const hidden = Math.max(1, Math.round(4096 * width));
  for (const at of [0, 3]) {
    x = g.linear(`classifier.${at}`, x, { outFeatures: hidden });
    x = g.activation(`classifier.${at + 1}`, x, 'relu');
    if (dropout > 0) x = g.dropout(`classifier.${at + 2}`, x, dropout);
  }
  return g.build([g.linear('classifier.6', x, { outFeatures: classes })], meta);
}

export const imageNetVggEntries: readonly ModelEntry[] = [
  ...imagenetEntries({ name: 'vgg16', summary: 'VGG-16 (Simonyan and Zisserman 2015)' }, imageNetVgg16),
  ...imagenetEntries(
    {
      name: 'vgg16_bn',
      summary: 'VGG-16 with batch norm, as torchvision has it',
      ghost: false,
    },
    (options) => imageNetVgg16({ ...options, batchNorm: true }),
  ),
];
