/**
 * The pictures of an evaluation and their classes, in the forms that people have: CIFAR-10 batches, class folders
 * (named after the network's classes, or by WordNet ids as ImageNet's are), or any folder with a list of labels. Lists
 * files; decodes none until they are asked for.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';
import { EnvironmentError, FormatError } from '../../errors.js';
import type { PictureSource } from '../batches.js';
import { cifar10TestFile } from '../cifar10.js';
import { findCifar10, loadCifar10, loadCifar10File } from './cifar10-files.js';
import { decodePictureFile, pictureExtensions } from './decode.js';
import { findEvaluationFolder } from './image-folder.js';
import { type LabelTable, parseLabels } from './label-table.js';
import { openStore } from './picture-store.js';
import { picturesBelow } from './pictures-below.js';

export interface EvaluationData {
  readonly source: PictureSource;
  /** How a person finds picture `index`. */
  readonly nameOf: (index: number) => string;
  /** One line for people. */
  readonly description: string;
}

export interface EvaluationDataOptions {
  /** The network's classes by output index. */
  readonly classes: readonly string[];
  /** File of labels, see label-table.ts. */
  readonly labels?: string;
}

/**
 * Opens `path`. Throws EnvironmentError `DATA_FOLDER`, `FILE_NOT_FOUND`, FormatError `DATA_LABELS` (pictures without a
 * label, or labels that are no class of the network), and what reading CIFAR-10 throws.
 */
export async function openEvaluationData(
  path: string,
  options: EvaluationDataOptions,
): Promise<EvaluationData> {
  const cifar = options.labels === undefined ? await findCifar10(path) : undefined;
  if (cifar) {
    const store = cifar.file ? await loadCifar10File(cifar.folder) : await loadCifar10(cifar.folder, 'test');
    const file = cifar.file ?? cifar10TestFile;
    return {
      source: openStore(store),
      nameOf: (index) => `${file}, picture ${index}`,
      description: `CIFAR-10, ${cifar.file ? file : 'test pictures'}`,
    };
  }
  if (!(await stat(path).catch(() => undefined))?.isDirectory())
    throw new EnvironmentError(
      'DATA_FOLDER',
      `${path}: no such folder; give a CIFAR-10 folder, class folders, or a folder of pictures with --labels`,
    );
  const table = options.labels === undefined ? undefined : await readLabels(options.labels);
  const folder = table ? path : await findEvaluationFolder(path);
  const files = await picturesBelow(folder);
  if (files.length === 0)
    throw new EnvironmentError(
      'DATA_FOLDER',
      `${folder}: no picture below this folder (${[...pictureExtensions].join(' ')})`,
    );
  const labels = labelFiles(folder, files, options.classes, table);
  return {
    source: { count: files.length, labels, picture: (index) => decodePictureFile(files[index]!) },
    nameOf: (index) => relative(folder, files[index] ?? ''),
    description: folder,
  };
}

async function readLabels(file: string): Promise<LabelTable> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new EnvironmentError('FILE_NOT_FOUND', `"${file}": cannot be read (${cause.code})`, { cause });
  });
  return parseLabels(text, file);
}

const wordnetId = /^n\d{8}/;
const plain = (name: string): string =>
  name
    .replaceAll(/[_\s]+/g, ' ')
    .trim()
    .toLowerCase();

/** The class index of every file. */
function labelFiles(
  folder: string,
  files: readonly string[],
  classes: readonly string[],
  table: LabelTable | undefined,
): Int32Array {
  const byName = new Map(classes.map((name, index) => [plain(name), index]));
  // networks with a "background" class before ImageNet's thousand
  const offset = classes.length === 1001 ? 1 : 0;
  const ids = table?.ids ?? idsOfFolders(folder, files, classes.length - offset);
  const find = (word: string): number | undefined => {
    const id = wordnetId.exec(word)?.[0];
    const index = id === undefined ? undefined : ids?.get(id);
    return index === undefined ? byName.get(plain(word)) : index + offset;
  };
  const unknown = new Set<string>();
  const labels = Int32Array.from(files, (file) => {
    const given = table?.files.get(basename(file)) ?? table?.files.get(relative(folder, file));
    const below = relative(folder, file).split(/[\\/]/);
    const said =
      given === undefined
        ? (find(below[0] ?? '') ?? find(basename(file)))
        : typeof given === 'number'
          ? given + offset
          : find(given);
    if (said === undefined || said >= classes.length)
      unknown.add(given === undefined ? (below.length > 1 ? below[0]! : below.join('/')) : String(given));
    return said ?? 0;
  });
  if (unknown.size > 0) {
    const named = [...unknown].slice(0, 3).join(', ');
    throw new FormatError(
      'DATA_LABELS',
      `${folder}: no class of the network is known for ${unknown.size === 1 ? '' : `${unknown.size} names, e.g. `}${named}; ` +
        `its classes are ${classes.slice(0, 4).join(', ')}, ...; name the folders so, or give --labels FILE`,
    );
  }
  return labels;
}

/** Folders of WordNet ids, as many as there are classes: their order is that of the classes. */
function idsOfFolders(
  folder: string,
  files: readonly string[],
  classes: number,
): ReadonlyMap<string, number> | undefined {
  const names = [...new Set(files.map((file) => basename(dirname(file))))].filter((name) =>
    wordnetId.test(name),
  );
  if (names.length !== classes || files.some((file) => dirname(file) === folder)) return undefined;
  return new Map(names.sort().map((name, index) => [wordnetId.exec(name)![0], index]));
}
