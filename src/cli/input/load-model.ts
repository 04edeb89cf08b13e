/**
 * From what a command line calls a model, a name or a file, to its graph and weights. A name means a network of the
 * registry, with the weights that `ghostnet pull` fetched; everything else is the path of a model file.
 */
import { existsSync } from 'node:fs';
import { EnvironmentError, rangeError } from '../../errors.js';
import { type ReadModelOptions, readModelFile } from '../../formats/node/model-file.js';
import { listPullable, pulledModel } from '../../formats/node/pull.js';
import { type Graph, makeGraph, type Weights } from '../../graph/graph.js';
import { initializeWeights } from '../../models/initialize.js';
import type { ModelOptions } from '../../models/model-entry.js';
import { createModel, hasModel, listModels, modelEntry } from '../../models/registry.js';
import { defaultModel } from './default-model.js';
import { similarNames } from './similar-names.js';

export interface LoadedModel {
  readonly graph: Graph;
  readonly weights: Weights;
  /** One line for people. */
  readonly description: string;
}

function checkExists(nameOrFile: string): void {
  if (existsSync(nameOrFile)) return;
  const names = listModels().flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  const similar = similarNames(nameOrFile, names);
  throw rangeError(
    'UNKNOWN_MODEL',
    `"${nameOrFile}" is neither a network by name ("ghostnet models" lists them) nor a file` +
      (similar.length > 0 ? `; did you mean ${similar.join(', ')}?` : ''),
  );
}

/** The network that a name means: of the registry, or of published weights such as `timm/ghostnet_100`. */
function networkNamed(name: string): string | undefined {
  if (hasModel(name)) return name;
  return listPullable().find((entry) => entry.name === name)?.network;
}

/** A network of the registry; its name says what is not its own. */
function inForm(name: string, options: ModelOptions): Graph {
  const graph = createModel(name, options);
  const { width, ratio, cheapKernel } = options;
  const said = Object.entries({ width, s: ratio, d: cheapKernel }).flatMap(([what, value]) =>
    value === undefined ? [] : [`${what}=${value}`],
  );
  return said.length === 0 ? graph : makeGraph({ ...graph, name: `${graph.name} (${said.join(', ')})` });
}

/** The graph only: a network by name, in the form that `options` give, or the one in a model file. */
export async function loadGraph(
  nameOrFile: string,
  network?: string,
  options: ModelOptions = {},
): Promise<Graph> {
  const known = networkNamed(nameOrFile);
  if (known !== undefined) return inForm(known, options);
  const file = modelFile(nameOrFile, network);
  return (await readModelFile(file.path, file.options)).graph;
}

/** Where a model is, how to read it, and one line for people about what was read. */
export interface FoundModel {
  readonly path: string;
  readonly options: ReadModelOptions;
  readonly describe: (graph: Graph) => string;
}

/** A model file; `network` names the network of a file that holds weights only. */
function modelFile(path: string, network: string | undefined, inputShape?: readonly number[]): FoundModel {
  checkExists(path);
  if (network !== undefined) modelEntry(network);
  const options = {
    ...(network === undefined ? {} : { network }),
    ...(inputShape === undefined ? {} : { inputShape }),
  };
  return { path, options, describe: (graph) => `${graph.name} from ${path}` };
}

/**
 * The file that a name or path means; no name or file means the default model, `network` the network of a weights-only
 * file, `inputShape` the sizes [C, H, W] that an ONNX file leaves free.
 * Throws RangeError `UNKNOWN_MODEL` and EnvironmentError `NO_WEIGHTS`.
 */
export function findModel(
  nameOrFile: string | undefined,
  network?: string,
  inputShape?: readonly number[],
): FoundModel {
  if (nameOrFile === undefined) {
    const { path, description } = defaultModel();
    return { path, options: {}, describe: () => description };
  }
  if (networkNamed(nameOrFile) === undefined) return modelFile(nameOrFile, network, inputShape);
  const pulled = pulledModel(nameOrFile);
  const pullable = listPullable().some(({ name }) => name === nameOrFile);
  if (pulled === undefined)
    throw new EnvironmentError(
      'NO_WEIGHTS',
      `${nameOrFile}: no trained weights are here; ${
        pullable
          ? `get them with "ghostnet pull ${nameOrFile}", or give a model file`
          : `"ghostnet pull --list" has none: give a model file (weights from elsewhere: <file> --network ${nameOrFile})`
      }`,
    );
  const { path, network: of } = pulled;
  return { path, options: { network: of }, describe: () => `${nameOrFile} from ${path}` };
}

/** Graph and trained weights of what `findModel` finds. Throws what it and reading a model file throw. */
export async function loadModel(...given: Parameters<typeof findModel>): Promise<LoadedModel> {
  const { path, options, describe } = findModel(...given);
  const { graph, weights } = await readModelFile(path, options);
  return { graph, weights, description: describe(graph) };
}

/**
 * A network by name, in the form that `options` give, with random weights, which take the same time; undefined where it is
 * no name.
 */
export function randomModel(
  nameOrFile: string,
  options: ModelOptions = {},
): { graph: Graph; weights: Weights } | undefined {
  const known = networkNamed(nameOrFile);
  if (known === undefined) return undefined;
  const graph = inForm(known, options);
  return { graph, weights: initializeWeights(graph, 1) };
}

/** Graph and weights to time: a network by name is what `randomModel` makes. */
export async function loadModelOrRandom(
  nameOrFile: string,
  network?: string,
  options: ModelOptions = {},
): Promise<{ graph: Graph; weights: Weights }> {
  return randomModel(nameOrFile, options) ?? (await loadModel(nameOrFile, network));
}
