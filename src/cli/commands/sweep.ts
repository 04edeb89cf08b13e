/**
 * `ghostnet sweep`: a grid of trainings. Says what it costs, then runs `ghostnet train` for each point, several at
 * once (sweep-run.ts); whatever is finished is in results.csv and is not done again, by this process or by others on
 * the same folder.
 */
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../../formats/node/make-folder.js';
import type { Claim } from '../../train/node/claim.js';
import type { SweepRun } from '../../train/sweep.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { networkOptions } from '../input/network-options.js';
import { wholeNumber } from '../input/options.js';
import { onInterrupt } from '../output/interrupt.js';
import { warn } from '../output/report-error.js';
import { note, outColors, print, table } from '../output/terminal.js';
import { duration } from '../output/train-view.js';
import { printPlan, sweepPlan } from './sweep/plan.js';
import { checkUnchanged, runOne, sweepFiles } from './sweep/run.js';

interface SweepOptions {
  readonly out: string;
  readonly jobs: number;
  readonly limit?: number;
  readonly plan?: boolean;
}

export const registerSweep: Register = (program, act) => {
  program
    .command('sweep')
    .description('train a grid of networks and settings')
    .argument('<file>', 'YAML: "grid" with lists by setting, beside it the settings of every run')
    .option('--out <folder>', 'where runs, logs and results.csv go', 'sweep')
    .option('--jobs <n>', 'trainings at once, each its own process', wholeNumber(1, 64), 1)
    .option('--limit <n>', 'train each on at most so many pictures, as many of each class', wholeNumber(1))
    .option('--plan', 'say what it would cost, and stop')
    .addHelpText(
      'after',
      `
A run that was stopped is resumed from its checkpoint; one that is in results.csv is left. Several sweeps may work on one
folder at the same time: each takes runs that no living process has. Trainings end, with a checkpoint, when their sweep
does, also when it is killed. "grid" may be a list of grids.

Example, tables 3 and 4 on a short schedule (grid.yaml):
  data: data/cifar10
  recipe: cifar-fast
  epochs: 5
  limit: 10000
  grid:
    - { network: [vgg16-cifar, ghost-vgg16-cifar], ratio: [2], cheapKernel: [1, 3, 5, 7] }
    - { network: [ghost-vgg16-cifar], ratio: [3, 4, 5], cheapKernel: [3] }

  ghostnet sweep grid.yaml --plan
  ghostnet sweep grid.yaml --out runs/table4 --jobs 2
  ghostnet paper table 4 --trained runs/table4/results.csv`,
    )
    .action(act(sweepCommand));
};

/** A training whose sweep was killed finishes its step and writes a checkpoint: at most so long. */
const orphanMs = 120_000;

/** The claim on a run, or who has it. */
async function claimRun(file: string, id: string): Promise<Claim | string> {
  const { claim } = await import('../../train/node/claim.js');
  let said = false;
  for (let waited = 0; ; waited += 200) {
    const held = await claim(file);
    if ('release' in held) return held;
    if (!held.orphaned || waited > orphanMs) return held.by;
    if (!said) note(`${id}: waiting for ${held.by}, whose sweep is gone, to write its checkpoint`);
    said = true;
    await sleep(200);
  }
}

/** Ids that results.csv has. */
async function finished(results: string): Promise<Set<string>> {
  const { readCsv } = await import('../../paper/csv.js');
  const text = await readFile(results, 'utf8').catch(() => '');
  return new Set(readCsv(text).map((row) => row['id'] ?? ''));
}

async function readRuns(file: string, { limit, out }: SweepOptions): Promise<SweepRun[]> {
  const { readSweep } = await import('../../train/sweep.js');
  const { readBytes } = await import('../../formats/node/model-file.js');
  const runs = readSweep(new TextDecoder().decode(await readBytes(file)), file).map(({ id, settings }) => ({
    id,
    settings: limit === undefined ? settings : { ...settings, limit },
  }));
  for (const run of runs) {
    await checkUnchanged(run, out);
    const { network = '', width } = run.settings;
    if (width !== undefined) await networkOptions(network, { width });
  }
  return runs;
}

async function sweepCommand(file: string, options: SweepOptions): Promise<number> {
  const { out } = options;
  const runs = await readRuns(file, options);
  const results = join(out, 'results.csv');
  const done = await finished(results);
  const open = runs.filter(({ id }) => !done.has(id));
  printPlan(await sweepPlan(open), { finished: runs.length - open.length, jobs: options.jobs });
  if (options.plan) return exitCodes.ok;
  await makeFolder(out);
  const children = new Set<ChildProcess>();
  let stopped = false;
  const release = onInterrupt(() => {
    stopped = true;
    note('\nghostnet: the trainings write their checkpoints; the same command goes on with them');
    for (const child of children) child.kill('SIGINT');
  });
  const queue = [...open];
  let failed = 0;
  let trained = 0;
  const runClaimed = async (run: SweepRun, claim: Claim): Promise<void> => {
    if ((await finished(results)).has(run.id)) return;
    note(`${run.id}: started, see ${sweepFiles(out, run.id).log}`);
    const started = performance.now();
    const end = await runOne(run, out, claim, children);
    const time = duration((performance.now() - started) / 1000);
    if (end.how === 'done') trained++;
    if (end.how === 'done') note(`${run.id}: ${(100 * end.top1).toFixed(2)} % in ${time}`);
    else if (end.how === 'stopped') note(`${run.id}: stopped`);
    else {
      failed++;
      warn(`${run.id}: ${end.why}`);
    }
  };
  const work = async (): Promise<void> => {
    for (let run = queue.shift(); run && !stopped; run = queue.shift()) {
      const claim = await claimRun(sweepFiles(out, run.id).claim, run.id);
      if (typeof claim === 'string') {
        note(`${run.id}: ${claim} has it`);
        continue;
      }
      try {
        await runClaimed(run, claim);
      } finally {
        await claim.release();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: options.jobs }, work));
  } finally {
    release();
  }
  await printResults(results);
  if (stopped) return exitCodes.interrupted;
  if (failed === 0) return exitCodes.ok;
  return trained === 0 ? exitCodes.failure : exitCodes.someFailed;
}

async function printResults(results: string): Promise<void> {
  const { readCsv } = await import('../../paper/csv.js');
  const rows = readCsv(await readFile(results, 'utf8').catch(() => ''));
  if (rows.length === 0) return;
  const head = ['run', 'top-1 %', 'epochs', 'pictures'].map(outColors.dim);
  const columns = ['id', 'top1', 'epochs', 'trainedOn'];
  print(table([head, ...rows.map((row) => columns.map((name) => row[name] ?? ''))], 'lrrr'));
}
