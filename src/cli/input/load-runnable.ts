/**
 * A model that a command only runs: of floats, or an int8 file. load-model.ts is for commands that need float weights.
 */
import { createNetwork, createQuantizedNetwork, type NetworkOptions } from '../../create-network.js';
import { readAnyModelFile } from '../../formats/node/model-file.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { ModelOptions } from '../../models/model-entry.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import type { Network } from '../../runtime/network.js';
import { type FoundModel, findModel, randomModel } from './load-model.js';

export interface RunnableModel {
  readonly graph: Graph;
  /** One line for people. */
  readonly description: string;
  /** Float weights, or the integers of an int8 file. */
  readonly content:
    | { readonly precision: 'f32'; readonly weights: Weights }
    | { readonly precision: 'int8'; readonly quantized: QuantizedNetwork };
}

async function read({ path, options, describe }: FoundModel): Promise<RunnableModel> {
  const model = await readAnyModelFile(path, options);
  if ('quantized' in model) {
    const { quantized } = model;
    const { graph } = quantized;
    return {
      graph,
      description: `${graph.name} in int8 from ${path}`,
      content: { precision: 'int8', quantized },
    };
  }
  const { graph, weights } = model;
  return { graph, description: describe(graph), content: { precision: 'f32', weights } };
}

/** What a model argument names. Throws what `findModel` and `readAnyModelFile` throw. */
export async function loadRunnable(nameOrFile: string | undefined, network?: string): Promise<RunnableModel> {
  return read(findModel(nameOrFile, network));
}

/** The same to time it: a network by name is what `randomModel` makes. */
export async function loadRunnableOrRandom(
  nameOrFile: string,
  network?: string,
  options: ModelOptions = {},
): Promise<RunnableModel> {
  const random = randomModel(nameOrFile, options);
  if (!random) return read(findModel(nameOrFile, network));
  const { graph, weights } = random;
  return { graph, description: graph.name, content: { precision: 'f32', weights } };
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
