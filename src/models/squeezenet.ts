/**
 * SqueezeNet 1.0 and 1.1 (Iandola et al. 2016): fire modules without batch norm. Names are torchvision's.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';

/** A fire module: squeeze channels and channels of each of the two expansions; 'M' is a 3x3 max pool of stride 2. */
type Layer = 'M' | readonly [squeeze: number, expand: number];

/** Stem (kernel, channels) and layers by version. */
export const squeezeNetVersions: Readonly<
  Record<
    '1_0' | '1_1',
    { readonly stem: readonly [kernel: number, channels: number]; readonly layers: readonly Layer[] }
  >
> = {
  '1_0': {
    stem: [7, 96],
    layers: [
      'M',
      [16, 64],
      [16, 64],
      [32, 128],
      'M',
      [32, 128],
      [48, 192],
      [48, 192],
      [64, 256],
      'M',
      [64, 256],
    ],
  },
  '1_1': {
    stem: [3, 64],
    layers: [
      'M',
      [16, 64],
      [16, 64],
      'M',
      [32, 128],
      [32, 128],
      'M',
      [48, 192],
      [48, 192],
      [64, 256],
      [64, 256],
    ],
  },
};

export interface SqueezeNetOptions extends FamilyOptions {
  readonly version: '1_0' | '1_1';
}

/** Input `input` [3, H, W]; output `flatten` [N, classes]. 1.0: 1,248,424 params; 1.1: 1,235,496. */
export function squeezeNet(options: SqueezeNetOptions): Graph {
  const { classes = 1000, inputSize = 224, dropout = 0.5, ghost } = options;
  const { stem, layers } = squeezeNetVersions[options.version];
  const g = new GraphBuilder(options.name);
  const conv = (name: string, act: string, x: string, outChannels: number, kernel: number): string => {
    if (ghost)
      return ghostModule(g, name, x, {
        outChannels,
        kernel,
        ratio: ghost.ratio,
        cheapKernel: ghost.cheapKernel ?? 3,
        bias: true,
        batchNorm: false,
      });
    return g.activation(act, g.conv2d(name, x, { outChannels, kernel, padding: 'same', bias: true }), 'relu');
  };
  let x = g.input('input', [3, inputSize, inputSize]);
  x = g.conv2d('features.0', x, { outChannels: stem[1], kernel: stem[0], stride: 2, bias: true });
  x = g.activation('features.1', x, 'relu');
  layers.forEach((layer, i) => {
    const name = `features.${i + 2}`;
    if (layer === 'M') {
      x = g.maxPool(name, x, { kernel: 3, stride: 2, ceilMode: true });
      return;
    }
    const [squeeze, expand] = layer;
    const part = (of: string, y: string, channels: number, kernel: number): string =>
      conv(`${name}.${of}`, `${name}.${of}_activation`, y, channels, kernel);
    const squeezed = part('squeeze', x, squeeze, 1);
    x = g.concat(`${name}.concat`, [
      part('expand1x1', squeezed, expand, 1),
      part('expand3x3', squeezed, expand, 3),
    ]);
  });
  if (dropout > 0) x = g.dropout('classifier.0', x, dropout);
  x = g.conv2d('classifier.1', x, { outChannels: classes, bias: true });
  x = g.activation('classifier.2', x, 'relu');
  return g.build([g.flatten('flatten', g.globalAvgPool('classifier.3', x))], options.meta ?? {});
}

export const squeezeNetEntries: readonly ModelEntry[] = (['1_0', '1_1'] as const).flatMap((version) =>
  imagenetEntries(
    {
      name: `squeezenet${version}`,
      summary: `SqueezeNet ${version.replace('_', '.')} (Iandola et al. 2016)`,
    },
    (options) => squeezeNet({ ...options, version }),
  ),
);
