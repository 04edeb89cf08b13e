/**
 * A whole run: from a configuration to a run folder with metrics, checkpoints, the model and the report. Says what
 * happens through `RunEvents`; draws nothing on a terminal (cli/train.ts).
 */
import { existsSync } from 'node:fs';
import { cifar10TestFile } from '../../data/cifar10.js';
import { findCifar10, loadCifar10 } from '../../data/node/cifar10-files.js';
import { FormatError, rangeError } from '../../errors.js';
import { readModelFile, writeFileAtomically, writeModelFile } from '../../formats/node/model-file.js';
import type { Graph } from '../../graph/graph.js';
import type { RunConfig } from '../config.js';
import type { Trainer } from '../engine.js';
import { DivergedError, type EpochRow, historyCsv, type Progress, type StepReport } from '../loop.js';
import type { Evaluation } from '../metrics.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { evaluateStore } from './evaluate-store.js';
import { configuredSide, prepareNetwork } from './prepare-network.js';
import {
  createRunFolder,
  type RunFile,
  readRunFile,
  runFacts,
  runPaths,
  writeRunFile,
} from './run-folder.js';
import { type Teacher, trainNetwork } from './train-network.js';
import { openTrainingData, type TrainingData } from './training-data.js';
import { type HeldOut, writeReport } from './write-report.js';

export interface RunEvents {
  readonly onData?: (done: number, total: number) => void;
  readonly onStart?: (start: {
    readonly config: RunConfig;
    readonly graph: Graph;
    readonly data: TrainingData;
    readonly trainer: Trainer;
    readonly resumedAt?: { readonly epoch: number; readonly step: number };
  }) => void;
  readonly onStep?: (report: StepReport) => void;
  readonly onEpoch?: (row: EpochRow, best: boolean) => void;
  readonly onEvaluate?: (done: number, total: number) => void;
}

export interface RunOutcome {
  readonly state: 'finished' | 'interrupted';
  readonly config: RunConfig;
  readonly folder: string;
  /** Pictures of an epoch. */
  readonly trainedOn: number;
  readonly report?: string;
  /** On the test pictures where there are some, else on the validation pictures. */
  readonly evaluation?: { readonly of: 'test' | 'validation'; readonly result: Evaluation };
  readonly bestEpoch: number | null;
}

export interface RunOptions extends RunEvents {
  readonly folder: string;
  /** Absent: the run in `folder` goes on. */
  readonly config?: RunConfig;
  /** Another length for a run that goes on; its schedule is stretched or shortened from here on. */
  readonly epochs?: number;
  /** Where the data of a run that goes on is now. */
  readonly data?: string;
  /** Kept in the run's config.json. */
  readonly command: string;
  readonly signal?: AbortSignal;
}

async function openTeacher(config: RunConfig): Promise<Teacher | undefined> {
  const { teacher } = config;
  if (!teacher) return undefined;
  const { graph, weights } = await readModelFile(teacher.model);
  return { graph, weights, temperature: teacher.temperature, weight: teacher.weight };
}

/** What must not change between the parts of a run (the length may, see `RunChange`). */
function identityOf(config: RunConfig): string {
  const { out: _, data: __, workers: ___, epochs: ____, ...rest } = config;
  return JSON.stringify(rest);
}

/** A run that goes on with `epochs` in all. Throws RangeError `RUN_LENGTH`. */
function withLength(run: RunFile, epochs: number | undefined, progress: Progress | undefined): RunFile {
  const { config, changes = [] } = run;
  if (epochs === undefined || epochs === config.epochs || !progress) return run;
  if (epochs < progress.epoch || (epochs === progress.epoch && progress.stepInEpoch > 0))
    throw rangeError(
      'RUN_LENGTH',
      `epochs: given ${epochs}, but the run has done ${progress.epoch} and ${progress.stepInEpoch} steps`,
    );
  const change = {
    epoch: progress.epoch,
    step: progress.stepInEpoch,
    from: config.epochs,
    to: epochs,
  };
  return { ...run, config: { ...config, epochs }, changes: [...changes, change] };
}

/** A diverged training's error with the place of its last good checkpoint. */
function withCheckpoint(error: unknown, last: string): unknown {
  if (!(error instanceof DivergedError)) return error;
  error.message += existsSync(last)
    ? `; the last good checkpoint is "${last}"`
    : '; it came before the first checkpoint';
  return error;
}

/**
 * Trains as the configuration says, or goes on with the run in the folder.
 * Throws EnvironmentError `RUN_EXISTS`, `RUN_MISSING`, FormatError `RUN_DAMAGED`, `CHECKPOINT_DAMAGED`, and what
 * opening the data, preparing the network and `trainNetwork` throw.
 */
export async function runTraining(options: RunOptions): Promise<RunOutcome> {
  const { folder } = options;
  const paths = runPaths(folder);
  const begun: RunFile = options.config
    ? { config: options.config, facts: await runFacts(options.command) }
    : await readRunFile(folder);
  const checkpoint = options.config ? undefined : await readCheckpoint(paths.last);
  const run = withLength(begun, options.epochs, checkpoint?.progress);
  const config = options.data === undefined ? run.config : { ...run.config, data: options.data };
  const side = await configuredSide(config);
  const data = await openTrainingData(config.data, {
    keepSide: Math.round(side * 1.15),
    fraction: config.validation,
    ...(config.limit === undefined ? {} : { limit: config.limit }),
    seed: config.seed,
    badPictures: config.badPictures,
    ...(options.onData ? { onProgress: options.onData } : {}),
  });
  const { graph, weights } = await prepareNetwork(config, data.classes, data.kind);
  const teacher = await openTeacher(config);
  if (checkpoint && checkpoint.identity !== identityOf(config))
    throw new FormatError(
      'RUN_DAMAGED',
      `"${folder}": the checkpoint belongs to another configuration than config.json says`,
    );
  if (options.config) {
    await createRunFolder(folder, run);
    if (data.split) await writeFileAtomically(paths.split, `${JSON.stringify(data.split, null, 2)}\n`);
  } else await writeRunFile(folder, run);
  const { onStart, onStep, onEpoch, signal } = options;
  const result = await trainNetwork({
    graph,
    weights,
    ...(teacher ? { teacher } : {}),
    data,
    recipe: config,
    ...(checkpoint ? { resume: checkpoint } : {}),
    ...(signal ? { signal } : {}),
    onStart: (trainer) =>
      onStart?.({
        config,
        graph,
        data,
        trainer,
        ...(checkpoint
          ? {
              resumedAt: {
                epoch: checkpoint.progress.epoch + 1,
                step: checkpoint.progress.stepInEpoch,
              },
            }
          : {}),
      }),
    ...(onStep ? { onStep } : {}),
    onEpoch: async (row, progress) => {
      await writeFileAtomically(paths.metrics, historyCsv(progress.history));
      onEpoch?.(row, progress.best?.epoch === row.epoch);
    },
    onCheckpoint: (state, progress) =>
      writeCheckpoint(paths.last, { state, progress, identity: identityOf(config) }),
    onBest: (best) => writeModelFile(paths.best, graph, best),
  }).catch((error: unknown) => {
    throw withCheckpoint(error, paths.last);
  });
  const bestEpoch = result.progress.best?.epoch ?? null;
  const common = { state: result.state, config, folder, trainedOn: data.train.length, bestEpoch };
  if (result.state === 'interrupted') return common;

  const model = await readModelFile(paths.best);
  await writeModelFile(config.out, model.graph, model.weights, {
    dtype: config.dtype === 'f16' ? 'F16' : 'F32',
  });
  const held = await heldOut(config, data);
  const saved = await readModelFile(config.out);
  const evaluation = await evaluateStore(saved.graph, saved.weights, held.store, held.indices, {
    classes: data.classes,
    threads: config.threads,
    onProgress: (done) => options.onEvaluate?.(done, held.indices.length),
  });
  await writeReport(paths, { run, data, held, evaluation, progress: result.progress, graph: saved.graph });
  return {
    ...common,
    report: paths.report,
    evaluation: { of: held.of, result: evaluation },
  };
}

/** The pictures of the final numbers: CIFAR-10's test batch where it is, else those of the validation. */
async function heldOut(config: RunConfig, data: TrainingData): Promise<HeldOut> {
  const cifar = data.kind === 'cifar10' ? await findCifar10(config.data) : undefined;
  if (cifar && !cifar.file) {
    const store = await loadCifar10(cifar.folder, 'test').catch(() => undefined);
    if (store)
      return {
        of: 'test',
        store,
        indices: Int32Array.from({ length: store.labels.length }, (_, i) => i),
        nameOf: (index) => `${cifar10TestFile}, picture ${index}`,
      };
  }
  const indices = data.validation.length > 0 ? data.validation : data.train;
  return { of: 'validation', store: data.store, indices, nameOf: data.nameOf };
}
