/**
 * FE-Net (Chen et al. 2019, "All You Need Is a Few Shifts"): inverted bottlenecks of two 1x1 convolutions with a shift
 * of each channel between them. A block lets half of its channels wait for its last unit, a quarter for the one before,
 * and so on. Structure and names are those of the authors' code (`feblock1.resibssl_1.conv1`); the hidden channels of
 * the pooling units are a multiple of their input, which gives the printed 301 M and 563 M (the code that was released
 * multiplies the output, 410 M and 773 M). Offsets are learned there; here they are what learning starts from.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry, widthSuffix } from './model-entry.js';
import { shiftOffsets } from './shift-resnet.js';

/** Units of the block, output channels as a multiple of the stem's 16, and whether the last unit halves the map. */
export const feNetRows = [
  { units: 3, channels: 4, halves: true },
  { units: 4, channels: 8, halves: true },
  { units: 4, channels: 8, halves: false },
  { units: 4, channels: 16, halves: true },
  { units: 3, channels: 16, halves: false },
] as const;

/** Channels of the last convolution, by width, from the authors' training logs. */
export const feNetHeads = [
  { width: 1, head: 1380 },
  { width: 1.375, head: 1932 },
] as const;

const expansion = 6;

/** What stands between the two 1x1 convolutions of a unit. */
type Middle = 'shift' | 'pool';

/** 1x1 convolution to `hidden` channels, a shift or a 2x2 average, 1x1 convolution to `out`; linear at the end. */
function unit(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly hidden: number;
    readonly out: number;
    readonly middle: Middle;
    readonly residual?: boolean;
  },
): string {
  const { hidden, out, middle, residual = false } = options;
  let y = convUnit(g, x, {
    outChannels: hidden,
    activation: 'relu',
    names: [`${name}.conv1`, `${name}.bn1`, `${name}.bn1.relu`],
  });
  y =
    middle === 'shift'
      ? g.shift(`${name}.shift2`, y, shiftOffsets(hidden))
      : g.avgPool(`${name}.shift2`, y, { kernel: 2 });
  y = convUnit(g, y, { outChannels: out, activation: null, names: [`${name}.conv2`, `${name}.bn2`, ''] });
  return residual ? g.add(`${name}.add`, y, x) : y;
}

/** A block (figure 4 of that paper): unit i of n works on the last 2^i / 2^(n-1) of the channels, the last one on all. */
function feBlock(
  g: GraphBuilder,
  name: string,
  x: string,
  options: { readonly units: number; readonly out: number; readonly halves: boolean },
): string {
  const { units, out, halves } = options;
  const channels = g.channels(x);
  let from = channels - channels / 2 ** (units - 1);
  let y = g.slice(`${name}.split_1`, x, from, channels);
  for (let i = 1; i < units; i++) {
    const active = g.channels(y);
    y = unit(g, `${name}.resibssl_${i}`, y, {
      hidden: active * expansion,
      out: active,
      middle: 'shift',
      residual: true,
    });
    const waiting = g.slice(`${name}.wait_${i}`, x, from - active, from);
    from -= active;
    y = g.concat(`${name}.concat_${i}`, [waiting, y]);
  }
  return unit(g, `${name}.${halves ? 'ibpool' : 'ibssl'}`, y, {
    hidden: channels * expansion,
    out,
    middle: halves ? 'pool' : 'shift',
  });
}

/**
 * Input `input` [3, H, W] with sides that are multiples of 32; output `fc` [N, classes]. Width multiplies all channels,
 * the last convolution's (`head`) from 1380 on except at the two published widths.
 */
export function feNet(options: FamilyOptions & { readonly head?: number }): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2 } = options;
  const stem = Math.max(2, 2 * Math.round((16 * width) / 2));
  const published = feNetHeads.find((row) => row.width === width)?.head;
  const { head = published ?? Math.round(1380 * width) } = options;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: stem,
    kernel: 3,
    stride: 2,
    activation: null,
    names: ['conv1', 'bn1', ''],
  });
  x = unit(g, 'ibssl', x, { hidden: stem * 4, out: stem, middle: 'shift' });
  x = unit(g, 'ibpool', x, { hidden: stem * 5, out: stem * 2, middle: 'pool' });
  feNetRows.forEach(({ units, channels, halves }, i) => {
    x = feBlock(g, `feblock${i + 1}`, x, { units, out: stem * channels, halves });
  });
  x = convUnit(g, x, { outChannels: head, activation: 'relu', names: ['conv2', 'bn2', 'bn2.relu'] });
  x = g.flatten('flatten', g.globalAvgPool('gap', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const feNetEntries: readonly ModelEntry[] = feNetHeads.flatMap(({ width }) =>
  imagenetEntries(
    {
      name: `fe_net_${widthSuffix(width)}`,
      summary: `FE-Net ${width.toFixed(width === 1 ? 1 : 3)}x (Chen et al. 2019)`,
      ghost: false,
    },
    (options) => feNet({ width, ...options }),
  ),
);
