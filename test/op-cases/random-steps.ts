/**
 * The steps that random graphs are made of: each adds an op, or a block of a few, behind a map that it fits. What the
 * steps are put together to is in random-graph.ts.
 */
import type { GraphBuilder } from '../../src/graph/builder.js';
import { activationNames, type Padding, type Pair } from '../../src/graph/nodes.js';
import { windowOutput } from '../../src/graph/shapes.js';
import { ghostModule } from '../../src/models/ghost-module.js';
import { ghostBottleneck, squeezeExcite } from '../../src/models/ghostnet.js';
import type { Random } from '../../src/models/random.js';
import { channelCounts } from './op-case.js';

/** How large maps may grow. */
export interface Limits {
  /** Channel counts to choose from. */
  readonly counts: readonly number[];
  /** Of a concatenation. */
  readonly channels: number;
  /** H * W of any map. */
  readonly pixels: number;
}

/** Small maps, with every remainder of channels modulo 4. */
export const smallLimits: Limits = { counts: channelCounts, channels: 40, pixels: 330 };

/** What a random step works with. Steps return the new node, or undefined if they do not fit this map. */
export interface Scene {
  readonly g: GraphBuilder;
  readonly random: Random;
  readonly name: string;
  readonly x: string;
  readonly shape: readonly number[];
  readonly others: readonly string[];
  readonly limits: Limits;
}

export type Step = (scene: Scene) => string | undefined;

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

export function chance(random: Random, probability: number): boolean {
  return random.uniform() < probability;
}

export function channelsFor(random: Random, limits: Limits): number {
  return pick(random, limits.counts);
}

/** A divisor of both numbers, or 1. */
function commonDivisor(random: Random, a: number, b: number): number {
  const divisors = Array.from({ length: Math.min(a, b) }, (_, i) => i + 1);
  return pick(
    random,
    divisors.filter((d) => a % d === 0 && b % d === 0),
  );
}

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
}

/** A window that fits a map of the given size. */
function randomWindow(random: Random, [h, w]: Pair, mostPixels: number): Window | undefined {
  const side = (): number => pick(random, [1, 2, 3, 3, 3, 5, 5, 7]);
  const square = side();
  const kernel: Pair = chance(random, 0.8) ? [square, square] : [side(), side()];
  const step = pick(random, [1, 1, 1, 2, 2, 3]);
  const stride: Pair = chance(random, 0.85) ? [step, step] : [step, pick(random, [1, 2])];
  const spread: Pair = chance(random, 0.85) ? [1, 1] : [1 + random.below(2), 1 + random.below(2)];
  const same = kernel.map((k, axis) => ((spread[axis] as number) * (k - 1)) >> 1) as [number, number];
  const any = (k: number): number => random.below(k);
  const padding: Padding = chance(random, 0.75)
    ? [same[0], same[1], same[0], same[1]]
    : [any(kernel[0]), any(kernel[1]), any(kernel[0]), any(kernel[1])];
  const out = [
    windowOutput(h, kernel[0], stride[0], padding[0], padding[2], spread[0]),
    windowOutput(w, kernel[1], stride[1], padding[1], padding[3], spread[1]),
  ] as const;
  if (out[0] < 1 || out[1] < 1 || out[0] * out[1] > mostPixels) return undefined;
  return { kernel, stride, padding, dilation: spread };
}

function mapOf(shape: readonly number[]): Pair | undefined {
  return shape.length === 4 ? [shape[2] as number, shape[3] as number] : undefined;
}

const convolution: Step = ({ g, random, name, x, shape, limits }) => {
  const size = mapOf(shape);
  const window = size && randomWindow(random, size, limits.pixels);
  const inChannels = shape[1] as number;
  const outChannels = channelsFor(random, limits);
  const groups = chance(random, 0.3) ? commonDivisor(random, inChannels, outChannels) : 1;
  return window && g.conv2d(name, x, { ...window, outChannels, groups, bias: chance(random, 0.5) });
};

const pointwise: Step = ({ g, random, name, x, shape, limits }) =>
  mapOf(shape) && g.conv2d(name, x, { outChannels: channelsFor(random, limits), bias: chance(random, 0.5) });

const depthwise: Step = ({ g, random, name, x, shape, limits }) => {
  const size = mapOf(shape);
  const window = size && randomWindow(random, size, limits.pixels);
  const channels = shape[1] as number;
  const outChannels = channels * pick(random, channels <= 13 ? [1, 1, 1, 2, 3] : [1]);
  return window && g.conv2d(name, x, { ...window, outChannels, groups: channels, bias: chance(random, 0.5) });
};

const norm: Step = ({ g, name, x }) => g.batchNorm(name, x);

const activation: Step = ({ g, random, name, x }) =>
  g.activation(name, x, pick(random, ['relu', 'relu', ...activationNames]));

const add: Step = ({ g, random, name, x, shape, others }) => {
  const equal = others.filter((other) => g.shape(other).join() === shape.join());
  return equal.length > 0 ? g.add(name, x, pick(random, equal)) : undefined;
};

/** A convolution back to the shape of an earlier map, and their sum: a shortcut. */
const shortcut: Step = ({ g, random, name, x, shape, others }) => {
  const fits = others.filter((other) => {
    const [, , h, w] = g.shape(other);
    return shape.length === 4 && h === shape[2] && w === shape[3];
  });
  if (fits.length === 0) return undefined;
  const other = pick(random, fits);
  let y = g.conv2d(`${name}.conv`, x, { outChannels: g.channels(other), bias: chance(random, 0.5) });
  if (chance(random, 0.5)) y = g.batchNorm(`${name}.bn`, y);
  const sum = chance(random, 0.5) ? g.add(`${name}.add`, y, other) : g.add(`${name}.add`, other, y);
  return chance(random, 0.5) ? g.activation(name, sum, 'relu') : sum;
};

/** Products only with values in 0..1, so that numbers stay small. */
const product: Step = ({ g, random, name, x, shape }) => {
  const gate = shape.length === 4 && chance(random, 0.6) ? g.globalAvgPool(`${name}.pool`, x) : x;
  return g.mul(name, x, g.activation(`${name}.gate`, gate, pick(random, ['sigmoid', 'hardSigmoid'])));
};

const squeeze: Step = ({ g, name, x, shape }) => (mapOf(shape) ? squeezeExcite(g, name, x, 0.25) : undefined);

const concat: Step = ({ g, random, name, x, shape, others, limits }) => {
  const fits = [x, ...others].filter((other) => {
    const size = g.shape(other);
    return size.length === shape.length && size[2] === shape[2] && size[3] === shape[3];
  });
  const parts = [x, ...Array.from({ length: 1 + random.below(2) }, () => pick(random, fits))];
  if (chance(random, 0.3)) parts.reverse();
  const channels = parts.reduce((sum, part) => sum + g.channels(part), 0);
  return channels <= limits.channels ? g.concat(name, parts) : undefined;
};

const slice: Step = ({ g, random, name, x, shape }) => {
  const channels = shape[1] as number;
  const start = random.below(channels);
  return g.slice(name, x, start, start + 1 + random.below(channels - start));
};

const moves: Step = ({ g, random, name, x, shape, limits }) => {
  const size = mapOf(shape);
  if (!size) return undefined;
  const channels = shape[1] as number;
  switch (random.below(5)) {
    case 3: {
      const order = Array.from({ length: channels }, (_, c) => c);
      for (let c = channels - 1; c > 0; c--) {
        const other = random.below(c + 1);
        [order[c], order[other]] = [order[other] as number, order[c] as number];
      }
      return g.permuteChannels(name, x, order);
    }
    case 0:
      return g.shuffle(name, x, commonDivisor(random, channels, channels));
    case 1:
      return channels > 20 ? undefined : g.padChannels(name, x, random.below(5), random.below(6));
    case 2:
      return g.shift(
        name,
        x,
        Array.from({ length: channels }, () => [random.below(5) - 2, random.below(5) - 2] as const),
      );
    default: {
      const scale: Pair = pick(random, [
        [2, 2],
        [1, 2],
        [3, 1],
      ]);
      return size[0] * size[1] * scale[0] * scale[1] > limits.pixels ? undefined : g.upsample(name, x, scale);
    }
  }
};

const pool: Step = ({ g, random, name, x, shape, limits }) => {
  const size = mapOf(shape);
  if (!size) return undefined;
  const window = randomWindow(random, size, limits.pixels);
  if (!window) return undefined;
  const { kernel, stride } = window;
  // at most half the kernel, so that no window lies in the padding alone
  const [top, left, bottom, right] = window.padding;
  const half = kernel.map((k) => k >> 1) as [number, number];
  const padding: Padding = [
    Math.min(top, half[0]),
    Math.min(left, half[1]),
    Math.min(bottom, half[0]),
    Math.min(right, half[1]),
  ];
  // PyTorch, whose rule ceil mode is, has it for symmetric padding only
  const symmetric = padding[0] === padding[2] && padding[1] === padding[3];
  const ceilMode = symmetric && chance(random, 0.4);
  const outs = [0, 1].map((axis) =>
    windowOutput(
      size[axis] as number,
      kernel[axis] as number,
      stride[axis] as number,
      padding[axis] as number,
      padding[axis + 2] as number,
      1,
      ceilMode,
    ),
  );
  if (outs.some((out) => out < 1) || (outs[0] as number) * (outs[1] as number) > limits.pixels)
    return undefined;
  const options = { kernel, stride, padding, ceilMode };
  if (chance(random, 0.5)) return g.maxPool(name, x, options);
  return g.avgPool(name, x, { ...options, countIncludePad: chance(random, 0.5) });
};

const ghost: Step = ({ g, random, name, x, shape, limits }) =>
  mapOf(shape) &&
  ghostModule(g, name, x, {
    outChannels: channelsFor(random, limits),
    ratio: pick(random, [1, 2, 2, 2, 3, 4]),
    kernel: pick(random, [1, 1, 3]),
    cheapKernel: pick(random, [1, 3, 3, 5]),
    activation: chance(random, 0.6) ? 'relu' : null,
    batchNorm: chance(random, 0.8),
    bias: chance(random, 0.3),
    cheapOperation: pick(random, [
      ...(['depthwise', 'depthwise', 'depthwise', 'depthwise'] as const),
      ...(['identity', 'affine', 'haar', 'shift'] as const),
    ]),
  });

/** A map and cheap maps made of it, by any depthwise window that keeps the size, with what may follow. */
const cheapHalf: Step = ({ g, random, name, x, shape, others }) => {
  if (!mapOf(shape) || (shape[1] as number) > 13) return undefined;
  const channels = shape[1] as number;
  const side = (): number => pick(random, [1, 2, 3, 5]);
  const kernel: Pair = [side(), side()];
  const dilation: Pair = [1 + random.below(2), 1 + random.below(2)];
  const [down, across] = [0, 1]
    .map((axis) => (kernel[axis] as number) - 1)
    .map((k, axis) => k * (dilation[axis] as number)) as [number, number];
  const [top, left] = [random.below(down + 1), random.below(across + 1)];
  const outChannels = channels * pick(random, [1, 1, 2]);
  const padding: Padding = [top, left, down - top, across - left];
  const cheap = g.conv2d(`${name}.cheap`, x, { outChannels, groups: channels, kernel, dilation, padding });
  let y = g.concat(`${name}.cat`, [x, cheap]);
  if (chance(random, 0.5)) y = g.batchNorm(`${name}.bn`, y);
  const equal = others.filter((other) => g.shape(other).join() === g.shape(y).join());
  if (equal.length > 0 && chance(random, 0.7)) y = g.add(`${name}.add`, y, pick(random, equal));
  return chance(random, 0.5) ? g.activation(name, y, pick(random, ['relu', 'hardSwish'])) : y;
};

const bottleneck: Step = ({ g, random, name, x, shape, limits }) => {
  if (!mapOf(shape)) return undefined;
  const [exp, out] = [
    channelsFor(random, limits),
    chance(random, 0.4) ? (shape[1] as number) : channelsFor(random, limits),
  ];
  return ghostBottleneck(g, name, x, {
    row: [pick(random, [3, 5]), exp, out, pick(random, [0, 0.25]), pick(random, [1, 2])],
    exp,
    out,
    ratio: 2,
    cheapKernel: 3,
    cheapOperation: 'depthwise',
  });
};

const flatten: Step = ({ g, random, name, x, shape }) => {
  if (shape.length === 2) return undefined;
  const pooled = chance(random, 0.6) ? g.globalAvgPool(`${name}.pool`, x) : x;
  const features = g.shape(pooled).reduce((product, size) => product * size, 1);
  return features > 400 ? undefined : g.flatten(name, pooled);
};

const linear: Step = ({ g, random, name, x, shape, limits }) =>
  shape.length === 2
    ? g.linear(name, x, { outFeatures: channelsFor(random, limits), bias: chance(random, 0.6) })
    : undefined;

/** A layer with a filter, with or without batch norm, and a hard activation. */
export const hardLayer: Step = (scene) => {
  const { g, random, name } = scene;
  const layer = pick(random, [convolution, pointwise, pointwise, depthwise, linear]);
  let y = layer({ ...scene, name: `${name}.layer` });
  if (y === undefined) return undefined;
  if (chance(random, 0.5)) y = g.batchNorm(`${name}.bn`, y);
  return g.activation(name, y, pick(random, ['hardSwish', 'hardSwish', 'hardSigmoid']));
};

const softmax: Step = ({ g, name, x }) => g.softmax(name, x);

const nothing: Step = ({ g, random, name, x }) =>
  chance(random, 0.5) ? g.identity(name, x) : g.dropout(name, x, 0.3);

/** Steps and how often they are tried. */
export const steps: readonly (readonly [Step, number])[] = [
  [convolution, 5],
  [pointwise, 4],
  [depthwise, 4],
  [norm, 3],
  [activation, 4],
  [add, 3],
  [shortcut, 3],
  [product, 1],
  [squeeze, 1],
  [concat, 4],
  [slice, 3],
  [moves, 4],
  [pool, 2],
  [ghost, 4],
  [cheapHalf, 3],
  [bottleneck, 1],
  [flatten, 2],
  [linear, 4],
  [softmax, 0.5],
  [nothing, 1],
];
