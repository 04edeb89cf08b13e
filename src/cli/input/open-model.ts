/**
 * A model ready to answer: read, compiled, instantiated and warmed up, with its preprocessing and labels at hand.
 * Where models come from is load-model.ts; this file is about running them.
 */

import { imagenetLabels } from '../../data/imagenet-labels.js';
import type { RgbPicture } from '../../data/picture.js';
import { preprocess } from '../../data/preprocess.js';
import { classifierShape, usualPreprocessing } from '../../graph/classifier.js';
import { nodeMap } from '../../graph/graph.js';
import type { Network } from '../../runtime/network.js';
import { loadRunnable, openRunnable } from './load-runnable.js';
import { noteUsualPreprocessing, withPreprocessing } from './preprocessing-option.js';

export interface OpenModel {
  readonly network: Network;
  /** One line for people: which network and weights. */
  readonly description: string;
  /** One line for people: what runs it. */
  readonly backend: string;
  readonly endsInSoftmax: boolean;
  /** A picture to the network's input, as the model file says. */
  readonly prepare: (picture: RgbPicture) => Float32Array;
  /** The class name of an output index. */
  readonly label: (index: number) => string;
}

/** ImageNet's names for files that state none and have as many outputs, or one more for the background before them. */
function usualLabels(classes: number): readonly string[] {
  if (classes === imagenetLabels.length) return imagenetLabels;
  return classes === imagenetLabels.length + 1 ? ['background', ...imagenetLabels] : [];
}

/**
 * Opens what `--model` names (undefined: the default model) on `threads` threads; `network` and `preprocessing` are the
 * options of these names.
 * Throws what loading and compiling throw, and RangeError `NOT_A_CLASSIFIER` when the network does not take one picture
 * or does not give one row of scores.
 */
export async function openModel(
  nameOrFile: string | undefined,
  options: { readonly threads: number; readonly network?: string; readonly preprocessing?: string },
): Promise<OpenModel> {
  const { threads } = options;
  const model = await withPreprocessing(
    await loadRunnable(nameOrFile, options.network),
    options.preprocessing,
  );
  const { graph, description, content } = model;
  noteUsualPreprocessing(model);
  const { width, height, classes } = classifierShape(graph);
  const preprocessing = graph.meta.preprocessing ?? usualPreprocessing(height, width);
  const labels = graph.meta.labels ?? usualLabels(classes);
  const opened = await openRunnable(model, { threads });
  await opened.warmUp();
  return {
    network: opened,
    description,
    backend: `${describeBackend(opened)}${content.precision === 'int8' ? ', int8' : ''}`,
    endsInSoftmax: nodeMap(graph).get(graph.outputs[0]!)?.kind === 'softmax',
    prepare: (picture) => preprocess(picture, preprocessing, width, height),
    label: (index) => labels[index] ?? `class ${index}`,
  };
}

function describeBackend({ backend }: Network): string {
  const { relaxed, threads } = backend;
  return `WebAssembly ${relaxed ? 'relaxed SIMD' : 'SIMD'}, ${threads} thread${threads === 1 ? '' : 's'}`;
}
