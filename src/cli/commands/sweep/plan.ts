/** What a sweep costs: arithmetic counted, time from a measured step of each network. Trains nothing for good. */
import type { SweepRun } from '../../../train/sweep.js';
import { progress } from '../../output/progress.js';
import { grouped, note, outColors, print, table } from '../../output/terminal.js';
import { duration } from '../../output/train-view.js';

interface PlannedRun {
  readonly id: string;
  readonly params: number;
  /** Of one picture, forward. */
  readonly macs: number;
  readonly epochs: number;
  /** Of an epoch. */
  readonly pictures: number;
  readonly seconds: number;
}

const stepBatch = 16;

/** Seconds of one picture's training step, the best of three after one that warms up. */
async function secondsAPicture(run: SweepRun): Promise<{ params: number; macs: number; seconds: number }> {
  const { loadModelOrRandom } = await import('../../input/load-model.js');
  const { createModel, hasModel } = await import('../../../models/registry.js');
  const { initializeWeights } = await import('../../../models/initialize.js');
  const { profile } = await import('../../../analysis/profile.js');
  const { createTrainer } = await import('../../../train/engine.js');
  const { elementCount, inputNodes } = await import('../../../graph/graph.js');
  const { network = '', width, ratio, cheapKernel, inputSize } = run.settings;
  const graph = hasModel(network)
    ? createModel(network, {
        ...(width === undefined ? {} : { width }),
        ...(ratio === undefined ? {} : { ratio }),
        ...(cheapKernel === undefined ? {} : { cheapKernel }),
        ...(inputSize === undefined ? {} : { inputSize }),
      })
    : (await loadModelOrRandom(network)).graph;
  const trainer = await createTrainer(graph, initializeWeights(graph, 1), {
    batch: stepBatch,
    optimizer: { kind: 'sgd' },
  });
  try {
    const images = new Float32Array(stepBatch * elementCount(inputNodes(graph)[0]?.shape ?? []));
    const input = { images, targets: new Int32Array(stepBatch), learningRate: 0 };
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 4; i++) {
      const started = performance.now();
      trainer.step(input);
      if (i > 0) best = Math.min(best, performance.now() - started);
    }
    const { params, macs } = profile(graph);
    return { params, macs, seconds: best / 1000 / stepBatch };
  } finally {
    trainer.dispose();
  }
}

/** What the data and the settings say of each run, before anything is measured. Throws the errors of both. */
async function countAll(runs: readonly SweepRun[]): Promise<{ epochs: number; pictures: number }[]> {
  const { countTrainingPictures, dataKind } = await import('../../../train/node/training-data.js');
  const { resolveConfig } = await import('../../../train/config.js');
  const { hasModel } = await import('../../../models/registry.js');
  const counts = new Map<string, number>();
  const counted: { epochs: number; pictures: number }[] = [];
  for (const run of runs) {
    const { network = '', data = '' } = run.settings;
    const defaults = { data: await dataKind(data), threads: 1, trained: !hasModel(network) };
    const { epochs, limit, validation } = resolveConfig({ ...run.settings, out: run.id }, {}, defaults);
    const given = { fraction: validation, ...(limit === undefined ? {} : { limit }) };
    const key = [data, validation, limit].join();
    const pictures = counts.get(key) ?? (await countTrainingPictures(data, given));
    counts.set(key, pictures);
    counted.push({ epochs, pictures });
  }
  return counted;
}

/** Networks that differ in the seed only are measured once. */
function networkKey({ settings: { network, width, ratio, cheapKernel, inputSize } }: SweepRun): string {
  return [network, width, ratio, cheapKernel, inputSize].join();
}

/** Cost of each run; what is wrong with data or settings is said before the first step is measured. */
export async function sweepPlan(runs: readonly SweepRun[]): Promise<PlannedRun[]> {
  const counted = await countAll(runs);
  const measured = new Map<string, Awaited<ReturnType<typeof secondsAPicture>>>();
  const networks = new Map(runs.map((run) => [networkKey(run), run]));
  const line = progress('measuring a step of each network', networks.size);
  try {
    for (const [key, run] of networks) {
      measured.set(key, await secondsAPicture(run));
      line.update(measured.size);
    }
  } finally {
    line.stop();
  }
  return runs.flatMap((run, i) => {
    const [cost, count] = [measured.get(networkKey(run)), counted[i]];
    if (!cost || !count) return [];
    return [{ id: run.id, ...cost, ...count, seconds: cost.seconds * count.pictures * count.epochs }];
  });
}

export function printPlan(
  planned: readonly PlannedRun[],
  about: { readonly finished: number; readonly jobs: number },
): void {
  const head = ['run', 'params', 'MACs a picture', 'epochs', 'pictures', 'about'].map(outColors.dim);
  const rows = planned.map((run) => [
    run.id,
    grouped(run.params),
    grouped(run.macs),
    String(run.epochs),
    grouped(run.pictures),
    duration(Math.max(1, run.seconds)),
  ]);
  if (rows.length > 0) print(table([head, ...rows], 'lrrrrr'));
  const total = planned.reduce((sum, { seconds }) => sum + seconds, 0);
  print(
    `${planned.length} trainings to do, ${about.finished} finished; about ${duration(Math.max(1, total))} on one core` +
      (about.jobs > 1 ? `, ${about.jobs} at once` : ''),
  );
  if (rows.length > 0) note('times are of a measured step on one thread, without reading and augmenting');
}
