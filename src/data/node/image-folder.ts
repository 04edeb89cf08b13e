/**
 * A folder of class folders: `<folder>/<class>/*.jpg`, or `<folder>/train/<class>/...` with `val`, `valid`,
 * `validation` or `test` beside it. Lists and checks pictures; the split for validation is made here when the folder
 * has none. Decodes every picture once, so that bad ones are known before training starts.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { EnvironmentError, errorCode, FormatError } from '../../errors.js';
import type { RgbPicture } from '../picture.js';
import { balancedSubset, stratifiedSplit } from '../sampling.js';
import { pictureExtensions } from './decode.js';
import type { PictureStore } from './picture-store.js';
import { isFolder, picturesBelow } from './pictures-below.js';
import { readPictureForTraining } from './training-picture.js';

export interface FolderListing {
  /** Class names in alphabetical order; the index is the label. */
  readonly classes: readonly string[];
  readonly files: readonly string[];
  readonly labels: Int32Array;
  /** Folders without a picture, which are no class. */
  readonly empty: readonly string[];
}

const validationNames = ['val', 'valid', 'validation'];

async function subfolders(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.name.startsWith('.'));
    const folders = await Promise.all(names.map((entry) => isFolder(entry, folder)));
    return names
      .filter((_, i) => folders[i])
      .map((entry) => entry.name)
      .sort();
  } catch (cause) {
    const missing = errorCode(cause) === 'ENOENT';
    throw new EnvironmentError(
      'DATA_FOLDER',
      `${folder}: ${missing ? 'no such folder' : 'cannot be read'}; expected a folder with one folder of pictures for each class`,
      { cause },
    );
  }
}

/**
 * Lists the pictures of class folders. With `classes` the labels follow that list (e.g. a network's own labels).
 * Throws EnvironmentError `DATA_FOLDER`, FormatError `DATA_ONE_CLASS`, `DATA_EMPTY_CLASS` or `DATA_UNKNOWN_CLASS`.
 */
export async function listImageFolder(
  folder: string,
  options: { readonly classes?: readonly string[]; readonly skipEmpty?: boolean } = {},
): Promise<FolderListing> {
  const names = await subfolders(folder);
  const found: { name: string; files: string[] }[] = [];
  for (const name of names) found.push({ name, files: await picturesBelow(join(folder, name)) });
  const empty = found.filter(({ files }) => files.length === 0).map(({ name }) => name);
  if (empty.length > 0 && !options.skipEmpty)
    throw new FormatError(
      'DATA_EMPTY_CLASS',
      `${folder}: no pictures in ${empty.map((name) => `"${name}"`).join(', ')}; add some (${[...pictureExtensions].join(' ')}), ` +
        'remove the folder, or go on without it with --bad-pictures skip',
    );
  const full = found.filter(({ files }) => files.length > 0);
  const classes = options.classes ?? full.map(({ name }) => name);
  if (!options.classes && classes.length < 2)
    throw new FormatError(
      'DATA_ONE_CLASS',
      `${folder}: ${classes.length === 0 ? 'no class folder with pictures' : `only one class, "${classes[0]}"`}; ` +
        'expected at least two folders, each named after a class and holding its pictures',
    );
  const files: string[] = [];
  const labels: number[] = [];
  for (const { name, files: own } of full) {
    const label = classes.indexOf(name);
    if (label < 0)
      throw new FormatError(
        'DATA_UNKNOWN_CLASS',
        `${join(folder, name)}: the network has no class "${name}"; its classes are ${classes.slice(0, 12).join(', ')}${classes.length > 12 ? ', ...' : ''}`,
      );
    for (const file of own) {
      files.push(file);
      labels.push(label);
    }
  }
  return { classes, files, labels: Int32Array.from(labels), empty };
}

/** Where training and validation pictures are: one folder, or two. */
export async function findSplitFolders(folder: string): Promise<{ train: string; validation?: string }> {
  const names = await subfolders(folder);
  if (!names.includes('train')) return { train: folder };
  const held = validationNames.find((name) => names.includes(name));
  return { train: join(folder, 'train'), ...(held ? { validation: join(folder, held) } : {}) };
}

/** The folder that `ghostnet eval` means: `test`, else the validation folder, else the class folders themselves. */
export async function findEvaluationFolder(folder: string): Promise<string> {
  const names = await subfolders(folder);
  const held = ['test', ...validationNames].find((name) => names.includes(name));
  return held && names.length <= 3 ? join(folder, held) : folder;
}

/** Which file is in which part; saved with a run so that anyone can make the same split. */
export interface SplitFile {
  readonly seed: number;
  readonly fraction: number;
  readonly classes: readonly string[];
  /** Paths relative to the data folder. */
  readonly train: readonly string[];
  readonly validation: readonly string[];
  readonly skipped: readonly string[];
  /** Folders without a picture. */
  readonly emptyClasses: readonly string[];
}

export interface FolderDataset {
  readonly classes: readonly string[];
  readonly store: PictureStore;
  readonly files: readonly string[];
  readonly train: Int32Array;
  readonly validation: Int32Array;
  readonly split: SplitFile;
}

export interface OpenFolderOptions {
  /** Short side that is kept of each picture. */
  readonly keepSide: number;
  /** Share for validation when the folder has no split of its own. */
  readonly fraction: number;
  /** At most so many training pictures, as many of each class; the others are not read. Absent: all. */
  readonly limit?: number;
  readonly seed: number;
  /** What to do with pictures that cannot be decoded and classes without pictures. */
  readonly badPictures: 'stop' | 'skip';
  /** Decoded pictures are kept in memory up to this many bytes. Default 1 GiB. */
  readonly memoryBytes?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Opens a folder for training. Throws what `listImageFolder` and `balancedSubset` throw, and FormatError `DATA_BAD_PICTURE` (naming up to
 * three files) unless bad ones are skipped.
 */
export async function openImageFolder(folder: string, options: OpenFolderOptions): Promise<FolderDataset> {
  const { fraction, limit = Number.POSITIVE_INFINITY, seed, badPictures } = options;
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new EnvironmentError(
      'DATA_FOLDER',
      `${folder}: no such folder; give a CIFAR-10 folder or a folder of class folders`,
    );
  const where = await findSplitFolders(folder);
  const skipEmpty = badPictures === 'skip';
  const first = await listImageFolder(where.train, { skipEmpty });
  const second = where.validation
    ? await listImageFolder(where.validation, { skipEmpty, classes: first.classes })
    : undefined;
  const all = [...first.files, ...(second?.files ?? [])];
  const allLabels = [...first.labels, ...(second?.labels ?? [])];

  // the split is of what is there, not of what can be read: validation is the same with any limit
  const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
  const whole = second
    ? { train: range(0, first.files.length), validation: range(first.files.length, all.length) }
    : stratifiedSplit(allLabels, fraction, seed);
  const chosen = balancedSubset(whole.train, allLabels, limit, seed);
  const wanted = Int32Array.from([...chosen, ...whole.validation]).sort();
  const { good, bad, store } = await readAll(
    Array.from(wanted, (i) => all[i]!),
    Array.from(wanted, (i) => allLabels[i]!),
    options,
  );
  if (bad.length > 0 && badPictures === 'stop')
    throw new FormatError(
      'DATA_BAD_PICTURE',
      `${bad.length} of ${wanted.length} pictures cannot be decoded, e.g. ${bad
        .slice(0, 3)
        .map((entry) => entry.message)
        .join('; ')}. Remove or repair them, or leave them out with --bad-pictures skip`,
    );
  const kept = good.map((i) => wanted[i]!);
  const files = kept.map((i) => all[i]!);
  const inTrain = new Set(chosen);
  const places = range(0, kept.length);
  const parts = {
    train: places.filter((place) => inTrain.has(kept[place]!)),
    validation: places.filter((place) => !inTrain.has(kept[place]!)),
  };
  const learned = new Set(Array.from(parts.train, (place) => allLabels[kept[place]!]));
  first.classes.forEach((name, label) => {
    if (!learned.has(label))
      throw new FormatError(
        'DATA_EMPTY_CLASS',
        `${folder}: no readable training picture is left in class "${name}"`,
      );
  });
  const names = (indices: Int32Array): string[] => Array.from(indices, (i) => relative(folder, files[i]!));
  return {
    classes: first.classes,
    store,
    files,
    ...parts,
    split: {
      seed,
      fraction: second ? parts.validation.length / files.length : fraction,
      classes: first.classes,
      train: names(parts.train),
      validation: names(parts.validation),
      skipped: bad.map(({ index }) => relative(folder, all[wanted[index]!]!)),
      emptyClasses: first.empty,
    },
  };
}

/** Decodes everything, two at a time; keeps the bytes while they fit. */
async function readAll(
  files: readonly string[],
  labels: readonly number[],
  { keepSide, memoryBytes = 2 ** 30, onProgress }: OpenFolderOptions,
): Promise<{ good: number[]; bad: { index: number; message: string }[]; store: PictureStore }> {
  const pictures: (RgbPicture | undefined)[] = new Array(files.length);
  const readable = new Array<boolean>(files.length).fill(false);
  const bad: { index: number; message: string }[] = [];
  let bytes = 0;
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < files.length) {
      const index = next++;
      try {
        const picture = await readPictureForTraining(files[index]!, keepSide);
        readable[index] = true;
        bytes += picture.data.length;
        if (bytes <= memoryBytes) pictures[index] = picture;
        else pictures.fill(undefined);
      } catch (error) {
        if (!(error instanceof FormatError || error instanceof EnvironmentError)) throw error;
        bad.push({ index, message: error.message });
      }
      onProgress?.(++done, files.length);
    }
  };
  await Promise.all([work(), work()]);
  bad.sort((a, b) => a.index - b.index);
  const good = files.map((_, i) => i).filter((i) => readable[i]);
  const goodLabels = Int32Array.from(good, (i) => labels[i]!);
  if (bytes > memoryBytes)
    return {
      good,
      bad,
      store: { kind: 'files', files: good.map((i) => files[i]!), labels: goodLabels, keepSide },
    };
  const joined = new Uint8Array(new SharedArrayBuffer(bytes));
  const widths = new Int32Array(good.length);
  const heights = new Int32Array(good.length);
  const offsets = new Float64Array(good.length);
  let at = 0;
  good.forEach((index, i) => {
    const { width, height, data } = pictures[index]!;
    joined.set(data, at);
    widths[i] = width;
    heights[i] = height;
    offsets[i] = at;
    at += data.length;
  });
  return {
    good,
    bad,
    store: { kind: 'memory', bytes: joined, labels: goodLabels, widths, heights, offsets },
  };
}
