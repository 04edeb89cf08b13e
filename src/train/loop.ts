/**
 * The training loop: epochs of steps, a validation after each, the best epoch kept, and a clean stop at any step.
 * It owns the order of events and the numbers of a run; the engine computes, `hooks` read and write files. Knows
 * neither Node nor the terminal, so it also runs in a page.
 */
import type { Batch, BatchRequest } from '../data/batches.js';
import { EnvironmentError } from '../errors.js';
import type { Weights } from '../graph/graph.js';
import type { Evaluation } from './metrics.js';
import { learningRateAt, type Schedule } from './schedule.js';

/** What the loop needs of the engine. */
export interface StepEngine {
  step(batch: Batch, learningRate: number): Promise<{ readonly loss: number; readonly correct: number }>;
  /** A copy of the weights that the run gives (their moving average where one is kept), statistics included. */
  weights(): Weights;
  /** The first node, in forward order, whose output holds a NaN or an infinity; undefined when unknown. */
  firstNonFinite(): string | undefined;
}

/** One row of metrics.csv. Accuracies are fractions; losses are means over pictures. */
export interface EpochRow {
  /** From 1. */
  readonly epoch: number;
  /** Steps since the start of the run. */
  readonly step: number;
  readonly learningRate: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Share of the time in which the step waited for its batch. */
  readonly waiting: number;
}

/** Where a run is: everything but the tensors that the same bits need. */
export interface Progress {
  /** Epochs finished. */
  readonly epoch: number;
  /** Steps done of the epoch after those. */
  readonly stepInEpoch: number;
  /** Sums over the steps of the unfinished epoch. */
  readonly lossSum: number;
  readonly correct: number;
  readonly seconds: number;
  /** Of those, how many the step waited for batches. */
  readonly waited: number;
  readonly history: readonly EpochRow[];
  readonly best: { readonly epoch: number; readonly accuracy: number; readonly loss: number } | null;
}

export const freshProgress: Progress = {
  epoch: 0,
  stepInEpoch: 0,
  lossSum: 0,
  correct: 0,
  seconds: 0,
  waited: 0,
  history: [],
  best: null,
};

export interface StepReport {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly learningRate: number;
  /** Means over the epoch so far. */
  readonly loss: number;
  readonly accuracy: number;
  readonly imagesPerSecond: number;
  /** Share of the epoch's time in which the step waited for its batch. */
  readonly waiting: number;
  readonly secondsLeft: number;
}

export interface LoopHooks {
  /** The batches of the requests, in order. */
  batches(requests: readonly BatchRequest[]): AsyncIterable<Batch>;
  /** Absent: no validation pictures; the last epoch is taken. */
  validate?(weights: Weights): Promise<Evaluation>;
  /** Called at the end of each epoch, every `saveEverySeconds`, and when the run is interrupted. */
  saveLast(progress: Progress): Promise<void>;
  /** Called when an epoch is the best so far, with the weights that were validated. */
  saveBest(weights: Weights, progress: Progress): Promise<void>;
  onStep?(report: StepReport): void;
  onEpoch?(row: EpochRow): void | Promise<void>;
}

export interface LoopOptions {
  readonly engine: StepEngine;
  readonly epochs: number;
  readonly batch: number;
  /** The requests of an epoch (counted from 0), always the same number. */
  readonly epochRequests: (epoch: number) => readonly BatchRequest[];
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly start?: Progress;
  /** Longest time without a checkpoint. Default 300. */
  readonly saveEverySeconds?: number;
  readonly signal?: AbortSignal;
  readonly hooks: LoopHooks;
}

export interface LoopOutcome {
  readonly state: 'finished' | 'interrupted';
  readonly progress: Progress;
}

/** The loss is not a number any more. The last checkpoint still is good. */
export class DivergedError extends EnvironmentError {
  readonly epoch: number;
  readonly step: number;
  readonly node: string | undefined;
  constructor(epoch: number, step: number, loss: number, node: string | undefined) {
    const place = node ? `; the first layer with such a value is "${node}"` : '';
    super(
      'TRAINING_DIVERGED',
      `the loss is ${loss} at step ${step} (epoch ${epoch})${place}; try a lower learning rate, a longer warm-up or clipNorm`,
    );
    this.epoch = epoch;
    this.step = step;
    this.node = node;
  }
}

/** Lets events in (signals, messages of workers) between steps. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

/**
 * Runs from `start` to the last epoch, or until `signal` fires (then the state is saved after the current step).
 * Throws DivergedError at the first loss that is not finite.
 */
export async function runLoop(options: LoopOptions): Promise<LoopOutcome> {
  const { engine, epochs, batch, hooks, signal } = options;
  const saveEvery = (options.saveEverySeconds ?? 300) * 1000;
  let progress = options.start ?? freshProgress;
  let saved = performance.now();

  while (progress.epoch < epochs) {
    const requests = options.epochRequests(progress.epoch);
    const stepsPerEpoch = requests.length;
    let { stepInEpoch, lossSum, correct } = progress;
    const before = progress.seconds;
    let waited = progress.waited;
    const started = performance.now();
    const firstStep = stepInEpoch;
    const elapsed = (): number => (performance.now() - started) / 1000;
    const rateAt = (step: number): number =>
      learningRateAt(options.schedule, options.learningRate, step, { epochs, stepsPerEpoch });
    let learningRate = rateAt(Math.max(0, progress.epoch * stepsPerEpoch + stepInEpoch - 1));
    const now = (): Progress => ({
      ...progress,
      stepInEpoch,
      lossSum,
      correct,
      seconds: before + elapsed(),
      waited,
    });

    let asked = performance.now();
    for await (const made of hooks.batches(requests.slice(firstStep))) {
      waited += (performance.now() - asked) / 1000;
      const step = progress.epoch * stepsPerEpoch + stepInEpoch;
      learningRate = rateAt(step);
      const { loss, correct: right } = await engine.step(made, learningRate);
      if (!Number.isFinite(loss))
        throw new DivergedError(progress.epoch + 1, step + 1, loss, engine.firstNonFinite());
      stepInEpoch++;
      lossSum += loss;
      correct += right;
      const rate = ((stepInEpoch - firstStep) * batch) / elapsed();
      hooks.onStep?.({
        epoch: progress.epoch + 1,
        epochs,
        step: stepInEpoch,
        stepsPerEpoch,
        learningRate,
        loss: lossSum / stepInEpoch,
        accuracy: correct / (stepInEpoch * batch),
        imagesPerSecond: rate,
        waiting: waited / (before + elapsed()),
        secondsLeft: (((epochs - progress.epoch) * stepsPerEpoch - stepInEpoch) * batch) / rate,
      });
      await breathe();
      if (signal?.aborted) {
        progress = now();
        await hooks.saveLast(progress);
        return { state: 'interrupted', progress };
      }
      if (performance.now() - saved > saveEvery && stepInEpoch < stepsPerEpoch) {
        await hooks.saveLast(now());
        saved = performance.now();
      }
      asked = performance.now();
    }

    const seconds = before + elapsed();
    const weights = engine.weights();
    const validation = await hooks.validate?.(weights);
    const row: EpochRow = {
      epoch: progress.epoch + 1,
      step: (progress.epoch + 1) * stepsPerEpoch,
      learningRate,
      trainLoss: lossSum / stepsPerEpoch,
      trainAccuracy: correct / (stepsPerEpoch * batch),
      validationLoss: validation?.loss ?? null,
      validationAccuracy: validation?.top1 ?? null,
      seconds,
      imagesPerSecond: (stepsPerEpoch * batch) / seconds,
      waiting: waited / seconds,
    };
    const { best } = progress;
    const better =
      !validation ||
      !best ||
      validation.top1 > best.accuracy ||
      (validation.top1 === best.accuracy && validation.loss < best.loss);
    progress = {
      epoch: row.epoch,
      stepInEpoch: 0,
      lossSum: 0,
      correct: 0,
      seconds: 0,
      waited: 0,
      history: [...progress.history, row],
      best: better
        ? {
            epoch: row.epoch,
            accuracy: validation?.top1 ?? row.trainAccuracy,
            loss: validation?.loss ?? row.trainLoss,
          }
        : best,
    };
    if (better) await hooks.saveBest(weights, progress);
    await hooks.saveLast(progress);
    saved = performance.now();
    await hooks.onEpoch?.(row);
    await breathe();
    if (signal?.aborted && progress.epoch < epochs) return { state: 'interrupted', progress };
  }
  return { state: 'finished', progress };
}

/** The header and rows of metrics.csv. */
export function historyCsv(history: readonly EpochRow[]): string {
  const header =
    'epoch,step,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy,seconds,images_per_second,waiting';
  const number = (value: number | null, digits: number): string =>
    value === null ? '' : String(Number(value.toFixed(digits)));
  const rows = history.map((row) =>
    [
      row.epoch,
      row.step,
      Number(row.learningRate.toPrecision(6)),
      number(row.trainLoss, 5),
      number(row.trainAccuracy, 5),
      number(row.validationLoss, 5),
      number(row.validationAccuracy, 5),
      number(row.seconds, 2),
      number(row.imagesPerSecond, 1),
      number(row.waiting, 4),
    ].join(','),
  );
  return `${[header, ...rows].join('\n')}\n`;
}
