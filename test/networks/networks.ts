/**
 * The networks whose whole forward pass is compared with PyTorch: the official GhostNet structure at several widths,
 * sizes and batches, and the CIFAR and ResNet families. Weights and batch-norm statistics are random
 * (test/op-cases/values.ts); the PyTorch twins are in test/goldens/networks.py under the same names.
 */
import type { Graph } from '../../src/graph/graph.js';
import { ghostNet } from '../../src/models/ghostnet.js';
import { createModel } from '../../src/models/registry.js';

export interface NetworkCase {
  readonly name: string;
  readonly build: () => Graph;
  readonly batch: number;
  readonly seed: number;
}

export const networkCases: readonly NetworkCase[] = [
  {
    name: 'ghostnet-0.5x 96x64 batch 2',
    build: () => ghostNet({ width: 0.5, inputSize: [96, 64], classes: 100 }),
    batch: 2,
    seed: 1,
  },
  {
    name: 'ghostnet-1.0x 64x96 batch 2',
    build: () => ghostNet({ width: 1, inputSize: [64, 96] }),
    batch: 2,
    seed: 2,
  },
  {
    name: 'ghostnet-1.3x 75x106 batch 1',
    build: () => ghostNet({ width: 1.3, inputSize: [75, 106], classes: 10 }),
    batch: 1,
    seed: 3,
  },
  {
    name: 'ghostnet-0.7x s3 d5 stem stride 1 32x32 batch 3',
    build: () =>
      ghostNet({ width: 0.7, inputSize: 32, classes: 10, stemStride: 1, ratio: 3, cheapKernel: 5 }),
    batch: 3,
    seed: 4,
  },
  { name: 'ghostnet-32 batch 2', build: () => createModel('ghostnet-32'), batch: 2, seed: 5 },
  { name: 'resnet20-cifar batch 2', build: () => createModel('resnet20-cifar'), batch: 2, seed: 6 },
  {
    name: 'ghost-resnet20-cifar batch 2',
    build: () => createModel('ghost-resnet20-cifar'),
    batch: 2,
    seed: 7,
  },
  {
    name: 'ghost-resnet56-bn-after batch 1',
    build: () => createModel('ghost-resnet56-bn-after'),
    batch: 1,
    seed: 8,
  },
  { name: 'ghost-vgg16-cifar batch 1', build: () => createModel('ghost-vgg16-cifar'), batch: 1, seed: 9 },
  {
    name: 'ghost-vgg16-cifar s5 batch 1',
    build: () => createModel('ghost-vgg16-cifar', { ratio: 5, classes: 7 }),
    batch: 1,
    seed: 10,
  },
  {
    name: 'resnet50 64x64 batch 1',
    build: () => createModel('resnet50', { inputSize: 64 }),
    batch: 1,
    seed: 11,
  },
  {
    name: 'ghost-resnet50-s4 64x64 batch 1',
    build: () => createModel('ghost-resnet50-s4', { inputSize: 64 }),
    batch: 1,
    seed: 12,
  },
];
