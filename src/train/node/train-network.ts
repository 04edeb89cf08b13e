/**
 * `trainNetwork`: trains a graph on opened data, from given weights or fresh ones, perhaps with a teacher: trainer,
 * batch workers, loop, checkpoints. The files of a run are in run-folder.ts, the command in cli/train.ts.
 */
import { createNetwork } from '../../create-network.js';
import { epochBatches } from '../../data/batches.js';
import { createBatchLoader } from '../../data/node/batch-loader.js';
import { rangeError } from '../../errors.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { RunConfig } from '../config.js';
import { createTrainer, type Trainer, type TrainerState } from '../engine.js';
import { type EpochRow, freshProgress, type Progress, runLoop, type StepReport } from '../loop.js';
import { learningRateFactors } from '../parameter-rules.js';
import { stepEngine } from '../step-engine.js';
import { batchRecipe, evaluateStore, inputSide } from './evaluate-store.js';
import type { TrainingData } from './training-data.js';

export interface Teacher {
  readonly graph: Graph;
  readonly weights: Weights;
  /** Softens both distributions (Hinton et al. 2015). */
  readonly temperature: number;
  /** Share of the loss that comes from the teacher, 0..1. */
  readonly weight: number;
}

/** What of a run's configuration decides the training. */
export type TrainingRecipe = Pick<
  RunConfig,
  | 'epochs'
  | 'batch'
  | 'learningRate'
  | 'schedule'
  | 'optimizer'
  | 'labelSmoothing'
  | 'ema'
  | 'clipNorm'
  | 'augment'
  | 'seed'
  | 'threads'
  | 'workers'
  | 'freeze'
  | 'learningRates'
  | 'recompute'
>;

export interface TrainNetworkOptions {
  readonly graph: Graph;
  /** To start from, e.g. of `initializeWeights`. */
  readonly weights: Weights;
  readonly teacher?: Teacher;
  readonly data: TrainingData;
  readonly recipe: TrainingRecipe;
  /** Goes on from here instead of `weights`. */
  readonly resume?: { readonly state: TrainerState; readonly progress: Progress };
  /** The current step is finished and saved, then the training ends. */
  readonly signal?: AbortSignal;
  /** Called once, before the first step. */
  readonly onStart?: (trainer: Trainer) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (row: EpochRow, progress: Progress) => void | Promise<void>;
  /** At the end of each epoch, every few minutes, and when the training is interrupted. */
  readonly onCheckpoint?: (state: TrainerState, progress: Progress) => Promise<void>;
  /** When an epoch is the best so far, on validation pictures. */
  readonly onBest?: (weights: Weights, progress: Progress) => Promise<void>;
}

export interface TrainNetworkResult {
  readonly state: 'finished' | 'interrupted';
  /** Of the best epoch by validation, or the last; those resumed from when no epoch was finished since. */
  readonly weights: Weights;
  readonly progress: Progress;
}

/** Logits of a network for the batches of another one's preprocessing. */
async function teacherLogits(
  teacher: Teacher,
  student: Graph,
  batch: number,
  threads: number,
): Promise<(images: Float32Array) => Float32Array> {
  const side = inputSide(student);
  if (inputSide(teacher.graph) !== side)
    throw rangeError(
      'TEACHER_INPUT',
      `teacher "${teacher.graph.name}" takes pictures of side ${inputSide(teacher.graph)}, the network ${side}; expected the same`,
    );
  const network = await createNetwork(teacher.graph, teacher.weights, { batch, threads });
  const own = teacher.graph.meta.preprocessing;
  const given = student.meta.preprocessing;
  const scale = [0, 1, 2].map((c) => (own && given ? given.std[c]! / own.std[c]! : 1));
  const shift = [0, 1, 2].map((c) => (own && given ? (given.mean[c]! - own.mean[c]!) / own.std[c]! : 0));
  const plane = side * side;
  return (images) => {
    const input = network.inputView();
    for (let from = 0, c = 0; from < images.length; from += plane, c = (c + 1) % 3)
      for (let i = from; i < from + plane; i++) input[i] = images[i]! * scale[c]! + shift[c]!;
    network.execute();
    return network.outputView();
  };
}

/**
 * Trains. Throws RangeError `BATCH_TOO_LARGE`, `TEACHER_INPUT`, FormatError `CONFIG_INVALID` (a pattern that matches
 * nothing), DivergedError `TRAINING_DIVERGED`, and what `createTrainer` and the data's decoding throw.
 */
export async function trainNetwork(options: TrainNetworkOptions): Promise<TrainNetworkResult> {
  const { graph, data, recipe, resume, teacher } = options;
  const { batch, epochs, seed, threads } = recipe;
  const learned = Object.entries(graph.parameters)
    .filter(([, { role }]) => role !== 'statistic' && role !== 'constant')
    .map(([name]) => name);
  const factors = learningRateFactors(learned, recipe);
  const epochRequests = (epoch: number) => epochBatches(data.train, batch, seed, epoch);
  epochRequests(0);
  const labelSmoothing = recipe.labelSmoothing;
  const trainer = await createTrainer(graph, options.weights, {
    batch,
    threads,
    seed,
    loss: teacher
      ? {
          kind: 'distillation',
          temperature: teacher.temperature,
          weight: teacher.weight,
          labelSmoothing,
        }
      : { kind: 'crossEntropy', labelSmoothing },
    optimizer: recipe.optimizer,
    clipNorm: recipe.clipNorm,
    recompute: recipe.recompute ?? false,
    ...(recipe.ema > 0 ? { ema: { decay: recipe.ema } } : {}),
    lrScale: (name) => factors.get(name) ?? 1,
  });
  const loader = createBatchLoader({
    store: data.store,
    recipe: { ...batchRecipe(graph, data.classes.length, seed), augment: recipe.augment },
    workers: recipe.workers,
  });
  try {
    if (resume) trainer.load(resume.state);
    options.onStart?.(trainer);
    const logits = teacher ? await teacherLogits(teacher, graph, batch, threads) : undefined;
    const engine = stepEngine(trainer, {
      average: recipe.ema > 0,
      ...(logits ? { teacher: logits } : {}),
    });
    let best = resume ? resume.state.weights : options.weights;
    let latest = resume?.progress ?? freshProgress;
    const outcome = await runLoop({
      engine,
      epochs,
      batch,
      epochRequests,
      learningRate: recipe.learningRate,
      schedule: recipe.schedule,
      ...(resume ? { start: resume.progress } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
      hooks: {
        batches: (requests) => loader.batches(requests),
        ...(data.validation.length > 0
          ? {
              validate: (weights) =>
                evaluateStore(graph, weights, data.store, data.validation, {
                  classes: data.classes,
                  threads,
                }),
            }
          : {}),
        saveLast: async (progress) => {
          latest = progress;
          await options.onCheckpoint?.(trainer.state(), progress);
        },
        saveBest: async (weights, progress) => {
          best = weights;
          await options.onBest?.(weights, progress);
        },
        ...(options.onStep ? { onStep: options.onStep } : {}),
        onEpoch: async (row) => options.onEpoch?.(row, latest),
      },
    });
    return { state: outcome.state, weights: best, progress: outcome.progress };
  } finally {
    trainer.dispose();
    await loader.dispose();
  }
}
