/** A shipped network on disk: reads the bundled JavaScript of this package, writes the folder file by file, each whole. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../../errors.js';
import { writeFileAtomically } from '../../formats/node/model-file.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import { type Assets, type ShipOptions, type Shipped, shipModel } from '../build.js';

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

/**
 * Compiles a classifier and writes its folder, which is made when it is not there; files of the same names are replaced,
 * each at once. Throws what `shipModel` throws, EnvironmentError `FILE_UNWRITABLE` or `DISK_FULL`.
 */
export async function writeShippedModel(
  folder: string,
  graph: Graph,
  weights: Weights | QuantizedNetwork,
  options: ShipOptions = {},
): Promise<Shipped> {
  const sha256 = async (bytes: Uint8Array): Promise<Uint8Array> =>
    createHash('sha256').update(bytes).digest();
  const shipped = await shipModel(graph, weights, await readAssets(), sha256, options);
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new EnvironmentError('FILE_UNWRITABLE', `"${folder}": ${(cause as Error).message}`, { cause });
  }
  for (const [name, content] of shipped.files) await writeFileAtomically(join(folder, name), content);
  return shipped;
}
