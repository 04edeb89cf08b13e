/** `ghostnet ghostify --finetune` as users run it: the run folder, going on after Ctrl-C, layer by layer, mistakes. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { ghostnet } from './run-command.js';
import { drawCifar10, drawFolder, drawnClasses, writeTiny } from './training-fixtures.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });
const text = (file: string) => readFile(join(folder, file), 'utf8');
const base = ['ghostify', 'trained.safetensors', '--calibrate', 'photos', '--finetune', 'photos'];
const yes = ['--allow-slower', '--yes'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-finetune-'));
  await drawFolder(join(folder, 'photos'), 24);
  await drawCifar10(join(folder, 'cifar'), 24);
  await writeTiny(join(folder, 'tiny.safetensors'), 3, 16);
  const args = ['--recipe', 'folder', '--epochs', '8', '--batch', '8', '--out', 'trained.safetensors'];
  const { code } = await run('train', 'tiny.safetensors', '--data', 'photos', ...args);
  expect(code).toBe(0);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ghostnet ghostify --finetune', () => {
  it('is a run with the old network as teacher', async () => {
    const args = ['--epochs', '4', '--dtype', 'f16', '--out', 'a.safetensors'];
    const { code, stdout, stderr } = await run(...base, ...yes, ...args);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('epoch   4') });
    expect(stdout).toMatch(/a\.safetensors: (9\d|100)\.\d\d % of the validation pictures right\n/);
    const { config, facts } = JSON.parse(await text('a-run/config.json'));
    expect(config).toMatchObject({
      network: 'a-run/ghostified.safetensors',
      teacher: { model: 'a-run/teacher.safetensors', temperature: 4, weight: 0.7 },
      ...{ recipe: 'ghostify', epochs: 4, dtype: 'f16', out: 'a.safetensors' },
    });
    expect(facts.command).toBe(`ghostnet ${[...base, ...yes, ...args].join(' ')}`);
    expect((await text('a-run/metrics.csv')).trim().split('\n')).toHaveLength(5);
    expect(await text('a-run/report.html')).toContain('ghostify');
    const { graph } = await readModelFile(join(folder, 'a.safetensors'));
    expect(graph.meta.labels).toEqual(drawnClasses);
    expect(graph.meta.notes?.['ghostified']).toBe('1 of 3 convolutions, s=2');
    const again = await run(...base, ...yes, ...args);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('RUN_EXISTS') });
  });

  it('goes on after Ctrl-C', async () => {
    const args = [...base, ...yes, '--epochs', '6', '--out', 'b.safetensors'];
    const stopped = await ghostnet(args, { cwd: folder, interruptAt: 'epoch   2' });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('go on with: ghostnet train --resume b-run');
    expect(existsSync(join(folder, 'b.safetensors'))).toBe(false);
    expect((await run('train', '--resume', 'b-run')).code).toBe(0);
    const { graph } = await readModelFile(join(folder, 'b.safetensors'));
    expect(graph.ghostModules.map(({ name }) => name)).toContain('stem');
  });

  it('says after Ctrl-C how the ONNX file is to be made', async () => {
    const args = [...base, ...yes, '--epochs', '6', '--out', 'e.onnx'];
    const stopped = await ghostnet(args, { cwd: folder, interruptAt: 'epoch   2' });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain('and then: ghostnet convert e-run/model.safetensors e.onnx');
    expect((await run('train', '--resume', 'e-run')).code).toBe(0);
    expect((await run('convert', 'e-run/model.safetensors', 'e.onnx')).code).toBe(0);
  });

  it('writes ONNX, and trains layer by layer', async () => {
    const onnx = await run(...base, ...yes, '--out', 'c.onnx', '--json');
    expect(onnx.code).toBe(0);
    expect(JSON.parse(onnx.stdout)).toMatchObject({ out: 'c.onnx', pictures: 72 });
    expect(existsSync(join(folder, 'c-run/model.safetensors'))).toBe(true);
    const layers = await run(...base, ...yes, '--layerwise', '--out', 'd.safetensors');
    expect(layers).toMatchObject({ code: 0, stderr: expect.stringMatching(/stem:\nepoch 1: loss/) });
    expect(existsSync(join(folder, 'd-run'))).toBe(false);
  });

  it('refuses pictures of other classes', async () => {
    const args = ['ghostify', 'trained.safetensors', '--finetune', 'cifar', '--out', 'e.safetensors'];
    const { code, stdout, stderr } = await run(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('[TEACHER_CLASSES]: --finetune: the pictures have 10 classes, "tiny" answers 3');
  });
});
