/** `ghostnet build` as a command: what it writes and prints, and what it refuses. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModel, type Graph, initializeWeights } from '../../src/index.js';
import { writeModelFile } from '../../src/node.js';
import { ghostnet } from './run-command.js';
import { drawCifar10 } from './training-fixtures.js';

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ghostnet-build-'));
  const graph = createModel('ghost-resnet20-cifar');
  await writeModelFile(at('model.safetensors'), graph, initializeWeights(graph, 1));
  const odd: Graph = {
    ...graph,
    meta: { preprocessing: { interpolation: 'bilinear', shrink: 2, mean: [0, 0, 0], std: [1, 1, 1] } },
  };
  await writeModelFile(at('odd.safetensors'), odd, initializeWeights(odd, 1));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('ghostnet build', () => {
  it('writes the files that it names, with the sizes that it says, and replaces them the next time', async () => {
    for (const precision of ['f32', 'f16']) {
      const args = [
        'build',
        at('model.safetensors'),
        '--out',
        at('site'),
        '--precision',
        precision,
        '--json',
      ];
      const { code, stdout, stderr } = await ghostnet(args);
      expect([code, stderr]).toEqual([0, '']);
      const said = JSON.parse(stdout) as {
        precision: string;
        id: string;
        files: { name: string; bytes: number }[];
      };
      expect(said.precision).toBe(precision);
      expect(said.id).toMatch(/^[0-9a-f]{32}$/);
      expect(said.files.map(({ name, bytes }) => [name, bytes]).sort()).toEqual(
        readdirSync(at('site'))
          .map((name) => [name, statSync(join(at('site'), name)).size])
          .sort(),
      );
    }
  });

  it('stores 16 bits in half the bytes', async () => {
    const size = async (precision: string): Promise<number> => {
      const out = at(precision);
      await ghostnet(['build', at('model.safetensors'), '--out', out, '--precision', precision]);
      return statSync(join(out, 'model.weights')).size - 64;
    };
    const ratio = (await size('f16')) / (await size('f32'));
    expect(ratio).toBeGreaterThanOrEqual(0.5);
    expect(ratio).toBeLessThan(0.51);
  });

  it('makes int8 of pictures, or takes an int8 file as it is: the same folder', async () => {
    await drawCifar10(at('cifar'), 12);
    const calibrate = ['--calibrate', at('cifar')];
    const made = await ghostnet([
      ...['build', at('model.safetensors'), '--out', at('int8'), '--precision', 'int8', '--json'],
      ...calibrate,
    ]);
    expect([made.code, made.stderr]).toEqual([0, '']);
    const { files, precision } = JSON.parse(made.stdout) as {
      precision: string;
      files: { name: string; bytes: number }[];
    };
    expect(precision).toBe('int8');
    const named = files.map(({ name }) => name);
    expect(named).toEqual(expect.arrayContaining(['model.simd.weights', 'model.relaxed.weights']));
    await ghostnet([
      ...['quantize', at('model.safetensors'), '--data', at('cifar'), '--out', at('int8.safetensors')],
    ]);
    const again = await ghostnet(['build', at('int8.safetensors'), '--out', at('int8-file'), '--json']);
    expect((JSON.parse(again.stdout) as { files: unknown }).files).toEqual(files);
    const refused = await ghostnet([
      ...['build', at('int8.safetensors'), '--out', at('x'), '--precision', 'f16'],
    ]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/is an int8 file/);
    const again8 = ['build', at('int8.safetensors'), '--out', at('x'), '--precision', 'int8', ...calibrate];
    expect((await ghostnet(again8)).code).toBe(2);
    // another form leaves nothing of the old one in the folder
    const inline = await ghostnet([
      ...['build', at('model.safetensors'), '--out', at('int8-file'), '--inline-weights', '--json'],
    ]);
    const { files: inlineFiles } = JSON.parse(inline.stdout) as { files: { name: string }[] };
    expect(readdirSync(at('int8-file')).sort()).toEqual(inlineFiles.map(({ name }) => name).sort());
  });

  it('replaces nothing that no build has written', async () => {
    mkdirSync(at('project'));
    writeFileSync(join(at('project'), 'package.json'), '{ "name": "mine" }');
    writeFileSync(join(at('project'), 'readme.txt'), 'mine');
    const { code, stdout, stderr } = await ghostnet([
      'build',
      at('model.safetensors'),
      '--out',
      at('project'),
    ]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^ghostnet: error \[FOLDER_IN_USE\]: .*package\.json there is not of "ghostnet build".*\n$/,
    );
    expect(readdirSync(at('project'))).toEqual(['package.json', 'readme.txt']);
    expect(readFileSync(join(at('project'), 'package.json'), 'utf8')).toBe('{ "name": "mine" }');
    // beside other things, where no name is taken
    rmSync(join(at('project'), 'package.json'));
    const second = await ghostnet(['build', at('model.safetensors'), '--out', at('project')]);
    expect([second.code, second.stderr]).toEqual([0, '']);
    expect(readFileSync(join(at('project'), 'readme.txt'), 'utf8')).toBe('mine');
  });

  it('serves the folder until Ctrl-C', async () => {
    let page: Promise<Response> | undefined;
    const { code, stdout } = await ghostnet(['build', '--out', at('served'), '--serve'], {
      onStart: (child) =>
        child.stdout?.on('data', (text: string) => {
          const url = /serving (\S+)/.exec(text)?.[1];
          if (!url) return;
          page = fetch(url).finally(() => child.kill('SIGINT'));
        }),
    });
    expect([code, stdout]).toEqual([0, expect.stringContaining('<ghost-classifier>')]);
    const response = await page!;
    expect([response.status, response.headers.get('cross-origin-opener-policy')]).toEqual([
      200,
      'same-origin',
    ]);
  });

  it.each([
    ['no folder', ['build', 'model.safetensors'], 2, '--out'],
    ['a precision that does not exist', ['build', '--out', 'x', '--precision', 'f8'], 2, 'f32, f16, int8'],
    [
      'int8 without pictures',
      ['build', 'model.safetensors', '--out', 'x', '--precision', 'int8'],
      2,
      '--calibrate',
    ],
    ['pictures without int8', ['build', '--out', 'x', '--calibrate', 'cifar'], 2, '--precision int8'],
    ['a file that is not there', ['build', 'missing.safetensors', '--out', 'x'], 1, 'UNKNOWN_MODEL'],
    [
      'preprocessing that cannot be shipped',
      ['build', 'odd.safetensors', '--out', 'x'],
      1,
      'PREPROCESSING_UNSUPPORTED',
    ],
    ['a folder that is a file', ['build', 'model.safetensors', '--out', 'file'], 1, 'FILE_UNWRITABLE'],
    // /proc stands for places where the system makes no folders; elsewhere it is a path with a file in it
    [
      'a folder that cannot be made',
      ['build', 'model.safetensors', '--out', process.platform === 'linux' ? '/proc/ghostnet/x' : 'file/x'],
      1,
      'FILE_UNWRITABLE',
    ],
  ])('refuses %s, and writes nothing', async (_, args, expectedCode, expectedText) => {
    writeFileSync(at('file'), 'mine');
    const { code, stdout, stderr } = await ghostnet(args, { cwd: folder });
    expect([code, stdout]).toEqual([expectedCode, '']);
    expect(stderr).toContain(expectedText);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(at('x'))).toBe(false);
    expect(readFileSync(at('file'), 'utf8')).toBe('mine');
  });
});
