/**
 * A network's predictions on pictures by index: they are decoded and prepared a few ahead, the compiled network
 * answers in batches, metrics.ts counts. Memory stays bounded however many pictures there are. Does not decide which
 * pictures, and writes nothing.
 */
import { createNetwork, type NetworkOptions } from '../../create-network.js';
import type { BatchRecipe, PictureSource } from '../../data/batches.js';
import { openStore, type PictureStore } from '../../data/node/picture-store.js';
import { preprocess } from '../../data/preprocess.js';
import { EnvironmentError, FormatError } from '../../errors.js';
import { usualPreprocessing } from '../../graph/classifier.js';
import { type Graph, inputNodes, nodeMap, type Preprocessing, type Weights } from '../../graph/graph.js';
import type { Network } from '../../runtime/network.js';
import { type Evaluation, Evaluator, type EvaluatorState } from '../metrics.js';

/** Where an evaluation is: enough to go on. */
export interface EvaluationState {
  /** Pictures done, in order, skipped ones included. */
  readonly next: number;
  readonly evaluator: EvaluatorState;
  readonly skipped: readonly SkippedPicture[];
}

export interface SkippedPicture {
  readonly index: number;
  readonly message: string;
}

export interface EvaluateOptions {
  readonly classes: readonly string[];
  readonly threads: number;
  /** Default 'stop': a picture that cannot be decoded ends the evaluation. */
  readonly badPictures?: 'stop' | 'skip';
  readonly keepWorst?: number;
  readonly start?: EvaluationState;
  /** After each batch. */
  readonly onProgress?: (done: number, state: () => EvaluationState) => void | Promise<void>;
  /** Ends after the current batch; what is returned then says how far it came. */
  readonly signal?: AbortSignal;
}

export interface EvaluateResult {
  readonly state: EvaluationState;
  /** Absent when nothing was evaluated. */
  readonly evaluation?: Evaluation;
}

const batch = 16;

/** Side of a network's square input. */
export function inputSide(graph: Graph): number {
  return inputNodes(graph)[0]?.shape[2] ?? 0;
}

/** How pictures become the input of this network: as its file says, else as usual for ImageNet. */
export function preprocessingOf(graph: Graph): Preprocessing {
  const [, height = 0, width = 0] = inputNodes(graph)[0]?.shape ?? [];
  return graph.meta.preprocessing ?? usualPreprocessing(height, width);
}

/** The same for batches of a training. */
export function batchRecipe(graph: Graph, classes: number, seed: number): BatchRecipe {
  const preprocessing = preprocessingOf(graph);
  const { mean, std } = preprocessing;
  return { size: inputSide(graph), classes, mean, std, seed, preprocessing };
}

/**
 * Evaluates the pictures `indices` of a source, in order; `weights` may be what opens the network instead, e.g. in int8. Throws what compiling, decoding (unless bad pictures are
 * skipped) and `Evaluator` throw.
 */
export async function evaluatePictures(
  graph: Graph,
  weights: Weights | ((options: NetworkOptions) => Promise<Network>),
  source: PictureSource,
  indices: Int32Array,
  options: EvaluateOptions,
): Promise<EvaluateResult> {
  const { classes, start, badPictures = 'stop' } = options;
  const [, height = 0, width = 0] = inputNodes(graph)[0]?.shape ?? [];
  const preprocessing = preprocessingOf(graph);
  const ofSoftmax = nodeMap(graph).get(graph.outputs[0] ?? '')?.kind === 'softmax';
  const { threads } = options;
  const network = await (typeof weights === 'function'
    ? weights({ batch, threads })
    : createNetwork(graph, weights, { batch, threads }));
  try {
    const evaluator = new Evaluator(classes, options.keepWorst, start?.evaluator);
    const skipped = [...(start?.skipped ?? [])];
    let next = start?.next ?? 0;
    const state = (): EvaluationState => ({ next, evaluator: evaluator.state(), skipped: [...skipped] });
    const prepare = async (index: number): Promise<Float32Array | Error> => {
      try {
        return preprocess(await source.picture(index), preprocessing, width, height);
      } catch (error) {
        if (error instanceof FormatError || error instanceof EnvironmentError) return error;
        throw error;
      }
    };
    const ask = (from: number): Promise<(Float32Array | Error)[]> =>
      Promise.all(Array.from(indices.subarray(from, from + batch), prepare));
    let ahead = ask(next);
    while (next < indices.length) {
      const prepared = await ahead;
      ahead = ask(next + batch);
      ahead.catch(() => undefined);
      const input = network.inputView();
      const labels: number[] = [];
      const places: number[] = [];
      prepared.forEach((values, i) => {
        const index = indices[next + i]!;
        if (values instanceof Error) {
          if (badPictures === 'stop') throw values;
          skipped.push({ index, message: values.message });
          return;
        }
        input.set(values, labels.length * values.length);
        labels.push(source.labels[index]!);
        places.push(next + i);
      });
      if (labels.length > 0) {
        network.execute();
        const output = network.outputView();
        evaluator.add(ofSoftmax ? output.map(Math.log) : output, labels, labels.length, places);
      }
      next += prepared.length;
      await options.onProgress?.(next, state);
      if (options.signal?.aborted) break;
    }
    const count = next - skipped.length;
    return { state: state(), ...(count > 0 ? { evaluation: evaluator.result() } : {}) };
  } finally {
    network.dispose();
  }
}

/** All of `indices` of a store; a bad picture throws. Throws RangeError `EVALUATION` without pictures. */
export async function evaluateStore(
  graph: Graph,
  weights: Weights,
  store: PictureStore,
  indices: Int32Array,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { evaluation } = await evaluatePictures(graph, weights, openStore(store), indices, options);
  return evaluation ?? new Evaluator(options.classes).result();
}
