/**
 * How a ghostified network is trained on: the recipe, what the old network teaches, and the check that the pictures'
 * classes are the network's. Trains nothing.
 */
import {
  cifar10Classes,
  findCifar10,
  loadCifar10,
  loadCifar10File,
} from '../../../data/node/cifar10-files.js';
import { findSplitFolders, listImageFolder } from '../../../data/node/image-folder.js';
import { rangeError } from '../../../errors.js';
import { type Graph, inputNodes } from '../../../graph/graph.js';
import { inferShapes } from '../../../graph/shapes.js';
import type { TrainingRecipe } from '../../../train/node/train-network.js';

export interface FinetuneOptions {
  /** Class folders, or CIFAR-10. */
  readonly data: string;
  /** Layer by layer: of each. */
  readonly epochs: number;
  readonly threads: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** What the old network teaches (Hinton et al. 2015): temperature and share of the loss. */
export const distillation = { temperature: 4, weight: 0.7 } as const;

/** What is known of training pictures before any is decoded. */
export interface TuningData {
  readonly kind: 'cifar10' | 'folder';
  readonly classes: readonly string[];
  /** Share that chooses the epoch, where the data has no split of its own: as `ghostnet train` has it. */
  readonly validation: number;
  /** Pictures to train on, at least. */
  readonly count: number;
}

/** Throws what opening CIFAR-10 or listing class folders throws. */
export async function tuningData(path: string): Promise<TuningData> {
  const cifar = await findCifar10(path);
  if (cifar) {
    const { labels } = cifar.file
      ? await loadCifar10File(cifar.folder)
      : await loadCifar10(cifar.folder, 'train');
    const count = Math.floor(0.95 * labels.length) - cifar10Classes.length;
    return { kind: 'cifar10', classes: cifar10Classes, validation: 0.05, count };
  }
  const { train, validation } = await findSplitFolders(path);
  const { classes, files } = await listImageFolder(train, { skipEmpty: true });
  const count = validation ? files.length : Math.floor(0.8 * files.length) - classes.length;
  return { kind: 'folder', classes, validation: 0.2, count };
}

/**
 * Throws RangeError `TEACHER_CLASSES` unless the pictures' classes are the network's: as many, and where both have
 * names in common, the same in the same order.
 */
export function checkClasses(graph: Graph, { classes }: TuningData): void {
  const outputs = inferShapes(graph).get(graph.outputs[0] ?? '')?.[1];
  const fail = (what: string): never => {
    throw rangeError(
      'TEACHER_CLASSES',
      `--finetune: ${what}; the old network teaches only the classes it knows. Train without it: ghostnet train`,
    );
  };
  if (outputs !== classes.length)
    fail(`the pictures have ${classes.length} classes, "${graph.name}" answers ${outputs}`);
  const { labels = [] } = graph.meta;
  const common = labels.some((label) => classes.includes(label));
  const other = common ? labels.findIndex((label, i) => label !== classes[i]) : -1;
  if (other >= 0) fail(`class ${other} is "${classes[other]}", to "${graph.name}" it is "${labels[other]}"`);
}

/** The recipe of a run or of one layer's training. */
export function tuningRecipe(options: FinetuneOptions, data: TuningData): TrainingRecipe {
  const { epochs, learningRate, seed, threads } = options;
  return {
    epochs,
    batch: Math.max(2, Math.min(128, data.count)),
    learningRate,
    schedule: { kind: 'oneCycle', up: 0.2 },
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    labelSmoothing: 0.1,
    ema: 0.99,
    clipNorm: 0,
    augment:
      data.kind === 'cifar10'
        ? { crop: { kind: 'pad', padding: 2 }, flip: 'alternating' }
        : { crop: { kind: 'resized', scale: [0.35, 1] }, flip: 'random' },
    ...{ seed, threads, workers: 1, freeze: [], learningRates: [] },
  };
}

/** Short side that is kept of pictures for `graph`. */
export function keptSide(graph: Graph): number {
  return Math.round((inputNodes(graph)[0]?.shape[1] ?? 32) * 1.15);
}
