/**
 * The pictures of a training, whatever their form: CIFAR-10's batches, or a folder of class folders. Opens and splits
 * them; changes no pixel (batches.ts).
 */
import { relative } from 'node:path';
import {
  cifar10Classes,
  countCifar10,
  findCifar10,
  loadCifar10,
  loadCifar10File,
  trainFilesOf,
} from '../../data/node/cifar10-files.js';
import {
  findSplitFolders,
  listImageFolder,
  openImageFolder,
  type SplitFile,
} from '../../data/node/image-folder.js';
import type { PictureStore } from '../../data/node/picture-store.js';
import { balancedSubset, stratifiedSplit } from '../../data/sampling.js';

export interface TrainingData {
  readonly kind: 'cifar10' | 'folder';
  readonly classes: readonly string[];
  readonly store: PictureStore;
  /** Indices into the store. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** Which file is in which part (folders). */
  readonly split?: SplitFile;
  /** How a person finds picture `index`. */
  readonly nameOf: (index: number) => string;
}

export interface TrainingDataOptions {
  /** Short side that is kept of each picture of a folder. */
  readonly keepSide: number;
  /** Share of the training pictures for validation, where the data has no split of its own. */
  readonly fraction: number;
  /** At most so many training pictures, as many of each class. Absent: all. */
  readonly limit?: number;
  readonly seed: number;
  readonly badPictures: 'stop' | 'skip';
  readonly onProgress?: (done: number, total: number) => void;
}

/** What kind of data a path is; a path that does not exist counts as a folder. */
export async function dataKind(path: string): Promise<'cifar10' | 'folder'> {
  return (await findCifar10(path)) ? 'cifar10' : 'folder';
}

/** Opens `path`. Throws what `loadCifar10`, `openImageFolder`, `stratifiedSplit` and `balancedSubset` throw. */
export async function openTrainingData(path: string, options: TrainingDataOptions): Promise<TrainingData> {
  const cifar = await findCifar10(path);
  if (cifar) {
    const store = cifar.file ? await loadCifar10File(cifar.folder) : await loadCifar10(cifar.folder, 'train');
    const { fraction, seed, limit = Number.POSITIVE_INFINITY } = options;
    const { train, validation } = stratifiedSplit(store.labels, fraction, seed);
    return {
      kind: 'cifar10',
      classes: cifar10Classes,
      store,
      train: balancedSubset(train, store.labels, limit, seed),
      validation,
      nameOf: (index) => `training picture ${index}`,
    };
  }
  const folder = await openImageFolder(path, options);
  return {
    kind: 'folder',
    classes: folder.classes,
    store: folder.store,
    train: folder.train,
    validation: folder.validation,
    split: folder.split,
    nameOf: (index) => relative(path, folder.files[index] ?? ''),
  };
}

/**
 * How many pictures an epoch of `path` has, without opening them: of CIFAR-10 by the size of its files, of a folder by
 * its names. Throws what `findSplitFolders` and `listImageFolder` throw, and EnvironmentError `CIFAR_MISSING`.
 */
export async function countTrainingPictures(
  path: string,
  options: { readonly fraction: number; readonly limit?: number },
): Promise<number> {
  const { fraction, limit = Number.POSITIVE_INFINITY } = options;
  const cifar = await findCifar10(path);
  if (cifar) {
    const count = await countCifar10(cifar.file ? [cifar.folder] : trainFilesOf(cifar.folder));
    return Math.min(limit, Math.round(count * (1 - fraction)));
  }
  const where = await findSplitFolders(path);
  const { labels } = await listImageFolder(where.train, { skipEmpty: true });
  // how many does not depend on the seed
  const count = where.validation ? labels.length : stratifiedSplit(labels, fraction, 1).train.length;
  return Math.min(limit, count);
}
