/**
 * From what a command line calls a model, a name or a file, to its graph and weights. A name means a network of the
 * registry, with the weights that `ghostnet pull` fetched; everything else is the path of a model file.
 */
import { existsSync } from 'node:fs';
import { EnvironmentError, rangeError } from '../errors.js';
import { readModelFile } from '../formats/node/model-file.js';
import type { Graph, Weights } from '../graph/graph.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel, hasModel, modelEntry } from '../models/registry.js';
import { defaultModel } from './default-model.js';

export interface LoadedModel {
  readonly graph: Graph;
  readonly weights: Weights;
  /** One line for people. */
  readonly description: string;
}

function checkExists(nameOrFile: string): void {
  if (!existsSync(nameOrFile))
    throw rangeError(
      'UNKNOWN_MODEL',
      `"${nameOrFile}" is neither a network by name ("ghostnet models" lists them) nor a file`,
    );
}

/** The graph only: a network by name, or the one in a model file. */
export async function loadGraph(nameOrFile: string, network?: string): Promise<Graph> {
  if (hasModel(nameOrFile)) return createModel(nameOrFile);
  return (await readFile(nameOrFile, network)).graph;
}

/** A model file; `network` names the network of a file that holds weights only. */
async function readFile(
  path: string,
  network: string | undefined,
): Promise<{ graph: Graph; weights: Weights }> {
  checkExists(path);
  if (network === undefined) return readModelFile(path);
  modelEntry(network);
  return readModelFile(path, { network });
}

/**
 * Graph and trained weights; no name or file means the default model, `network` the network of a weights-only file.
 * Throws RangeError `UNKNOWN_MODEL`, EnvironmentError `NO_WEIGHTS`, and what reading a model file throws.
 */
export async function loadModel(nameOrFile: string | undefined, network?: string): Promise<LoadedModel> {
  if (nameOrFile === undefined) {
    const found = defaultModel();
    const loaded = await readModelFile(
      found.path,
      found.network === undefined ? {} : { network: found.network },
    );
    return { ...loaded, description: found.description };
  }
  if (!hasModel(nameOrFile)) {
    const { graph, weights } = await readFile(nameOrFile, network);
    return { graph, weights, description: `${graph.name} from ${nameOrFile}` };
  }
  const path = pulledModel(nameOrFile);
  if (path === undefined)
    throw new EnvironmentError(
      'NO_WEIGHTS',
      `${nameOrFile}: no trained weights are here; get them with "ghostnet pull ${nameOrFile}", or give a model file`,
    );
  const { graph, weights } = await readModelFile(path, { network: nameOrFile });
  return { graph, weights, description: `${nameOrFile} from ${path}` };
}

/** Graph and weights to time: a network by name gets random weights, which take the same time. */
export async function loadModelOrRandom(
  nameOrFile: string,
  network?: string,
): Promise<{ graph: Graph; weights: Weights }> {
  if (!hasModel(nameOrFile)) return readFile(nameOrFile, network);
  const graph = createModel(nameOrFile);
  return { graph, weights: initializeWeights(graph, 1) };
}

const pulledModel = (_name: string): string | undefined => undefined;
