/**
 * GhostNet (table 1 of the paper, with the details that only the official code has: the kernel sizes, SE with a
 * hard-sigmoid gate, the shortcut). The table is data; the builder below turns it into a graph whose node and
 * parameter names are the official checkpoint's, so that it loads as it is.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { CheapOperation, Graph, GraphMeta } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';

/** One Ghost bottleneck: kernel, expansion (#exp), output channels, SE ratio (0 for none), stride. */
export type BottleneckRow = readonly [kernel: number, exp: number, out: number, se: number, stride: number];

/** Table 1, grouped into the official code's stages: a stage ends where the resolution is halved next. */
export const ghostNetStages: readonly (readonly BottleneckRow[])[] = [
  [[3, 16, 16, 0, 1]],
  [[3, 48, 24, 0, 2]],
  [[3, 72, 24, 0, 1]],
  [[5, 72, 40, 0.25, 2]],
  [[5, 120, 40, 0.25, 1]],
  [[3, 240, 80, 0, 2]],
  [
    [3, 200, 80, 0, 1],
    [3, 184, 80, 0, 1],
    [3, 184, 80, 0, 1],
    [3, 480, 112, 0.25, 1],
    [3, 672, 112, 0.25, 1],
  ],
  [[5, 672, 160, 0.25, 2]],
  [
    [5, 960, 160, 0, 1],
    [5, 960, 160, 0.25, 1],
    [5, 960, 160, 0, 1],
    [5, 960, 160, 0.25, 1],
  ],
];

export interface GhostNetOptions {
  /** Multiplies all widths but the 1280 of the head. Default 1. */
  readonly width?: number;
  /** Default 1000. */
  readonly classes?: number;
  /** Side of the square input, or [height, width]. Default 224. */
  readonly inputSize?: number | readonly [number, number];
  /** Rate of the dropout before the classifier. Default 0.2, as the official code. */
  readonly dropout?: number;
  /** s of all Ghost modules. Default 2. */
  readonly ratio?: number;
  /** d of all Ghost modules. Default 3. */
  readonly cheapKernel?: number;
  /** The linear operation that makes the ghosts. Default 'depthwise'. */
  readonly cheapOperation?: CheapOperation;
  /** Stride of the stem; 1 suits small images. Default 2. */
  readonly stemStride?: 1 | 2;
  /** Outputs are the last feature maps at strides 4, 8, 16 and 32 instead of logits. Default false. */
  readonly features?: boolean;
  readonly name?: string;
  readonly meta?: GraphMeta;
}

/** Rounds channels to a multiple of `divisor`, never below 90 % of the wish (MobileNet's rule, as the official code). */
export function makeDivisible(value: number, divisor = 4): number {
  const rounded = Math.max(divisor, Math.floor((value + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * value ? rounded + divisor : rounded;
}

/** The normalisation that ImageNet networks are trained with. */
export const imagenetPreprocessing = {
  resizeShortSide: 256,
  interpolation: 'bicubic',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

interface BottleneckOptions {
  readonly row: BottleneckRow;
  readonly exp: number;
  readonly out: number;
  readonly ratio: number;
  readonly cheapKernel: number;
  readonly cheapOperation: CheapOperation;
}

/** Squeeze-and-excite with the official code's sizes: reduction rounded to a multiple of 4, hard-sigmoid gate. */
export function squeezeExcite(g: GraphBuilder, name: string, x: string, seRatio: number): string {
  const channels = g.channels(x);
  let gate = g.globalAvgPool(`${name}.avg_pool`, x);
  gate = g.conv2d(`${name}.conv_reduce`, gate, {
    outChannels: makeDivisible(channels * seRatio),
    bias: true,
  });
  gate = g.activation(`${name}.act1`, gate, 'relu');
  gate = g.conv2d(`${name}.conv_expand`, gate, { outChannels: channels, bias: true });
  gate = g.activation(`${name}.gate_fn`, gate, 'hardSigmoid');
  return g.mul(`${name}.mul`, x, gate);
}

/** A Ghost bottleneck (figure 3) on [N, C, H, W]; returns its output node, [N, out, H/stride, W/stride]. */
export function ghostBottleneck(
  g: GraphBuilder,
  name: string,
  x: string,
  options: BottleneckOptions,
): string {
  const [kernel, , , se, stride] = options.row;
  const { exp, out, ratio, cheapKernel, cheapOperation } = options;
  const ghost = { ratio, cheapKernel, cheapOperation };
  let y = ghostModule(g, `${name}.ghost1`, x, { ...ghost, outChannels: exp });
  if (stride > 1) {
    y = g.conv2d(`${name}.conv_dw`, y, { outChannels: exp, kernel, stride, padding: 'same', groups: exp });
    y = g.batchNorm(`${name}.bn_dw`, y);
  }
  if (se > 0) y = squeezeExcite(g, `${name}.se`, y, se);
  y = ghostModule(g, `${name}.ghost2`, y, { ...ghost, outChannels: out, activation: null });
  const inChannels = g.channels(x);
  let shortcut = x;
  if (stride !== 1 || inChannels !== out) {
    const s = `${name}.shortcut`;
    shortcut = g.conv2d(`${s}.0`, x, {
      outChannels: inChannels,
      kernel,
      stride,
      padding: 'same',
      groups: inChannels,
    });
    shortcut = g.batchNorm(`${s}.1`, shortcut);
    shortcut = g.conv2d(`${s}.2`, shortcut, { outChannels: out });
    shortcut = g.batchNorm(`${s}.3`, shortcut);
  }
  return g.add(`${name}.add`, y, shortcut);
}

/** Output nodes of a network's stages by total stride, for detectors and segmenters. */
export interface FeatureTap {
  readonly node: string;
  readonly stride: number;
  readonly channels: number;
}

/**
 * GhostNet as a graph. Input `input` [C=3, H, W]; output `classifier` [N, classes], or with `features` the last maps
 * at strides 4, 8, 16, 32 ([N, C, H/stride, W/stride] each, in that order).
 * Throws RangeError `BAD_GHOSTNET` or `BAD_GHOST_MODULE`.
 */
export function ghostNet(options: GhostNetOptions = {}): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, ratio = 2, cheapKernel = 3 } = options;
  const cheapOperation = options.cheapOperation ?? 'depthwise';
  const check = (argument: string, value: number, ok: boolean, expected: string): void => {
    if (!ok) throw rangeError('BAD_GHOSTNET', `GhostNet: ${argument}: given ${value}, expected ${expected}`);
  };
  check('width', width, width > 0 && width <= 16, 'a number above 0 and at most 16');
  check('classes', classes, Number.isInteger(classes) && classes > 0, 'a whole number of at least 1');
  const [height, imageWidth] = typeof inputSize === 'number' ? [inputSize, inputSize] : inputSize;
  const g = new GraphBuilder(options.name ?? `ghostnet-${width.toFixed(1)}x`);
  const stemStride = options.stemStride ?? 2;
  let x = g.input('input', [3, height, imageWidth]);
  x = g.conv2d('conv_stem', x, {
    outChannels: makeDivisible(16 * width),
    kernel: 3,
    stride: stemStride,
    padding: 1,
  });
  x = g.activation('act1', g.batchNorm('bn1', x), 'relu');
  const taps: FeatureTap[] = [];
  let stride: number = stemStride;
  const tap = (node: string): void => {
    const entry = { node, stride, channels: g.channels(node) };
    if (taps.at(-1)?.stride === stride) taps.pop();
    taps.push(entry);
  };
  tap(x);
  ghostNetStages.forEach((stage, i) => {
    stage.forEach((row, j) => {
      const [, exp, out, , rowStride] = row;

      x = ghostBottleneck(g, `blocks.${i}.${j}`, x, {
        row,
        exp: makeDivisible(exp * width),
        out: makeDivisible(out * width),
        ratio,
        cheapKernel,
        cheapOperation,
      });
      stride *= rowStride;
      tap(x);
    });
  });
  const meta: GraphMeta = options.meta ?? { preprocessing: imagenetPreprocessing };
  if (options.features) {
    return g.build(
      taps.filter((entry) => entry.stride >= 4).map((entry) => entry.node),
      meta,
    );
  }
  const last = `blocks.${ghostNetStages.length}.0`;
  const lastExp = ghostNetStages.at(-1)?.at(-1)?.[1] ?? 960;
  x = g.conv2d(`${last}.conv`, x, { outChannels: makeDivisible(lastExp * width) });
  x = g.activation(`${last}.act1`, g.batchNorm(`${last}.bn1`, x), 'relu');
  x = g.globalAvgPool('global_pool', x);
  x = g.conv2d('conv_head', x, { outChannels: 1280, bias: true });
  x = g.activation('act2', x, 'relu');
  x = g.flatten('flatten', x);
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  x = g.linear('classifier', x, { outFeatures: classes });
  return g.build([x], meta);
}
