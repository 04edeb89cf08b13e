/**
 * The folder of a run: config.json, split.json, metrics.csv, last.safetensors (to go on), best.safetensors (the model)
 * and report.html. Names and writes files; trains nothing.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { EnvironmentError, FormatError } from '../../errors.js';
import { makeFolder } from '../../formats/node/make-folder.js';
import { writeFileAtomically } from '../../formats/node/model-file.js';
import type { RunConfig } from '../config.js';

export interface RunFacts {
  readonly ghostnet: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Commit of this package's checkout, with a plus when files differ from it; null when it is no checkout. */
  readonly commit: string | null;
  readonly started: string;
  /** The command line. */
  readonly command: string;
}

/** The length of a run was changed when it went on. */
export interface RunChange {
  /** Epochs and steps of the next one that were done by then. */
  readonly epoch: number;
  readonly step: number;
  readonly from: number;
  readonly to: number;
}

/** What config.json holds. */
export interface RunFile {
  readonly config: RunConfig;
  readonly facts: RunFacts;
  /** Absent: the run is as it was started. */
  readonly changes?: readonly RunChange[];
}

export function runPaths(folder: string) {
  return {
    config: join(folder, 'config.json'),
    split: join(folder, 'split.json'),
    metrics: join(folder, 'metrics.csv'),
    last: join(folder, 'last.safetensors'),
    best: join(folder, 'best.safetensors'),
    report: join(folder, 'report.html'),
    evaluation: join(folder, 'evaluation.json'),
  } as const;
}

const packageRoot = fileURLToPath(new URL('../../../', import.meta.url));

async function gitCommit(): Promise<string | null> {
  if (!existsSync(join(packageRoot, '.git'))) return null;
  const run = (args: string[]) => promisify(execFile)('git', args, { cwd: packageRoot });
  try {
    const { stdout } = await run(['rev-parse', 'HEAD']);
    const { stdout: changes } = await run(['status', '--porcelain', '--untracked-files=no']);
    return `${stdout.trim()}${changes.trim() === '' ? '' : '+'}`;
  } catch {
    return null;
  }
}

/** Versions and machine, as they are now. */
export async function runFacts(command: string): Promise<RunFacts> {
  const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };
  return {
    ghostnet: version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
    commit: await gitCommit(),
    started: new Date().toISOString(),
    command,
  };
}

/** Throws EnvironmentError `RUN_EXISTS` when the folder holds a run. */
export function refuseSecondRun(folder: string): void {
  const paths = runPaths(folder);
  if (existsSync(paths.last) || existsSync(paths.best))
    throw new EnvironmentError(
      'RUN_EXISTS',
      `"${folder}" holds a run; go on with it by ghostnet train --resume, or name another folder by --run`,
    );
}

/** Makes the folder of a new run. Throws EnvironmentError `RUN_EXISTS`, `FILE_UNWRITABLE` or `DISK_FULL`. */
export async function createRunFolder(folder: string, file: RunFile): Promise<void> {
  refuseSecondRun(folder);
  await makeFolder(folder);
  await writeRunFile(folder, file);
}

/** Writes config.json. */
export async function writeRunFile(folder: string, file: RunFile): Promise<void> {
  await writeFileAtomically(runPaths(folder).config, `${JSON.stringify(file, null, 2)}\n`);
}

/** Reads a run's config.json. Throws EnvironmentError `RUN_MISSING` or FormatError `RUN_DAMAGED`. */
export async function readRunFile(folder: string): Promise<RunFile> {
  const { config } = runPaths(folder);
  let text: string;
  try {
    text = await readFile(config, 'utf8');
  } catch (cause) {
    throw new EnvironmentError(
      'RUN_MISSING',
      `"${folder}": no run is here (${config} is missing); start one without --resume`,
      { cause },
    );
  }
  try {
    const run = JSON.parse(text) as RunFile;
    if (typeof run.config?.network !== 'string') throw new Error('the configuration is missing');
    return run;
  } catch (cause) {
    throw new FormatError('RUN_DAMAGED', `"${config}": ${(cause as Error).message}`, { cause });
  }
}
