/**
 * A shipped network on disk: reads the bundled JavaScript of this package and writes the folder, all of it or nothing, over
 * nothing but what an earlier build wrote.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../../errors.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import { type Assets, type ShipOptions, type Shipped, shipModel } from '../build.js';
import { loaderMark } from '../texts.js';
import { writeFolderAtomically } from './stage-folder.js';

/** Where scripts/build.mjs puts them. */
const assetFolder = fileURLToPath(new URL('../assets/', import.meta.url));

async function readAssets(): Promise<Assets> {
  const read = (name: string): Promise<string> => readFile(join(assetFolder, name), 'utf8');
  const [loader, component, page, pageScript, pageStyle] = await Promise.all([
    read('loader.txt'),
    read('ghost-classifier.txt'),
    read('index.html'),
    read('demo.txt'),
    read('demo.css'),
  ]);
  return { loader, component, page, pageScript, pageStyle };
}

/** Files that other things have too: a web project's own must not be lost. */
const commonNames = ['package.json', 'index.html', 'model.js', 'model.d.ts', 'demo.js', 'demo.css'];

/** What one build has and another may not. */
const partNames = [
  ...['simd', 'relaxed', 'simd-threads', 'relaxed-threads'].map((name) => `model.${name}.wasm`),
  ...['model.weights', 'model.simd.weights', 'model.relaxed.weights', 'model.thread.js'],
];

/**
 * Throws EnvironmentError `FOLDER_IN_USE` when a build into `folder` would replace files that no build has written, which
 * is told by the model.js among them.
 */
export async function checkShipFolder(folder: string): Promise<void> {
  const entries: readonly string[] = await readdir(folder).catch(() => []);
  const taken = commonNames.filter((name) => entries.includes(name));
  if (taken.length === 0) return;
  const loader = await readFile(join(folder, 'model.js'), 'utf8').catch(() => '');
  if (loader.slice(0, 1000).includes(loaderMark)) return;
  throw new EnvironmentError(
    'FOLDER_IN_USE',
    `"${folder}": ${taken.join(', ')} there ${taken.length > 1 ? 'are' : 'is'} not of "ghostnet build" and would be replaced; take a folder of its own`,
  );
}

/**
 * Compiles a classifier and writes its folder, which is made when it is not there; an earlier build in it is replaced, all of it
 * or nothing. Throws what `shipModel` throws, EnvironmentError `FOLDER_IN_USE`, `FILE_UNWRITABLE` or `DISK_FULL`.
 */
export async function writeShippedModel(
  folder: string,
  graph: Graph,
  weights: Weights | QuantizedNetwork,
  options: ShipOptions = {},
): Promise<Shipped> {
  await checkShipFolder(folder);
  const sha256 = async (bytes: Uint8Array): Promise<Uint8Array> =>
    createHash('sha256').update(bytes).digest();
  const shipped = await shipModel(graph, weights, await readAssets(), sha256, options);
  await writeFolderAtomically(folder, shipped.files, partNames);
  return shipped;
}
