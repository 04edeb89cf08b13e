/**
 * `ghostnet sweep`: a grid of trainings. Says what it costs, then runs `ghostnet train` for each point, several at
 * once; whatever is finished is in results.csv and is not done again, by this process or by others on the same folder.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SweepRun } from '../train/sweep.js';
import type { Register } from './command.js';
import { exitCodes } from './exit-codes.js';
import { onInterrupt } from './interrupt.js';
import { wholeNumber } from './options.js';
import { warn } from './report-error.js';
import { printPlan, sweepPlan } from './sweep-plan.js';
import { note, outColors, print, table } from './terminal.js';

interface SweepOptions {
  readonly out: string;
  readonly jobs: number;
  readonly plan?: boolean;
}

const header = 'id,model,ratio,cheapKernel,seed,top1,epochs,pictures,of\n';
const main = fileURLToPath(new URL('./main.js', import.meta.url));

export const registerSweep: Register = (program, act) => {
  program
    .command('sweep')
    .description('train a grid of networks and settings')
    .argument('<file>', 'YAML: "grid" with lists by setting, beside it the settings of every run')
    .option('--out <folder>', 'where runs and results.csv go', 'sweep')
    .option('--jobs <n>', 'trainings at once, each its own process', wholeNumber(1, 64), 1)
    .option('--plan', 'say what it would cost, and stop')
    .addHelpText(
      'after',
      `
A run that was stopped is resumed from its checkpoint; one that is in results.csv is left. Several sweeps may work on one
folder at the same time: each takes runs that no living process has.

Example, table 4 on a short schedule (grid.yaml):
  data: data/cifar10
  recipe: cifar-fast
  grid:
    network: [vgg16-cifar, ghost-vgg16-cifar]
    ratio: [2, 3, 4, 5]
    seed: [1]

  ghostnet sweep grid.yaml --plan
  ghostnet sweep grid.yaml --out runs/table4 --jobs 2`,
    )
    .action(act(sweepCommand));
};

interface Answer {
  readonly top1?: number;
  readonly epochs?: number;
  readonly count?: number;
  readonly of?: string;
}

/** One training as a child process; resolves to its exit code and what it printed. */
function train(
  args: readonly string[],
  children: Set<ReturnType<typeof spawn>>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, 'train', ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4000);
    });
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code: code ?? exitCodes.failure, stdout, stderr });
    });
  });
}

/** Ids that results.csv has. */
async function finished(results: string): Promise<Set<string>> {
  const { readCsv } = await import('../paper/csv.js');
  const text = await readFile(results, 'utf8').catch(() => '');
  return new Set(readCsv(text).map((row) => row['id'] ?? ''));
}

/** Runs one point and appends its result. Returns what happened, for people. */
async function runOne(
  { id, settings }: SweepRun,
  out: string,
  children: Set<ReturnType<typeof spawn>>,
): Promise<'done' | 'failed' | 'stopped'> {
  const { csvLine } = await import('../paper/csv.js');
  const { appendLine } = await import('../train/node/result-file.js');
  const { writeFileAtomically } = await import('../formats/node/model-file.js');
  const [folder, config, model] = [`${id}-run`, `${id}.json`, `${id}.safetensors`].map((name) =>
    join(out, name),
  ) as [string, string, string];
  await writeFileAtomically(config, `${JSON.stringify({ ...settings, out: model }, null, 2)}\n`);
  const resumes = existsSync(join(folder, 'config.json'));
  const args = resumes ? ['--resume', folder] : ['--config', config, '--run', folder];
  const { code, stdout, stderr } = await train(args, children);
  if (code === exitCodes.interrupted) return 'stopped';
  if (code !== exitCodes.ok) {
    warn(`${id}: ${stderr.trim().split('\n').at(-1) ?? `exit code ${code}`}`);
    return 'failed';
  }
  const { top1, epochs, count, of } = JSON.parse(stdout) as Answer;
  await appendLine(
    join(out, 'results.csv'),
    csvLine([
      id,
      settings.network ?? '',
      settings.ratio ?? '',
      settings.cheapKernel ?? '',
      settings.seed ?? '',
      top1 === undefined ? '' : (100 * top1).toFixed(2),
      epochs ?? '',
      count ?? '',
      of ?? '',
    ]),
    header,
  );
  return 'done';
}

async function sweepCommand(file: string, options: SweepOptions): Promise<number> {
  const { readSweep } = await import('../train/sweep.js');
  const { readBytes } = await import('../formats/node/model-file.js');
  const { claim } = await import('../train/node/result-file.js');
  const runs = readSweep(new TextDecoder().decode(await readBytes(file)), file);
  const results = join(options.out, 'results.csv');
  const done = await finished(results);
  const open = runs.filter(({ id }) => !done.has(id));
  printPlan(await sweepPlan(open), { finished: runs.length - open.length, jobs: options.jobs });
  if (options.plan) return exitCodes.ok;
  await mkdir(options.out, { recursive: true });
  const children = new Set<ReturnType<typeof spawn>>();
  let stopped = false;
  const release = onInterrupt(() => {
    stopped = true;
    note('\nghostnet: the trainings write their checkpoints; the same command goes on with them');
    for (const child of children) child.kill('SIGINT');
  });
  const queue = [...open];
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let run = queue.shift(); run && !stopped; run = queue.shift()) {
      const give = await claim(join(options.out, `${run.id}.claim`));
      if (!give) {
        note(`${run.id}: another process has it`);
        continue;
      }
      try {
        if ((await finished(results)).has(run.id)) continue;
        note(`${run.id}: started`);
        const how = await runOne(run, options.out, children);
        note(`${run.id}: ${how}`);
        if (how === 'failed') failed++;
      } finally {
        await give();
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
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}

async function printResults(results: string): Promise<void> {
  const { readCsv } = await import('../paper/csv.js');
  const rows = readCsv(await readFile(results, 'utf8').catch(() => ''));
  const head = ['run', 'top-1 %', 'epochs'].map(outColors.dim);
  print(
    table([head, ...rows.map((row) => [row['id'] ?? '', row['top1'] ?? '', row['epochs'] ?? ''])], 'lrr'),
  );
}
