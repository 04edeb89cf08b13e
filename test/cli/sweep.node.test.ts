/**
 * The sweep command: a plan before anything runs, each training once, several at once, failures named, and nothing left
 * running or lost when a sweep is killed.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSweep } from '../../src/train/sweep.js';
import { ghostnet } from './run-command.js';
import { drawCifar10, drawFolder, writeTiny } from './training-fixtures.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });
const text = (file: string) => readFile(join(folder, file), 'utf8');
const rows = async (file: string) => (await text(file)).trim().split('\n').slice(1);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-sweep-'));
  await drawFolder(join(folder, 'photos'), 12);
  await writeTiny(join(folder, 'tiny.safetensors'), 3, 16);
  const settings = [
    'data: photos',
    'recipe: folder',
    'epochs: 2',
    'batch: 8',
    'grid: { network: [tiny.safetensors], seed: [1, 2] }',
  ];
  await writeFile(join(folder, 'grid.yaml'), settings.join('\n'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('reading a grid', () => {
  const read = (text: string) => readSweep(text, 'grid.yaml').map(({ id }) => id);

  it('is the product of its lists; s and d count only where there are Ghost modules', () => {
    const ids = read(
      '{ data: d, grid: { network: [resnet20-cifar, ghost-resnet20-cifar], ratio: [2, 3], seed: [1, 2] } }',
    );
    expect(ids).toEqual([
      'resnet20-cifar_seed1',
      'resnet20-cifar_seed2',
      'ghost-resnet20-cifar_ratio2_seed1',
      'ghost-resnet20-cifar_ratio2_seed2',
      'ghost-resnet20-cifar_ratio3_seed1',
      'ghost-resnet20-cifar_ratio3_seed2',
    ]);
  });

  it('is the union of several grids, each run once', () => {
    const grids = [
      '{ network: [vgg16-cifar, ghost-vgg16-cifar], ratio: [2], cheapKernel: [1, 3] }',
      '{ network: [ghost-vgg16-cifar], ratio: [2, 3], cheapKernel: [3] }',
    ];
    expect(read(`{ data: d, grid: [${grids.join()}] }`)).toEqual([
      'vgg16-cifar',
      'ghost-vgg16-cifar_ratio2_cheapKernel1',
      'ghost-vgg16-cifar_ratio2_cheapKernel3',
      'ghost-vgg16-cifar_ratio3_cheapKernel3',
    ]);
  });

  it.each([
    ['data: d', 'SWEEP_INVALID', /expected "grid:"/],
    ['{ data: d, grid: { network: resnet20-cifar } }', 'SWEEP_INVALID', /grid\.network: expected a list/],
    ['{ data: d, grid: { seed: [1] } }', 'SWEEP_INVALID', /no network/],
    ['{ grid: { network: [resnet20-cifar] } }', 'SWEEP_INVALID', /"data" is missing/],
    ['{ data: d, grid: { network: [resnet20-cifar], epochs: [no] } }', 'CONFIG_INVALID', /epochs/],
    ['{ data: d, grid: [] }', 'SWEEP_INVALID', /expected "grid:"/],
    ['{ grid: [', 'SWEEP_INVALID', /grid\.yaml/],
  ])('%s: %s', (text, code, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });
});

describe('ghostnet sweep', () => {
  it('plans, trains every point once, and has nothing to do the second time', async () => {
    const plan = await run('sweep', 'grid.yaml', '--plan');
    expect(plan).toMatchObject({ code: 0, stdout: expect.stringMatching(/2 trainings to do, 0 finished/) });
    const first = await run('sweep', 'grid.yaml', '--out', 'runs', '--jobs', '2');
    expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 });
    expect((await text('runs/results.csv')).split('\n')[0]).toBe(
      'id,model,ratio,cheapKernel,seed,recipe,epochs,trainedOn,top1,pictures,of',
    );
    const lines = await rows('runs/results.csv');
    expect(lines.map((line) => line.split(',')[0]).sort()).toEqual([
      'tiny.safetensors_seed1',
      'tiny.safetensors_seed2',
    ]);
    for (const line of lines)
      expect(line).toMatch(/^[^,]+,tiny\.safetensors,,,[12],folder,2,30,\d+\.\d\d,6,validation$/);
    expect(await text('runs/tiny.safetensors_seed1.log')).toMatch(/epoch {3}2/);
    const second = await run('sweep', 'grid.yaml', '--out', 'runs');
    expect(second).toMatchObject({ code: 0, stdout: expect.stringMatching(/0 trainings to do, 2 finished/) });
    expect(await rows('runs/results.csv')).toHaveLength(2);
  });

  it('does not take a result for one of other settings', async () => {
    const { code, stderr } = await run('sweep', 'grid.yaml', '--out', 'runs', '--limit', '9');
    expect(code).toBe(1);
    expect(stderr).toMatch(/\[SWEEP_CHANGED\].*tiny\.safetensors_seed1.*\(limit\).*--out/);
  });

  it('trains on a limited number of pictures, which the plan and the results say', async () => {
    const plan = await run('sweep', 'grid.yaml', '--limit', '9', '--plan');
    expect(plan.stdout).toMatch(/tiny\.safetensors_seed1 .* 2 +9 +\d+ s\n/);
    expect(await run('sweep', 'grid.yaml', '--limit', '9', '--out', 'few')).toMatchObject({ code: 0 });
    for (const line of await rows('few/results.csv')) expect(line).toMatch(/,2,9,\d+\.\d\d,6,validation$/);
    const { config } = JSON.parse(await text('few/tiny.safetensors_seed1-run/config.json'));
    expect(config.limit).toBe(9);
  });

  it('plans with the records that a CIFAR-10 folder has', async () => {
    await drawCifar10(join(folder, 'cifar'), 24);
    await writeTiny(join(folder, 'tiny10.safetensors'), 10, 32);
    const grid = (settings: string) =>
      writeFile(
        join(folder, 'cifar.yaml'),
        `{ data: cifar, epochs: 3, ${settings} grid: { network: [tiny10.safetensors] } }`,
      );
    const planned = async () =>
      / 3 +([\d,]+) +\d+ s\n/.exec((await run('sweep', 'cifar.yaml', '--plan')).stdout)?.[1];
    await grid('');
    expect(await planned()).toBe('114');
    await grid('validation: 0.5,');
    expect(await planned()).toBe('60');
    await grid('validation: 0.5, limit: 30,');
    expect(await planned()).toBe('30');
  });

  it('restarts a run that ended before its first checkpoint', async () => {
    const started = 'begun/tiny.safetensors_seed1-run';
    await mkdir(join(folder, started), { recursive: true });
    await writeFile(join(folder, started, 'config.json'), '{ "config": { "network": "tiny.safetensors" } }');
    await writeFile(join(folder, started, 'best.safetensors'), 'torn');
    expect(await run('sweep', 'grid.yaml', '--out', 'begun')).toMatchObject({ code: 0 });
    expect(await rows('begun/results.csv')).toHaveLength(2);
  });

  it('refuses a width for a network that has none before anything is measured', async () => {
    await writeFile(
      join(folder, 'wide.yaml'),
      'data: photos\ngrid: { network: [mobilenet_v2, resnet20-cifar], width: [0.5] }\n',
    );
    const { code, stderr } = await run('sweep', 'wide.yaml', '--plan');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/--width: "resnet20-cifar" has no such setting/),
    });
  });

  it('names what failed and does the rest', async () => {
    const grid = (from: string) =>
      `data: photos\nepochs: 1\nbatch: 8\ngrid: { network: [tiny.safetensors], from: [${from}] }\n`;
    await writeFile(join(folder, 'bad.yaml'), grid('nothing.safetensors, tiny.safetensors'));
    const { code, stdout, stderr } = await run('sweep', 'bad.yaml', '--out', 'bad');
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /warning: tiny\.safetensors_fromnothing\.safetensors: error \[\w+\]: .*nothing\.safetensors/,
    );
    expect(stdout).toMatch(/\ntiny\.safetensors_fromtiny\.safetensors +\d/);
    await writeFile(join(folder, 'worse.yaml'), grid('nothing.safetensors'));
    const all = await run('sweep', 'worse.yaml', '--out', 'worse');
    expect(all).toMatchObject({ code: 1, stdout: expect.not.stringContaining('top-1') });
  });
});

describe('a sweep that was killed', () => {
  /** An orphan that has ended but that nobody has waited for yet (state Z) lives no more. */
  const living = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      if (process.platform !== 'linux') return true;
      return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  };
  /** Waits for `what` up to half a minute. */
  const until = async <T>(what: () => Promise<T | undefined>): Promise<T> => {
    for (let waited = 0; waited < 30_000; waited += 20) {
      const found = await what().catch(() => undefined);
      if (found !== undefined) return found;
      await sleep(20);
    }
    throw new Error('waited half a minute for nothing');
  };

  it('leaves no training behind; the next one goes on, without waiting to be told', async () => {
    const long = (await text('grid.yaml')).replace('epochs: 2', 'epochs: 300').replace('[1, 2]', '[1]');
    await writeFile(join(folder, 'long.yaml'), long);
    let sweep: ChildProcess | undefined;
    const killed = ghostnet(['sweep', 'long.yaml', '--out', 'killed'], {
      cwd: folder,
      onStart: (child) => {
        sweep = child;
      },
    });
    const id = 'tiny.safetensors_seed1';
    // it trains, and has a checkpoint
    await until(async () => ((await text(`killed/${id}.log`)).includes('epoch   2') ? true : undefined));
    const { owners } = JSON.parse(await text(`killed/${id}.claim`));
    expect(owners).toHaveLength(2);
    const training: number = owners[1].pid;
    expect(living(training)).toBe(true);
    sweep?.kill('SIGKILL');
    if (sweep) await once(sweep, 'exit');
    const next = await run('sweep', 'long.yaml', '--out', 'killed');
    expect({ code: next.code, stderr: next.stderr }).toMatchObject({ code: 0 });
    expect(living(training)).toBe(false);
    expect(await rows('killed/results.csv')).toHaveLength(1);
    expect(await text(`killed/${id}.log`)).toMatch(
      /go on with: ghostnet train --resume .*going on in epoch \d/s,
    );
    expect((await text(`killed/${id}-run/metrics.csv`)).trim().split('\n')).toHaveLength(301);
    await killed;
  });
});
