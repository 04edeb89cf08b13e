/**
 * The pictures of a training, whatever their form: CIFAR-10's batches, or a folder of class folders. Opens and splits
 * them; changes no pixel (batches.ts).
 */
import { relative } from 'node:path';
import { cifar10Classes, findCifar10, loadCifar10, loadCifar10File } from '../../data/node/cifar10-files.js';
import { openImageFolder, type SplitFile } from '../../data/node/image-folder.js';
import type { PictureStore } from '../../data/node/picture-store.js';
import { stratifiedSplit } from '../../data/sampling.js';

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
  readonly seed: number;
  readonly badPictures: 'stop' | 'skip';
  readonly onProgress?: (done: number, total: number) => void;
}

/** What kind of data a path is; a path that does not exist counts as a folder. */
export async function dataKind(path: string): Promise<'cifar10' | 'folder'> {
  return (await findCifar10(path)) ? 'cifar10' : 'folder';
}

/** Opens `path`. Throws what `loadCifar10`, `openImageFolder` and `stratifiedSplit` throw. */
export async function openTrainingData(path: string, options: TrainingDataOptions): Promise<TrainingData> {
  const cifar = await findCifar10(path);
  if (cifar) {
    const store = cifar.file ? await loadCifar10File(cifar.folder) : await loadCifar10(cifar.folder, 'train');
    const { train, validation } = stratifiedSplit(store.labels, options.fraction, options.seed);
    return {
      kind: 'cifar10',
      classes: cifar10Classes,
      store,
      train,
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
