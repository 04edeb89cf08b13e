/**
 * One run of a sweep: `ghostnet train` as a child process that goes on from its checkpoint where there is one, and its
 * result as a line of results.csv. Which runs there are, and who does them, is in sweep.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError } from '../../../errors.js';
import type { Settings } from '../../../train/config.js';
import type { Claim } from '../../../train/node/claim.js';
import type { SweepRun } from '../../../train/sweep.js';
import { exitCodes } from '../../exit-codes.js';

const main = fileURLToPath(new URL('../../main.js', import.meta.url));
export const resultsHeader = 'id,model,ratio,cheapKernel,seed,recipe,epochs,trainedOn,top1,pictures,of\n';

interface Answer {
  readonly recipe: string;
  readonly epochs: number;
  readonly trainedOn: number;
  readonly top1: number;
  readonly count: number;
  readonly of: string;
}

export type RunEnd =
  | { readonly how: 'done'; readonly top1: number }
  | { readonly how: 'stopped' }
  | { readonly how: 'failed'; readonly why: string };

/** Files of a run in the sweep's folder. */
export function sweepFiles(out: string, id: string) {
  const file = (ending: string) => join(out, `${id}${ending}`);
  return {
    folder: file('-run'),
    config: file('.json'),
    model: file('.safetensors'),
    log: file('.log'),
    claim: file('.claim'),
  } as const;
}

/** What may differ between the parts of a run: where things are, not what it is. */
function whatItIs(settings: Settings): string {
  const { data: _, out: __, workers: ___, ...rest } = settings;
  return JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Throws FormatError `SWEEP_CHANGED` when a run of this name was begun in the folder with other settings: its result
 * would be taken for one of these.
 */
export async function checkUnchanged({ id, settings }: SweepRun, out: string): Promise<void> {
  const { config } = sweepFiles(out, id);
  const text = await readFile(config, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const begun = JSON.parse(text) as Settings;
  if (whatItIs(begun) === whatItIs(settings)) return;
  const changed = [...new Set([...Object.keys(begun), ...Object.keys(settings)])].filter(
    (name) =>
      !['data', 'out', 'workers'].includes(name) &&
      JSON.stringify(begun[name as keyof Settings]) !== JSON.stringify(settings[name as keyof Settings]),
  );
  throw new FormatError(
    'SWEEP_CHANGED',
    `${config}: "${id}" was begun with other settings (${changed.join(', ')}); give another folder by --out`,
  );
}

/** One training as a child process; its stderr goes to the run's log, which outlives this process. */
async function train(
  args: readonly string[],
  log: string,
  claim: Claim,
  children: Set<ChildProcess>,
): Promise<{ readonly code: number; readonly stdout: string }> {
  const file = await open(log, 'a');
  try {
    // the channel ('ipc') tells the child that this process is gone, also when it was killed: see onAbandoned
    const child = spawn(process.execPath, [main, 'train', ...args, '--json'], {
      stdio: ['ignore', 'pipe', file.fd, 'ipc'],
    });
    children.add(child);
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const ended = new Promise<number>((resolve) => {
      child.on('close', (code) => resolve(code ?? exitCodes.failure));
      child.on('error', () => resolve(exitCodes.failure));
    });
    if (child.pid !== undefined) await claim.add(child.pid);
    const code = await ended;
    children.delete(child);
    return { code, stdout };
  } finally {
    await file.close();
  }
}

/** s and d as they are in the network, also when the settings leave them to it; '' where it has no Ghost modules. */
async function ghostSettings(settings: Settings): Promise<readonly [number | '', number | '']> {
  const { createModel, hasModel } = await import('../../../models/registry.js');
  const { network = '', ratio, cheapKernel } = settings;
  const [own] = hasModel(network) ? createModel(network).ghostModules : [];
  return [ratio ?? own?.ratio ?? '', cheapKernel ?? own?.cheapKernel ?? ''];
}

/** Does one run, under its claim, and appends its result. */
export async function runOne(
  { id, settings }: SweepRun,
  out: string,
  claim: Claim,
  children: Set<ChildProcess>,
): Promise<RunEnd> {
  const { csvLine } = await import('../../../paper/csv.js');
  const { appendLine } = await import('../../../train/node/result-file.js');
  const { runPaths } = await import('../../../train/node/run-folder.js');
  const { writeFileAtomically } = await import('../../../formats/node/model-file.js');
  const files = sweepFiles(out, id);
  await writeFileAtomically(files.config, `${JSON.stringify({ ...settings, out: files.model }, null, 2)}\n`);
  const resumes = existsSync(runPaths(files.folder).last);
  // what a run leaves that ended before its first checkpoint is of no use to the next
  if (!resumes) await rm(files.folder, { recursive: true, force: true });
  const args = resumes
    ? ['--resume', files.folder, ...(settings.data === undefined ? [] : ['--data', settings.data])]
    : ['--config', files.config, '--run', files.folder];
  const { code, stdout } = await train(args, files.log, claim, children);
  if (code === exitCodes.interrupted) return { how: 'stopped' };
  if (code !== exitCodes.ok) {
    const log = await readFile(files.log, 'utf8').catch(() => '');
    return {
      how: 'failed',
      why:
        log
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^ghostnet: /, '') || `exit code ${code}`,
    };
  }
  const { recipe, epochs, trainedOn, top1, count, of } = JSON.parse(stdout) as Answer;
  const [ratio, cheapKernel] = await ghostSettings(settings);
  const { network = '', width } = settings;
  // another width is another network than the paper's row of that name
  const model = width === undefined ? network : `${network} at ${width}x width`;
  const percent = (100 * top1).toFixed(2);
  await appendLine(
    join(out, 'results.csv'),
    csvLine([
      ...[id, model, ratio, cheapKernel, settings.seed ?? 1],
      ...[recipe, epochs, trainedOn, percent, count, of],
    ]),
    resultsHeader,
  );
  return { how: 'done', top1 };
}
