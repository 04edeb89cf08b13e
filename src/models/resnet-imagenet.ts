/**
 * ResNet (He et al. 2016) and ResNeXt (Xie et al. 2017) for ImageNet in torchvision's form (stride in the 3x3) and
 * under its names; widths as Slimmable Networks (Yu et al. 2019) set them. With `ghost`, all convolutions but the 7x7
 * stem become Ghost modules, shortcuts included (section 4.2.1 of the GhostNet paper).
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import type { GhostOptions } from './ghost-module.js';
import { makeDivisible } from './ghostnet.js';
import { imagenetEntries, type ModelEntry, torchvisionMeta, widthSuffix } from './model-entry.js';

/** Table 1 of the ResNet paper: kind of block and blocks a stage. */
export const resNetRows = {
  18: { block: 'basic', depths: [2, 2, 2, 2] },
  34: { block: 'basic', depths: [3, 4, 6, 3] },
  50: { block: 'bottleneck', depths: [3, 4, 6, 3] },
} as const;

export interface ImageNetResNetOptions {
  readonly depth: keyof typeof resNetRows;
  /** Multiplies all channels, rounded to multiples of 8. Default 1. */
  readonly width?: number;
  /** Of the 3x3 convolutions of bottlenecks. Default 1. */
  readonly groups?: number;
  /** Channels a group at 64 planes. Default 64. */
  readonly groupWidth?: number;
  /** Default 1000. */
  readonly classes?: number;
  readonly ghost?: GhostOptions | undefined;
  /** Default 224. */
  readonly inputSize?: number;
  /** Outputs are the maps of the four stages (strides 4, 8, 16, 32) instead of logits. Default false. */
  readonly features?: boolean;
  /** Rate of a dropout before the classifier. Default 0. */
  readonly dropout?: number;
  readonly name: string;
  readonly meta?: GraphMeta;
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. */
export function imageNetResNet(options: ImageNetResNetOptions): Graph {
  const { width = 1, groups = 1, groupWidth = 64, classes = 1000, ghost, inputSize = 224 } = options;
  const { block: kind, depths } = resNetRows[options.depth];
  const scaled = (channels: number): number => (width === 1 ? channels : makeDivisible(channels * width, 8));
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
  const taps: string[] = [];
  depths.forEach((blocks, stage) => {
    const planes = 64 << stage;
    const out = scaled(kind === 'basic' ? planes : planes * 4);
    for (let block = 0; block < blocks; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const conv = (
        y: string,
        index: number,
        unit: { outChannels: number; kernel: number; stride?: number; groups?: number },
        relu = true,
      ): string =>
        convUnit(g, y, {
          ...unit,
          activation: relu ? 'relu' : null,
          names: [`${name}.conv${index}`, `${name}.bn${index}`, `${name}.bn${index}.relu`],
          ghost,
        });
      let y: string;
      if (kind === 'basic') {
        y = conv(x, 1, { outChannels: out, kernel: 3, stride });
        y = conv(y, 2, { outChannels: out, kernel: 3 }, false);
      } else {
        const middle = scaled(((planes * groupWidth) / 64) * groups);
        y = conv(x, 1, { outChannels: middle, kernel: 1 });
        y = conv(y, 2, { outChannels: middle, kernel: 3, stride, groups });
        y = conv(y, 3, { outChannels: out, kernel: 1 }, false);
      }
      let shortcut = x;
      if (block === 0 && (stride !== 1 || g.channels(x) !== out))
        shortcut = convUnit(g, x, {
          outChannels: out,
          stride,
          activation: null,
          names: [`${name}.downsample.0`, `${name}.downsample.1`, ''],
          ghost,
        });
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, shortcut), 'relu');
    }
    taps.push(x);
  });
  const meta = options.meta ?? {};
  if (options.features) return g.build(taps, meta);
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (options.dropout) x = g.dropout('dropout', x, options.dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], meta);
}

/** ResNet-50 and its paper's ghost forms (table 6) are older entries of the registry; these are the others. */
export const resNetEntries: readonly ModelEntry[] = [
  ...([18, 34] as const).flatMap((depth) =>
    imagenetEntries(
      { name: `resnet${depth}`, summary: `ResNet-${depth} (He et al. 2016)`, meta: torchvisionMeta },
      (options) => imageNetResNet({ ...options, depth }),
    ),
  ),
  ...imagenetEntries(
    { name: 'resnext50_32x4d', summary: 'ResNeXt-50, 32 groups of 4 channels (Xie et al. 2017)' },
    (options) => imageNetResNet({ ...options, depth: 50, groups: 32, groupWidth: 4 }),
  ),
  ...[0.25, 0.5, 0.75].flatMap((width) =>
    imagenetEntries(
      {
        name: `slimmable_resnet50_${widthSuffix(width)}`,
        summary: `ResNet-50 at ${width}x width, as Slimmable Networks set it (Yu et al. 2019)`,
        ghost: false,
      },
      (options) => imageNetResNet({ width, ...options, depth: 50 }),
    ),
  ),
];
