/**
 * Fine-tuning of a whole ghostified network with the old one as teacher: a run as `ghostnet train` makes them, with a
 * folder that holds both networks, the metrics, checkpoints and the report, so that `ghostnet train --resume` goes on with it.
 */
import { join } from 'node:path';
import { makeFolder } from '../../../formats/node/make-folder.js';
import { readModelFile, writeModelFile } from '../../../formats/node/model-file.js';
import { type Graph, makeGraph, type Weights } from '../../../graph/graph.js';
import type { RunConfig } from '../../../train/config.js';
import { type RunOutcome, runTraining } from '../../../train/node/run-training.js';
import { finishOnInterrupt } from '../../output/interrupt.js';
import { trainingView } from '../../output/train-view.js';
import { distillation, type FinetuneOptions, type TuningData, tuningRecipe } from './finetune-recipe.js';

interface Trained {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface FinetuneRun extends FinetuneOptions {
  readonly folder: string;
  /** The model file that the run writes. */
  readonly out: string;
  readonly dtype: 'f32' | 'f16';
  /** The command line. */
  readonly command: string;
  /** The outcome is printed. */
  readonly summary: boolean;
}

/** The classes that the run's data has: labels by which `prepareNetwork` knows that no new last layer is needed. */
function labelled({ graph, weights }: Trained, labels: readonly string[]): Trained {
  return { graph: makeGraph({ ...graph, meta: { ...graph.meta, labels } }), weights };
}

/**
 * Trains `student`, and returns it with its own labels again; undefined when Ctrl-C ended it. Throws EnvironmentError
 * `FILE_UNWRITABLE` and what `runTraining` throws.
 */
export async function finetuneRun(
  student: Trained,
  old: Trained,
  data: TuningData,
  options: FinetuneRun,
): Promise<Trained | undefined> {
  const { folder, out, dtype, command } = options;
  const [network, teacher] = [join(folder, 'ghostified.safetensors'), join(folder, 'teacher.safetensors')];
  await makeFolder(folder);
  for (const [file, one] of [
    [network, student],
    [teacher, old],
  ] as const) {
    const { graph, weights } = labelled(one, data.classes);
    await writeModelFile(file, graph, weights);
  }
  const config: RunConfig = {
    ...tuningRecipe(options, data),
    ...{ network, data: options.data, out, recipe: 'ghostify', dtype, validation: data.validation },
    badPictures: 'skip',
    teacher: { model: teacher, ...distillation },
  };
  const view = trainingView();
  let outcome: RunOutcome;
  try {
    outcome = await finishOnInterrupt((signal) => runTraining({ folder, config, command, signal, ...view }));
  } finally {
    view.stop();
  }
  if (outcome.state === 'interrupted') return undefined;
  if (options.summary) view.summary(outcome);
  const tuned = await readModelFile(out);
  const { labels } = student.graph.meta;
  return labels ? labelled(tuned, labels) : tuned;
}
