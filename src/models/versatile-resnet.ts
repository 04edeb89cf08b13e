/**
 * ResNet-50 of versatile filters (Wang et al. 2018). A k x k primary filter is used whole, without its border, without
 * the next border, and so on to its centre alone; in the second form each of those also reads the input's channels from
 * two places, 0 and 1. The nested filters share numbers, so the graph holds each square ring of a filter as a 1x1
 * convolution of shifted copies of the input and adds the rings up from the centre: the same function with each product
 * made once. The first form's plain count is the printed 3.2 B; ours is 3.08 B. Convolutions that read two places share
 * one weight.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import type { Pair } from '../graph/nodes.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';
import { resNetRows } from './resnet-imagenet.js';

export interface VersatileOptions extends FamilyOptions {
  /** Whether filters are versatile over the input's channels too (v2). Default true. */
  readonly channelwise?: boolean;
}

/** The [dy, dx] at distance `radius` in the larger of both directions, row by row: 8 * radius of them, or the centre. */
export function ringOffsets(radius: number): readonly Pair[] {
  const offsets: Pair[] = [];
  for (let dy = -radius; dy <= radius; dy++)
    for (let dx = -radius; dx <= radius; dx++)
      if (Math.max(Math.abs(dy), Math.abs(dx)) === radius) offsets.push([dy, dx]);
  return offsets;
}

/** A 1x1 convolution by the weight `weight`, which other nodes may use too. */
function sharedConv(
  g: GraphBuilder,
  name: string,
  x: string,
  options: { readonly weight: string; readonly outChannels: number; readonly stride: number },
): string {
  const { weight, outChannels, stride } = options;
  const inChannels = g.channels(x);
  return g.addNode(
    {
      kind: 'conv2d',
      name,
      inputs: [x],
      inChannels,
      outChannels,
      kernel: [1, 1],
      stride: [stride, stride],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: 1,
      weight,
    },
    { [weight]: { shape: [outChannels, inChannels, 1, 1], role: 'weight' } },
  );
}

/**
 * Versatile convolution of [N, C, H, W] with padding kernel / 2 to [N, outChannels, H/stride, W/stride]; channels of the
 * result: the whole filters first, the centres last. `outChannels` is a multiple of (kernel + 1) / 2 times the places.
 */
export function versatileConv(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly outChannels: number;
    readonly kernel: number;
    readonly stride: number;
    readonly channelwise: boolean;
  },
): string {
  const { outChannels, kernel, stride, channelwise } = options;
  const channels = g.channels(x);
  const places = channelwise ? [0, 1] : [0];
  const sizes = (kernel + 1) >> 1;
  const filters = outChannels / (sizes * places.length);
  /** By size, centre first; by place. */
  const results = Array.from({ length: sizes }, (): string[] => []);
  for (const place of places) {
    const read = channelwise ? g.slice(`${name}.read_${place}`, x, place, channels - 1 + place) : x;
    for (let radius = 0; radius < sizes; radius++) {
      const offsets = ringOffsets(radius);
      const at = `${name}.ring_${radius}`;
      let y = read;
      if (radius > 0) {
        const copies = g.concat(`${at}.copies_${place}`, Array<string>(offsets.length).fill(read));
        const each = offsets.flatMap((offset) => Array<Pair>(g.channels(read)).fill(offset));
        y = g.shift(`${at}.shift_${place}`, copies, each);
      }
      y = sharedConv(g, `${at}.conv_${place}`, y, { weight: `${at}.weight`, outChannels: filters, stride });
      const inner = results[radius - 1]?.[places.indexOf(place)];
      results[radius]?.push(inner === undefined ? y : g.add(`${at}.sum_${place}`, y, inner));
    }
  }
  const parts = results.reverse().flat();
  return parts.length > 1 ? g.concat(name, parts) : (parts[0] as string);
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. Width multiplies all channels, in multiples of 8. */
export function versatileResNet50(options: VersatileOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, channelwise = true } = options;
  const scaled = (channels: number): number => Math.max(8, 8 * Math.round((channels * width) / 8));
  const g = new GraphBuilder(options.name);
  const conv = (
    y: string,
    names: readonly [conv: string, norm: string],
    layer: { outChannels: number; kernel: number; stride: number },
    relu: boolean,
  ): string => {
    const z = g.batchNorm(names[1], versatileConv(g, names[0], y, { ...layer, channelwise }));
    return relu ? g.activation(`${names[1]}.relu`, z, 'relu') : z;
  };
  let x = g.input('input', [3, inputSize, inputSize]);
  x = conv(x, ['conv1', 'bn1'], { outChannels: scaled(64), kernel: 7, stride: 2 }, true);
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  resNetRows[50].depths.forEach((depth, stage) => {
    const middle = scaled(64 << stage);
    const out = scaled(256 << stage);
    for (let block = 0; block < depth; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const at = (i: number): [string, string] => [`${name}.conv${i}`, `${name}.bn${i}`];
      let y = conv(x, at(1), { outChannels: middle, kernel: 1, stride: 1 }, true);
      y = conv(y, at(2), { outChannels: middle, kernel: 3, stride }, true);
      y = conv(y, at(3), { outChannels: out, kernel: 1, stride: 1 }, false);
      const down: [string, string] = [`${name}.downsample.0`, `${name}.downsample.1`];
      const shortcut = block > 0 ? x : conv(x, down, { outChannels: out, kernel: 1, stride }, false);
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, shortcut), 'relu');
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const versatileEntries: readonly ModelEntry[] = [1, 2].flatMap((version) =>
  imagenetEntries(
    {
      name: `versatile_v${version}_resnet50`,
      summary: `ResNet-50 of ${version === 1 ? 'spatial' : 'spatial and channel'} versatile filters (Wang et al. 2018)`,
      ghost: false,
    },
    (options) => versatileResNet50({ ...options, channelwise: version === 2 }),
  ),
);
