import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRunnable } from '../../src/cli/input/load-runnable.js';
import { readQuantizedFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { Random } from '../../src/models/random.js';
import { createModel } from '../../src/models/registry.js';
import { ghostnet } from './run-command.js';
import { drawCifar10, drawClass, drawFolder, drawnClasses, tinyGraph } from './training-fixtures.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-quantize-'));
  await drawFolder(join(folder, 'photos'), 12);
  await drawCifar10(join(folder, 'cifar'), 20);
  const tiny = tinyGraph(3, 16);
  const graph = { ...tiny, meta: { ...tiny.meta, labels: drawnClasses } };
  await writeModelFile(join(folder, 'float.safetensors'), graph, initializeWeights(graph, 3));
  const picture = drawClass(2, 20, new Random(9));
  await sharp(picture, { raw: { width: 20, height: 20, channels: 3 } })
    .png()
    .toFile(join(folder, 'disc.png'));
  const made = await run('quantize', 'float.safetensors', '--data', 'photos', '--out', 'int8.safetensors');
  expect(made.code, made.stderr).toBe(0);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ghostnet quantize', () => {
  it('prints the noisiest values, or everything as JSON', async () => {
    const people = await run('quantize', 'float.safetensors', '--data', 'photos', '--out', 'a.safetensors');
    expect(people.stdout).toMatch(/signal to noise/);
    expect(people.stdout).toMatch(/a\.safetensors: .*int8; 36 pictures; from tiny/);
    const { stdout, code } = await run(
      ...['quantize', 'float.safetensors', '--data', 'photos', '--out', 'b.safetensors', '--pictures', '5'],
      ...['--granularity', 'channel', '--ranges', 'minmax', '--no-bias-correction', '--json'],
    );
    expect(code).toBe(0);
    const printed = JSON.parse(stdout) as {
      bytes: number;
      pictures: number;
      values: { value: string; sqnr: number; ranges: { channels: number }[] }[];
    };
    expect(printed.pictures).toBe(5);
    expect(printed.bytes).toBe((await stat(join(folder, 'b.safetensors'))).size);
    const ghost = printed.values.find(({ ranges }) => ranges.length === 16);
    expect(ghost?.ranges.every(({ channels }) => channels === 1)).toBe(true);
    const { values } = await readQuantizedFile(join(folder, 'b.safetensors'));
    expect([...values.keys()].sort()).toEqual(printed.values.map(({ value }) => value).sort());
  });

  it('prepares pictures as a JSON file says, and keeps that in the model', async () => {
    const preprocessing = { interpolation: 'bilinear', mean: [0, 0, 0], std: [0.5, 0.5, 0.5] };
    await writeFile(join(folder, 'prepare.json'), JSON.stringify(preprocessing));
    const made = await run(
      ...['quantize', 'float.safetensors', '--data', 'photos', '--out', 'p.safetensors'],
      ...['--preprocessing', 'prepare.json'],
    );
    expect([made.code, made.stderr]).toEqual([0, '']);
    const prepared = await readQuantizedFile(join(folder, 'p.safetensors'));
    const usual = await readQuantizedFile(join(folder, 'int8.safetensors'));
    expect(prepared.graph.meta.preprocessing).toEqual(preprocessing);
    const scale = ({ values }: typeof usual): number => values.get('input')?.[0]?.scale ?? 0;
    expect(scale(prepared)).toBeGreaterThan(0);
    expect(scale(prepared)).not.toBe(scale(usual));
    await writeFile(join(folder, 'wrong.json'), '{ "mean": 1 }');
    const refused = await run(
      ...['quantize', 'float.safetensors', '--data', 'photos', '--out', 'q.safetensors'],
      ...['--preprocessing', 'wrong.json'],
    );
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/--preprocessing wrong\.json/);
  });

  it('classify, eval, bench and inspect take the file', async () => {
    const answers = await run('classify', 'disc.png', '--model', 'int8.safetensors', '--json');
    const exact = await run('classify', 'disc.png', '--model', 'float.safetensors', '--json');
    type Printed = [{ predictions: { index: number; probability: number }[] }];
    const probabilities = (text: string): number[] => {
      const [{ predictions }] = JSON.parse(text) as Printed;
      return [...predictions].sort((a, b) => a.index - b.index).map(({ probability }) => probability);
    };
    const [rounded, floats] = [probabilities(answers.stdout), probabilities(exact.stdout)];
    expect(rounded).toHaveLength(3);
    rounded.forEach((value, i) => {
      expect(Math.abs(value - (floats[i] as number))).toBeLessThan(0.05);
    });
    const people = await run('classify', 'disc.png', '--model', 'int8.safetensors');
    expect(people.stdout).toMatch(/int8/);

    const evaluated = await run('eval', 'int8.safetensors', '--data', 'photos', '--json');
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ count: 36 });

    const bench = await run('bench', 'int8.safetensors', '--rounds', '2', '--json');
    const { rows } = JSON.parse(bench.stdout) as { rows: { runtime: string; precision: string }[] };
    expect(rows).toMatchObject([{ runtime: 'ghostnet', precision: 'int8' }]);

    const inspected = await run('inspect', 'int8.safetensors', '--json');
    const facts = JSON.parse(inspected.stdout) as { format: string; tensors: { dtype: string }[] };
    expect(facts.format).toBe('int8');
    expect(new Set(facts.tensors.map(({ dtype }) => dtype))).toEqual(new Set(['I8', 'F32']));
  });

  it.skipIf(process.platform === 'win32')('a file is read once: a pipe will do', async () => {
    const path = join(folder, 'pipe');
    const execute = promisify(execFile);
    await execute('mkfifo', [path]);
    const written = execute('sh', ['-c', `cat "${join(folder, 'int8.safetensors')}" > "${path}"`]);
    const model = await loadRunnable(path);
    await written;
    expect(model.content.precision).toBe('int8');
    expect(model.description).toMatch(/in int8 from .*pipe$/);
    const floats = await loadRunnable(join(folder, 'float.safetensors'));
    expect(floats.content.precision).toBe('f32');
  });

  it('CIFAR-10 folders calibrate with their training part', async () => {
    const graph = createModel('ghost-resnet20-cifar');
    await writeModelFile(join(folder, 'resnet.safetensors'), graph, initializeWeights(graph, 3));
    const made = await run(
      ...['quantize', 'resnet.safetensors', '--data', 'cifar', '--out', 'r8.safetensors', '--pictures', '9'],
    );
    expect(made.code, made.stderr).toBe(0);
    const { size } = await stat(join(folder, 'r8.safetensors'));
    expect(size).toBeLessThan(0.5 * (await stat(join(folder, 'resnet.safetensors'))).size);
  });

  it('commands that need float weights say so, and a torn file is told', async () => {
    const bench = await run('bench', 'int8.safetensors', '--precision', 'f32,int8');
    expect(bench.code).toBe(2);
    expect(bench.stderr).toMatch(/int8 file, which only our runtime runs/);
    const converted = await run('convert', 'int8.safetensors', 'x.onnx');
    expect(converted.code).toBe(1);
    expect(converted.stderr).toMatch(/MODEL_QUANTIZED.*int8\.safetensors/);
    const bytes = await readFile(join(folder, 'int8.safetensors'));
    await writeFile(join(folder, 'torn.safetensors'), bytes.subarray(0, bytes.length - 100));
    const torn = await run('classify', 'disc.png', '--model', 'torn.safetensors');
    expect(torn.code).toBe(1);
    expect(torn.stderr).toMatch(/SAFETENSORS_TRUNCATED/);
  });
});
