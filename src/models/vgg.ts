/**
 * VGG-16 for CIFAR-10 (section 4.1.2): the variant that reproduces the paper's counts to the printed digit. 13
 * convolutions with batch norm and no bias, a head 512-512-10, and in the ghost form every convolution (the first
 * one too) a Ghost module: 14,986,698 params plain, 7,650,474 with s=2, d=3.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { type GhostOptions, ghostModule } from './ghost-module.js';

export interface VggOptions {
  /** Default 10. */
  readonly classes?: number;
  readonly ghost?: GhostOptions;
  readonly inputSize?: number;
  /** Multiplies all channels. Default 1. */
  readonly width?: number;
  /** Rate of the dropout in the head. Default 0.5. */
  readonly dropout?: number;
  readonly name?: string;
  readonly meta?: GraphMeta;
}

/** Output channels of the convolutions; 'M' is a 2x2 max pool. */
export const vgg16Layers = [
  64,
  64,
  'M',
  128,
  128,
  'M',
  256,
  256,
  256,
  'M',
  512,
  512,
  512,
  'M',
  512,
  512,
  512,
  'M',
] as const;

/** Input `input` [3, H, W] with H and W multiples of 32; output `classifier.3` [N, classes]. */
export function cifarVgg16(options: VggOptions = {}): Graph {
  const { classes = 10, ghost, inputSize = 32, width = 1, dropout = 0.5 } = options;
  const scaled = (channels: number): number => Math.max(1, Math.round(channels * width));
  const g = new GraphBuilder(options.name ?? `${ghost ? 'ghost-' : ''}vgg16-cifar`);
  let x = g.input('input', [3, inputSize, inputSize]);
  let index = 0;
  for (const layer of vgg16Layers) {
    const name = `features.${index++}`;
    if (layer === 'M') {
      x = g.maxPool(name, x, { kernel: 2 });
    } else if (ghost) {
      const cheapKernel = ghost.cheapKernel ?? 3;
      x = ghostModule(g, name, x, { outChannels: scaled(layer), kernel: 3, ratio: ghost.ratio, cheapKernel });
    } else {
      x = g.conv2d(name, x, { outChannels: scaled(layer), kernel: 3, padding: 1 });
      x = g.activation(`features.${index++}.relu`, g.batchNorm(`features.${index - 1}`, x), 'relu');
    }
  }
  x = g.flatten('flatten', inputSize === 32 ? x : g.globalAvgPool('avgpool', x));
  x = g.activation('classifier.1', g.linear('classifier.0', x, { outFeatures: scaled(512) }), 'relu');
  if (dropout > 0) x = g.dropout('classifier.2', x, dropout);
  return g.build([g.linear('classifier.3', x, { outFeatures: classes })], options.meta ?? {});
}
