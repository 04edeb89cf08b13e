/**
 * Pictures of a command line as inputs of a network: a folder (or files) of pictures, CIFAR-10's binary files, or class
 * folders, whose names then are the labels. Prepared as the model file says.
 */
import { cifar10Side } from '../../data/cifar10.js';
import { findCifar10, loadCifar10, loadCifar10File } from '../../data/node/cifar10-files.js';
import { decodePictureFile } from '../../data/node/decode.js';
import { listImageFolder } from '../../data/node/image-folder.js';
import { openStore } from '../../data/node/picture-store.js';
import { preprocess } from '../../data/preprocess.js';
import { EnvironmentError, rangeError } from '../../errors.js';
import { type Graph, inputNodes, type Preprocessing } from '../../graph/graph.js';
import { findPictures } from './find-pictures.js';

export interface PictureInputs {
  /** Each [3, H, W]. */
  readonly inputs: readonly Float32Array[];
  /** Class indices, where they are known. */
  readonly labels?: readonly number[];
}

/** `count` whole numbers spread over [0, all). */
function spread(count: number, all: number): number[] {
  const taken = Math.min(count, all);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * all) / taken));
}

function preprocessingOf(graph: Graph, height: number): Preprocessing {
  return (
    graph.meta.preprocessing ?? {
      resizeShortSide: Math.round(height / 0.875),
      interpolation: 'bilinear',
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    }
  );
}

/**
 * At most `limit` pictures, spread evenly over all. `labelled`: class folders or CIFAR-10's test part; otherwise CIFAR-10
 * gives its training part, which is what a network may be fitted on. Throws EnvironmentError `NO_PICTURES`,
 * RangeError `NOT_PICTURES`, and what reading throws.
 */
export async function readInputs(
  path: string,
  graph: Graph,
  limit: number,
  labelled: boolean,
): Promise<PictureInputs> {
  const [, height = 0, width = 0] = inputNodes(graph)[0]?.shape ?? [];
  if (inputNodes(graph).length !== 1 || inputNodes(graph)[0]?.shape[0] !== 3)
    throw rangeError('NOT_PICTURES', `${graph.name}: its input is not one picture [3, H, W]`);
  const preprocessing = preprocessingOf(graph, height);
  const cifar = await findCifar10(path);
  if (cifar) {
    const store =
      cifar.file === undefined
        ? await loadCifar10(cifar.folder, labelled ? 'test' : 'train')
        : await loadCifar10File(cifar.folder);
    const source = openStore(store);
    const chosen = spread(limit, source.count);
    const inputs: Float32Array[] = [];
    for (const index of chosen)
      inputs.push(preprocess(await source.picture(index), preprocessing, width, height));
    if (height !== cifar10Side || !labelled) return { inputs };
    return { inputs, labels: chosen.map((index) => source.labels[index] as number) };
  }
  const found = labelled ? await labelledFiles(path, graph) : await plainFiles(path);
  const chosen = spread(limit, found.files.length);
  const inputs: Float32Array[] = [];
  for (const index of chosen)
    inputs.push(
      preprocess(await decodePictureFile(found.files[index] as string), preprocessing, width, height),
    );
  const { labels } = found;
  return { inputs, ...(labels ? { labels: chosen.map((index) => labels[index] as number) } : {}) };
}

async function plainFiles(path: string): Promise<{ files: string[]; labels?: number[] }> {
  const found = await findPictures([path]);
  const files: string[] = [];
  for (const entry of found) {
    if ('error' in entry) throw entry.error;
    files.push(entry.file);
  }
  if (files.length === 0) throw new EnvironmentError('NO_PICTURES', `${path}: no pictures`);
  return { files };
}

async function labelledFiles(
  path: string,
  graph: Graph,
): Promise<{ files: readonly string[]; labels?: readonly number[] }> {
  const { labels: classes } = graph.meta;
  const listing = await listImageFolder(path, classes ? { classes } : {});
  return { files: listing.files, labels: [...listing.labels] };
}
