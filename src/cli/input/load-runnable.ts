/**
 * A model that a command only runs: of floats, or an int8 file. load-model.ts is for commands that need float weights.
 */
import { createNetwork, createQuantizedNetwork, type NetworkOptions } from '../../create-network.js';
import { FormatError } from '../../errors.js';
import { readQuantizedFile } from '../../formats/node/model-file.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { ModelOptions } from '../../models/model-entry.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import type { Network } from '../../runtime/network.js';
import { loadModel, loadModelOrRandom } from './load-model.js';

export interface RunnableModel {
  readonly graph: Graph;
  /** One line for people. */
  readonly description: string;
  /** Float weights, or the integers of an int8 file. */
  readonly content:
    | { readonly precision: 'f32'; readonly weights: Weights }
    | { readonly precision: 'int8'; readonly quantized: QuantizedNetwork };
}

/** What a model argument names, see `loadModel`. Throws what it and `readQuantizedFile` throw. */
export async function loadRunnable(nameOrFile: string | undefined, network?: string): Promise<RunnableModel> {
  return orQuantized(nameOrFile, async () => {
    const { graph, weights, description } = await loadModel(nameOrFile, network);
    return { graph, description, content: { precision: 'f32', weights } };
  });
}

async function orQuantized(
  nameOrFile: string | undefined,
  load: () => Promise<RunnableModel>,
): Promise<RunnableModel> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof FormatError) || error.code !== 'MODEL_QUANTIZED' || nameOrFile === undefined)
      throw error;
    const quantized = await readQuantizedFile(nameOrFile);
    const { graph } = quantized;
    const description = `${graph.name} in int8 from ${nameOrFile}`;
    return { graph, description, content: { precision: 'int8', quantized } };
  }
}

/** The same to time it: a network by name gets random weights. Throws what `loadModelOrRandom` throws. */
export async function loadRunnableOrRandom(
  nameOrFile: string,
  network?: string,
  options: ModelOptions = {},
): Promise<RunnableModel> {
  return orQuantized(nameOrFile, async () => {
    const { graph, weights } = await loadModelOrRandom(nameOrFile, network, options);
    return { graph, description: graph.name, content: { precision: 'f32', weights } };
  });
}

/** Compiles for this machine and instantiates. Throws what `createNetwork` and `createQuantizedNetwork` throw. */
export function openRunnable(
  { graph, content }: Pick<RunnableModel, 'graph' | 'content'>,
  options: NetworkOptions,
): Promise<Network> {
  return content.precision === 'int8'
    ? createQuantizedNetwork(content.quantized, options)
    : createNetwork(graph, content.weights, options);
}
