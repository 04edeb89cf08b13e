/** `--preprocessing` in every command that prepares pictures: as if the model file said it, and a note where neither does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { ghostnet } from './run-command.js';
import { drawFolder, drawnClasses, tinyGraph } from './training-fixtures.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-preprocessing-'));
const at = (name: string): string => join(folder, name);
const preprocessing = { interpolation: 'bilinear', keepSize: true, mean: [0.1, 0.7, 0], std: [2, 0.5, 1] };
const options = ['--preprocessing', 'prepare.json'];

beforeAll(async () => {
  await drawFolder(at('photos'), 4);
  const graph = tinyGraph(3, 16);
  const weights = initializeWeights(graph, 3);
  const write = (name: string, meta: object): Promise<void> =>
    writeModelFile(at(name), { ...graph, meta: { labels: drawnClasses, ...meta } }, weights);
  await write('bare.safetensors', {});
  await write('stated.safetensors', { preprocessing });
  writeFileSync(at('prepare.json'), JSON.stringify(preprocessing));
  writeFileSync(at('wrong.json'), '{ "mean": 1 }');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const calibrate = ['--calibrate', 'photos'];
/** A command on a model file that writes to `out`, and what of its outcome depends on the pictures. */
const commands: Record<
  string,
  {
    readonly args: (model: string, out: string) => readonly string[];
    readonly outcome: (stdout: string, out: string) => unknown;
  }
> = {
  classify: {
    args: (model) => ['classify', 'photos/disc/000.png', '--model', model, '--json'],
    outcome: (stdout) => JSON.parse(stdout)[0].predictions,
  },
  features: {
    args: (model, out) => ['features', model, 'photos/disc/000.png', '--out', out, '--json'],
    outcome: (stdout) => JSON.parse(stdout),
  },
  toy: {
    args: (model) => ['toy', 'photos/disc/000.png', '--model', model, '--node', 'stem_relu', '--json'],
    outcome: (stdout) => JSON.parse(stdout),
  },
  ghostify: {
    args: (model, out) => [
      ...['ghostify', model, ...calibrate, '--only', 'stem', '--allow-slower'],
      ...['--out', `${out}.safetensors`, '--yes', '--json'],
    ],
    outcome: (stdout) => JSON.parse(stdout).plan.layers[0].error,
  },
  compress: {
    args: (model, out) => [
      ...[
        'compress',
        model,
        '--method',
        'cp',
        ...calibrate,
        '--out',
        `${out}.safetensors`,
        '--yes',
        '--json',
      ],
    ],
    outcome: (stdout) => JSON.parse(stdout).comparison,
  },
  build: {
    args: (model, out) => ['build', model, '--precision', 'int8', ...calibrate, '--out', out],
    outcome: (_, out) => readFileSync(join(at(out), 'model.simd.weights')),
  },
};

describe.each(Object.entries(commands))('%s', (name, { args, outcome }) => {
  it('prepares pictures as the file says', async () => {
    const run = async (model: string, out: string, more: readonly string[] = []) => {
      const { code, stdout, stderr } = await ghostnet([...args(model, out), ...more], { cwd: folder });
      expect(code, stderr).toBe(0);
      return { outcome: outcome(stdout, out), stderr };
    };
    const stated = await run('stated.safetensors', `${name}-stated`);
    const given = await run('bare.safetensors', `${name}-given`, options);
    const usual = await run('bare.safetensors', `${name}-usual`);
    expect(given.outcome).toEqual(stated.outcome);
    expect(usual.outcome).not.toEqual(stated.outcome);
    const noted = /states no preprocessing; ImageNet's usual one is taken, --preprocessing gives another/;
    expect(usual.stderr).toMatch(noted);
    expect(given.stderr).not.toMatch(noted);
    expect(stated.stderr).not.toMatch(noted);
  });

  it('refuses a file that is none', async () => {
    const wrong = [...args('bare.safetensors', `${name}-wrong`), '--preprocessing', 'wrong.json'];
    const { code, stderr } = await ghostnet(wrong, { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--preprocessing wrong\.json/);
  });
});

it.each(['ghostify', 'compress'])('%s keeps it in the model that it writes', async (name) => {
  const { graph } = await readModelFile(at(`${name}-given.safetensors`));
  expect(graph.meta.preprocessing).toEqual(preprocessing);
});
