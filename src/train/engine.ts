/**
 * Makes trainers: compiles the training step of a graph, plans its memory, starts its threads. What a trainer does is in
 * trainer.ts.
 */
import { control } from '../compiler/training/assemble.js';
import {
  compileTraining,
  type MemoryPlan,
  type TrainingOptions,
} from '../compiler/training/compile-training.js';
import { EnvironmentError } from '../errors.js';
import type { Graph, Weights } from '../graph/graph.js';
import { detectFeatures } from '../runtime/features.js';
import { warnOnce } from '../runtime/warn-once.js';
import { type NetworkThread, startThread } from '../runtime/worker.js';
import { type Main, Trainer } from './trainer.js';
import { ruleOf, type TrainerOptions } from './trainer-options.js';

export type { MemoryPlan } from '../compiler/training/compile-training.js';
export { Trainer } from './trainer.js';
export type {
  LayerTime,
  OptimizerOptions,
  StepInput,
  StepResult,
  TrainerOptions,
  TrainerState,
} from './trainer-options.js';

function trainingOptions(options: TrainerOptions, threads: number, relaxed: boolean): TrainingOptions {
  const { batch, optimizer } = options;
  return {
    batch,
    threads,
    isa: { relaxed: options.relaxed ?? relaxed },
    loss: options.loss ?? { kind: 'crossEntropy' },
    rule: ruleOf(optimizer),
    weightDecay: optimizer.weightDecay ?? 0,
    decayNormAndBias: optimizer.decayNormAndBias ?? false,
    clipNorm: options.clipNorm ?? 0,
    average: options.ema !== undefined,
    recompute: options.recompute ?? false,
    checked: options.checked ?? false,
    trial: options.trial,
  };
}

/**
 * The memory that a trainer of these options will have, to the byte, without making it.
 * Throws RangeError `NOT_TRAINABLE`, `BAD_BATCH`; EnvironmentError `OUT_OF_MEMORY` when 4 GiB do not suffice.
 */
export function planTraining(graph: Graph, options: TrainerOptions): MemoryPlan {
  return compileTraining(graph, trainingOptions(options, options.threads ?? 1, false)).memory;
}

/**
 * Compiles the training step of a graph and starts its threads. Where there are no threads (a page that is not
 * cross-origin isolated) it trains with one and says so on the console.
 * Throws RangeError `NOT_TRAINABLE`, `BAD_BATCH`, `WEIGHTS_MISSING`; EnvironmentError `NO_SIMD`, `OUT_OF_MEMORY`,
 * `WORKER_FAILED`.
 */
export async function createTrainer(
  graph: Graph,
  weights: Weights,
  options: TrainerOptions,
): Promise<Trainer> {
  const features = detectFeatures();
  let { threads = 1 } = options;
  if (!features.simd)
    throw new EnvironmentError('NO_SIMD', 'trainer: this engine has no WebAssembly SIMD; use a current one');
  if (threads > 1 && !features.threads.available) {
    warnOnce(
      'threads',
      `ghostnet: ${threads} threads were asked for, training with one: ${features.threads.reason}`,
    );
    threads = 1;
  }
  const compiled = compileTraining(graph, trainingOptions(options, threads, features.relaxed));
  const { pages } = compiled;
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: threads > 1 });
  } catch (cause) {
    const need = `${(compiled.memory.peakBytes / 2 ** 20).toFixed(0)} MiB`;
    throw new EnvironmentError(
      'OUT_OF_MEMORY',
      `trainer: ${need} are needed; use a smaller batch${options.recompute ? '' : ' or { recompute: true } (--recompute)'}`,
      {
        cause,
      },
    );
  }
  const words = new Int32Array(memory.buffer);
  for (const { address, data } of compiled.tables) if (data) words.set(data, address / 4);
  const module = await WebAssembly.compile(compiled.module() as BufferSource);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const workers: NetworkThread[] = [];
  try {
    const starts = compiled.shares
      .slice(1)
      .map(({ thread }) =>
        startThread({ module, memory, thread, control }).then((worker) => workers.push(worker)),
      );
    await Promise.all(starts);
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
  const trainer = new Trainer(compiled, options, {
    memory,
    main: instance.exports['main0'] as Main,
    workers,
  });
  trainer.setWeights(weights);
  return trainer;
}
