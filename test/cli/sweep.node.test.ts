/** The sweep command: a plan before anything runs, each training once, several at once, failures named. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSweep } from '../../src/train/sweep.js';
import { ghostnet } from './run-command.js';
import { drawFolder, writeTiny } from './training-fixtures.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });

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

  it.each([
    ['data: d', 'SWEEP_INVALID', /expected "grid:"/],
    ['{ data: d, grid: { network: resnet20-cifar } }', 'SWEEP_INVALID', /grid\.network: expected a list/],
    ['{ data: d, grid: { seed: [1] } }', 'SWEEP_INVALID', /no network/],
    ['{ grid: { network: [resnet20-cifar] } }', 'SWEEP_INVALID', /"data" is missing/],
    ['{ data: d, grid: { network: [resnet20-cifar], epochs: [no] } }', 'CONFIG_INVALID', /epochs/],
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
    const lines = (await readFile(join(folder, 'runs/results.csv'), 'utf8')).trim().split('\n');
    expect(lines[0]).toBe('id,model,ratio,cheapKernel,seed,top1,epochs,pictures,of');
    expect(
      lines
        .slice(1)
        .map((line) => line.split(',')[0])
        .sort(),
    ).toEqual(['tiny.safetensors_seed1', 'tiny.safetensors_seed2']);
    for (const line of lines.slice(1)) expect(line).toMatch(/^[^,]+,tiny\.safetensors,,,\d,\d+\.\d\d,2,\d+,/);
    const second = await run('sweep', 'grid.yaml', '--out', 'runs');
    expect(second).toMatchObject({ code: 0, stdout: expect.stringMatching(/0 trainings to do, 2 finished/) });
    expect((await readFile(join(folder, 'runs/results.csv'), 'utf8')).trim().split('\n')).toHaveLength(3);
  });

  it('names what failed and does the rest', async () => {
    await writeFile(
      join(folder, 'bad.yaml'),
      'data: photos\nepochs: 1\nbatch: 8\nfrom: nothing.safetensors\ngrid: { network: [tiny.safetensors] }\n',
    );
    const { code, stderr } = await run('sweep', 'bad.yaml', '--out', 'bad');
    expect(code).toBe(3);
    expect(stderr).toMatch(/tiny\.safetensors: .*nothing\.safetensors/);
  });
});
