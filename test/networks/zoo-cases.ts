/**
 * The networks that torchvision 0.14 has too, small, whose output is compared with its modules' under random weights
 * (test/goldens/zoo.json, made by make.py with the twins of networks.py). Parameter names are torchvision's, so this
 * is also the proof that its state dicts load as they are.
 */
import type { Graph, Weights } from '../../src/graph/graph.js';
import { createModel } from '../../src/models/registry.js';
import { imageNetVgg16 } from '../../src/models/vgg-imagenet.js';
import { randomWeights } from '../op-cases/values.js';

export interface ZooCase {
  readonly name: string;
  readonly build: () => Graph;
  readonly batch: number;
  readonly seed: number;
  /** Multiplies the scales of batch norms: below 1 where many branches are summed, so that values do not explode. Default 1. */
  readonly normScale?: number;
}

/** The random weights of a case. */
export function caseWeights(graph: Graph, { seed, normScale = 1 }: ZooCase): Weights {
  const weights = randomWeights(graph, seed);
  if (normScale === 1) return weights;
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      graph.parameters[name]?.role === 'scale'
        ? { shape, data: data.map((value) => value * normScale) }
        : { shape, data },
    ]),
  );
}

const classes = 10;
const inputSize = 64;
const small = { classes, inputSize };

const models: readonly (readonly [name: string, build: () => Graph])[] = [
  ['mobilenet_v2', () => createModel('mobilenet_v2', small)],
  ['mobilenet_v2 width 0.5', () => createModel('mobilenet_v2_x0_5', small)],
  ['mobilenet_v3_large', () => createModel('mobilenet_v3_large', small)],
  ['mobilenet_v3_small', () => createModel('mobilenet_v3_small', small)],
  ['shufflenet_v2_x0_5', () => createModel('shufflenet_v2_x0_5', small)],
  ['shufflenet_v2_x1_0', () => createModel('shufflenet_v2_x1_0', small)],
  ['mnasnet0_5', () => createModel('mnasnet0_5', small)],
  ['mnasnet1_0', () => createModel('mnasnet1_0', small)],
  ['squeezenet1_0', () => createModel('squeezenet1_0', small)],
  ['squeezenet1_1', () => createModel('squeezenet1_1', small)],
  ['resnet18', () => createModel('resnet18', { classes, inputSize: 32 })],
  ['resnet34', () => createModel('resnet34', { classes, inputSize: 32 })],
  ['resnext50_32x4d', () => createModel('resnext50_32x4d', { classes, inputSize: 32 })],
  ['vgg16 features', () => imageNetVgg16({ name: 'vgg16', inputSize: 32, features: true })],
  ['shufflenet_v2_x1_5', () => createModel('shufflenet_v2_x1_5', small)],
  ['shufflenet_v2_x2_0', () => createModel('shufflenet_v2_x2_0', small)],
  ['mnasnet0_75', () => createModel('mnasnet0_75', small)],
  ['mnasnet1_3', () => createModel('mnasnet1_3', small)],
  ['vgg16', () => createModel('vgg16', { classes, inputSize: 32 })],
  [
    'vgg16_bn features',
    () => imageNetVgg16({ name: 'vgg16_bn', inputSize: 32, features: true, batchNorm: true }),
  ],
];

export const zooCases: readonly ZooCase[] = models.map(([name, build], i) => ({
  name,
  build,
  batch: 1,
  seed: 40 + i,
}));
