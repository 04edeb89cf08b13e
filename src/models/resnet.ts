/**
 * ResNet (He et al. 2016) in the two forms the paper works with: the CIFAR networks of depth 6n+2 with parameter-free
 * shortcuts (option A), and ResNet-50 with bottlenecks (torchvision's names). With `ghost`, convolutions become Ghost
 * modules (sections 4.1.2 and 4.2.1); which ones is stated at each function.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { type GhostOptions, ghostModule } from './ghost-module.js';
import { imageNetResNet } from './resnet-imagenet.js';

export interface CifarResNetOptions {
  /** 6n + 2: 20, 32, 44, 56, 110. */
  readonly depth: number;
  /** Default 10. */
  readonly classes?: number;
  /** Ghost modules instead of all 3x3 convolutions. Default none. */
  readonly ghost?: GhostOptions;
  readonly inputSize?: number;
  readonly name?: string;
  readonly meta?: GraphMeta;
}

/** A convolution with batch norm (and ReLU), or the Ghost module in its place. */
function unit(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly outChannels: number;
    readonly kernel: number;
    readonly stride: number;
    readonly relu: boolean;
    readonly ghost: GhostOptions | undefined;
    /** PyTorch names of the convolution and the batch norm. */
    readonly names: readonly [string, string];
  },
): string {
  const { outChannels, kernel, stride, relu, ghost } = options;
  const prefix = name === '' ? '' : `${name}.`;
  const [conv, norm] = options.names;
  if (ghost)
    return ghostModule(g, `${prefix}${conv}`, x, {
      outChannels,
      kernel,
      stride,
      ratio: ghost.ratio,
      cheapKernel: ghost.cheapKernel ?? 3,
      activation: relu ? 'relu' : null,
    });
  let y = g.conv2d(`${prefix}${conv}`, x, { outChannels, kernel, stride, padding: 'same' });
  y = g.batchNorm(`${prefix}${norm}`, y);
  return relu ? g.activation(`${prefix}${norm}.relu`, y, 'relu') : y;
}

/** Option A shortcut: every second pixel, zeros for the new channels; nothing is learned. */
function optionA(g: GraphBuilder, name: string, x: string, outChannels: number): string {
  const half = g.avgPool(`${name}.subsample`, x, { kernel: 1, stride: 2 });
  return g.padChannels(name, half, 0, outChannels - g.channels(x));
}

/**
 * ResNet-20 .. 110 for 32x32 images. Input `input` [3, H, W]; output `fc` [N, classes].
 * ResNet-56 has 853,018 params; its ghost form with d=3 has 438,010. Throws RangeError `BAD_RESNET`.
 */
export function cifarResNet(options: CifarResNetOptions): Graph {
  const { depth, classes = 10, ghost, inputSize = 32 } = options;
  if (!Number.isInteger(depth) || depth < 8 || (depth - 2) % 6 !== 0)
    throw rangeError('BAD_RESNET', `CIFAR ResNet: depth: given ${depth}, expected 6n + 2, e.g. 20 or 56`);
  const blocks = (depth - 2) / 6;
  const g = new GraphBuilder(options.name ?? `${ghost ? 'ghost-' : ''}resnet${depth}-cifar`);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = unit(g, '', x, { outChannels: 16, kernel: 3, stride: 1, relu: true, ghost, names: ['conv1', 'bn1'] });
  [16, 32, 64].forEach((outChannels, stage) => {
    for (let block = 0; block < blocks; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const common = { outChannels, kernel: 3, ghost };
      let y = unit(g, name, x, { ...common, stride, relu: true, names: ['conv1', 'bn1'] });
      y = unit(g, name, y, { ...common, stride: 1, relu: false, names: ['conv2', 'bn2'] });
      const shortcut = stride === 1 ? x : optionA(g, `${name}.shortcut`, x, outChannels);
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, shortcut), 'relu');
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export interface ResNet50Options {
  /** Default 1000. */
  readonly classes?: number;
  /** Ghost modules instead of all convolutions but the 7x7 stem, shortcuts included. Default none. */
  readonly ghost?: GhostOptions;
  readonly inputSize?: number;
  /** Multiplies all channels. Default 1. */
  readonly width?: number;
  /** Outputs are the maps of the four stages (strides 4, 8, 16, 32) instead of logits. Default false. */
  readonly features?: boolean;
  readonly name?: string;
  readonly meta?: GraphMeta;
}

/**
 * ResNet-50 (v1.5: stride in the 3x3), 25,557,032 params and 4,089,184,256 MACs at 224x224; with ghost s=2
 * 13,953,512 / 2,151,023,360, with s=4 8,151,752 / 1,181,942,912.
 * Input `input` [3, H, W]; output `fc` [N, classes]. Names are torchvision's.
 */
export function resNet50(options: ResNet50Options = {}): Graph {
  const suffix = options.ghost ? `-s${options.ghost.ratio}` : '';
  const name = options.name ?? `${options.ghost ? 'ghost-' : ''}resnet50${suffix}`;
  return imageNetResNet({ ...options, depth: 50, name });
}
