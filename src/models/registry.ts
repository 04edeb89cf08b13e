/**
 * Networks by name. An entry is data and a builder; nothing here holds weights.
 */
import { rangeError } from '../errors.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { fbNetEntries } from './fbnet.js';
import { feNetEntries } from './fe-net.js';
import { gGhostRegNetEntries } from './g-ghost-regnet.js';
import { cifar10Labels, ghostResNet56BnAfter } from './ghost-resnet-bn-after.js';
import { ghostNet } from './ghostnet.js';
import { ghostNet32 } from './ghostnet-cifar.js';
import { ghostNetV2Entries } from './ghostnet-v2.js';
import { igcV3Entries } from './igcv3.js';
import { metaPruningEntries } from './meta-pruning.js';
import { mnasNetEntries } from './mnasnet.js';
import { mobileNetV1Entries } from './mobilenet-v1.js';
import { mobileNetV2Entries } from './mobilenet-v2.js';
import { mobileNetV3Entries } from './mobilenet-v3.js';
import { type ModelEntry, type ModelOptions, torchvisionMeta } from './model-entry.js';
import { proxylessEntries } from './proxyless-nas.js';
import { cifarResNet, resNet50 } from './resnet.js';
import { resNetEntries } from './resnet-imagenet.js';
import { shiftResNet } from './shift-resnet.js';
import { imageNetShiftResNetEntries } from './shift-resnet-imagenet.js';
import { shuffleNetV1Entries } from './shufflenet-v1.js';
import { shuffleNetV2Entries } from './shufflenet-v2.js';
import { squeezeNetEntries } from './squeezenet.js';
import { versatileEntries } from './versatile-resnet.js';
import { cifarVgg16 } from './vgg.js';
import { imageNetVggEntries } from './vgg-imagenet.js';
import { xceptionEntries } from './xception.js';

export type { ModelEntry, ModelOptions } from './model-entry.js';

/** Normalisation of CIFAR-10 (mean and standard deviation of its training set), whole picture to 32x32. */
export const cifarPreprocessing = {
  interpolation: 'bilinear',
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
} as const;

const cifarMeta: GraphMeta = { preprocessing: cifarPreprocessing, labels: cifar10Labels };

function cifarMetaFor(options: ModelOptions): { readonly meta: GraphMeta } {
  const { preprocessing } = cifarMeta;
  const ten = (options.classes ?? 10) === 10;
  return { meta: options.meta ?? (ten || !preprocessing ? cifarMeta : { preprocessing }) };
}

function ghostOf(options: ModelOptions): {
  readonly ghost: { readonly ratio: number; readonly cheapKernel: number };
} {
  return { ghost: { ratio: options.ratio ?? 2, cheapKernel: options.cheapKernel ?? 3 } };
}

const ghostNets = [0.5, 1.0, 1.1, 1.3].map((width): ModelEntry => {
  const name = `ghostnet-${width.toFixed(1)}x`;
  return {
    name,
    summary: `GhostNet ${width.toFixed(1)}x (table 1 and 7 of the paper), ImageNet`,
    aliases: [`ghostnet_${String(Math.round(width * 100)).padStart(3, '0')}`],
    inputSize: 224,
    classes: 1000,
    build: (options) => ghostNet({ width, ...options, name }),
  };
});

const cifarResNets = [20, 32, 44, 56, 110].flatMap((depth): ModelEntry[] => [
  {
    name: `resnet${depth}-cifar`,
    summary: `ResNet-${depth} for CIFAR (He et al. 2016), option A shortcuts`,
    inputSize: 32,
    classes: 10,
    build: (options) => cifarResNet({ ...options, ...cifarMetaFor(options), depth }),
  },
  {
    name: `ghost-resnet${depth}-cifar`,
    summary: `ResNet-${depth} for CIFAR with Ghost modules (section 4.1.2)`,
    inputSize: 32,
    classes: 10,
    build: (options) => cifarResNet({ ...options, ...cifarMetaFor(options), ...ghostOf(options), depth }),
  },
]);

const shiftResNets = [20, 56, 110].flatMap((depth) =>
  [1, 3, 6, 9].map(
    (expansion): ModelEntry => ({
      name: `shiftresnet${depth}-${expansion}-cifar`,
      summary: `Shift-ResNet-${depth} for CIFAR, expansion ${expansion} (Wu et al. 2018)`,
      inputSize: 32,
      classes: 10,
      build: (options) =>
        shiftResNet({
          ...options,
          ...cifarMetaFor(options),
          depth,
          expansion,
          name: `shiftresnet${depth}-${expansion}-cifar`,
        }),
    }),
  ),
);

const entries: readonly ModelEntry[] = [
  ...ghostNets,
  {
    name: 'ghostnet-32',
    summary: 'GhostNet-32, this project’s own network for 32x32 pictures',
    inputSize: 32,
    classes: 10,
    build: (options) => ghostNet32({ ...options, ...cifarMetaFor(options) }),
  },
  {
    name: 'resnet50',
    summary: 'ResNet-50 (He et al. 2016), ImageNet',
    inputSize: 224,
    classes: 1000,
    build: (options) => resNet50({ meta: torchvisionMeta, ...options }),
  },
  ...[2, 4].map(
    (ratio): ModelEntry => ({
      name: `ghost-resnet50-s${ratio}`,
      summary: `ResNet-50 with Ghost modules, s=${ratio} (table 6), ImageNet`,
      inputSize: 224,
      classes: 1000,
      build: (options) => resNet50({ meta: torchvisionMeta, ...options, ...ghostOf({ ratio, ...options }) }),
    }),
  ),
  {
    name: 'vgg16-cifar',
    summary: 'VGG-16 for CIFAR-10, the variant of the paper’s counts',
    inputSize: 32,
    classes: 10,
    build: (options) => cifarVgg16({ ...options, ...cifarMetaFor(options) }),
  },
  {
    name: 'ghost-vgg16-cifar',
    summary: 'VGG-16 for CIFAR-10 with Ghost modules (tables 3 to 5)',
    inputSize: 32,
    classes: 10,
    build: (options) => cifarVgg16({ ...options, ...cifarMetaFor(options), ...ghostOf(options) }),
  },
  ...cifarResNets,
  {
    name: 'ghost-resnet56-bn-after',
    summary: 'Ghost-ResNet-56 for CIFAR-10 with one batch norm after each Ghost module (a public variant)',
    inputSize: 32,
    classes: 10,
    build: (options) =>
      ghostResNet56BnAfter({
        ...options,
        meta: options.meta ?? {
          ...cifarMeta,
          preprocessing: {
            interpolation: 'bilinear',
            mean: [0.4914, 0.4822, 0.4465],
            std: [0.2023, 0.1994, 0.201],
          },
        },
      }),
  },
  ...shiftResNets,
  ...resNetEntries,
  ...metaPruningEntries,
  ...versatileEntries,
  ...imageNetShiftResNetEntries,
  ...imageNetVggEntries,
  ...squeezeNetEntries,
  ...mobileNetV1Entries,
  ...mobileNetV2Entries,
  ...mobileNetV3Entries,
  ...shuffleNetV1Entries,
  ...shuffleNetV2Entries,
  ...igcV3Entries,
  ...mnasNetEntries,
  ...proxylessEntries,
  ...fbNetEntries,
  ...feNetEntries,
  ...xceptionEntries,
  ...ghostNetV2Entries,
  ...gGhostRegNetEntries,
];

const byName = new Map(
  entries.flatMap((entry) => [entry.name, ...(entry.aliases ?? [])].map((name) => [name, entry] as const)),
);

/** All entries, in order. */
export function listModels(): readonly ModelEntry[] {
  return entries;
}

export function hasModel(name: string): boolean {
  return byName.has(name);
}

/** The entry of that name. Throws RangeError `UNKNOWN_MODEL` with the nearest names. */
export function modelEntry(name: string): ModelEntry {
  const entry = byName.get(name);
  if (entry) return entry;
  const close = entries
    .map((known) => known.name)
    .filter((known) => known.includes(name) || name.includes(known));
  const names = (close.length > 0 ? close : entries.map((known) => known.name)).join(', ');
  throw rangeError('UNKNOWN_MODEL', `model "${name}" is not known; expected one of ${names}`);
}

/**
 * The graph of a network by name, e.g. `createModel('ghostnet-1.0x', { classes: 10, inputSize: 96 })`.
 * Throws RangeError `UNKNOWN_MODEL` and the builders' own errors.
 */
export function createModel(name: string, options: ModelOptions = {}): Graph {
  return modelEntry(name).build(options);
}
