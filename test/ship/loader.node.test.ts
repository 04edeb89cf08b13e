/** model.js in Node: the same answers as the library, and a clear error for whatever can be wrong with its files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error a plain script
import { findNewerNode } from '../../scripts/newer-node.mjs';
import type { LoadOptions, Model, Prediction } from '../../src/ship/loader/model.js';
import type { RawPixels } from '../../src/ship/loader/pixels.js';
import { LocalServers } from '../local-servers.js';
import sizes from '../sizes.json' with { type: 'json' };
import {
  expectedScores,
  folderWriter,
  formulaPicture,
  labels,
  pictureFormula,
  quantizedClassifier,
  quantizedScores,
  smallClassifier,
  worst,
} from './folder.js';

interface ModelFile {
  readonly load: (options?: LoadOptions) => Promise<Model>;
  readonly classify: (picture: RawPixels, options?: { top?: number }) => Promise<Prediction[]>;
  readonly info: { readonly id: string; readonly labels: readonly string[] };
}

const root = mkdtempSync(join(tmpdir(), 'ghostnet-ship-'));
const picture = formulaPicture();
let expected: readonly number[];
let expectedHalf: readonly number[];
let expectedInt8: readonly number[];
let copies = 0;

const open = (folder: string): Promise<ModelFile> => import(pathToFileURL(join(folder, 'model.js')).href);
/** A copy that a test may damage, imported anew. */
function copyOf(name: string): string {
  const folder = join(root, `copy-${copies++}`);
  cpSync(join(root, name), folder, { recursive: true });
  return folder;
}
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: { code?: string }) => error.code ?? error,
  );

beforeAll(async () => {
  const { graph, weights } = smallClassifier();
  const write = await folderWriter();
  await write(join(root, 'f32'), graph, weights, { precision: 'f32' });
  await write(join(root, 'f16'), graph, weights, { precision: 'f16', threads: 2 });
  await write(join(root, 'inline'), graph, weights, { precision: 'f16', inlineWeights: true });
  const quantized = await quantizedClassifier();
  await write(join(root, 'int8'), quantized.graph, quantized, { threads: 2 });
  await write(join(root, 'int8-inline'), quantized.graph, quantized, { inlineWeights: true });
  expected = await expectedScores(graph, weights);
  expectedInt8 = await quantizedScores(quantized);
  expectedHalf = await expectedScores(graph, weights, true);
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a shipped network', () => {
  it('gives the scores of the library, within the rounding of its kernels', async () => {
    const scale = Math.max(...expected.map(Math.abs));
    for (const [name, right] of [
      ['f32', expected],
      ['f16', expectedHalf],
      ['inline', expectedHalf],
    ] as const) {
      const model = await (await open(join(root, name))).load();
      const scores = [...(await model.scores(picture))];
      expect([name, worst(scores, right) < 1e-5 * scale]).toEqual([name, true]);
      model.dispose();
    }
    expect(worst(expectedHalf, expected)).toBeGreaterThan(0);
  });

  it('gives the scores of the integers, the same with either instruction set, inside model.js or beside it', async () => {
    const program = `import { load } from './model.js';
      const model = await load();
      console.log(model.relaxed, JSON.stringify([...(await model.scores(${pictureFormula}))]));
      model.dispose();`;
    const newer = findNewerNode() as { path?: string; reason?: string };
    if (!newer.path) console.warn(`SKIPPED: int8 on a newer Node: ${newer.reason}`);
    const answers = ['int8', 'int8-inline'].flatMap((folder) =>
      [process.execPath, newer.path ?? process.execPath].map((node) => {
        writeFileSync(join(root, folder, 'program.mjs'), program);
        const { stdout, stderr } = spawnSync(node, ['program.mjs'], {
          cwd: join(root, folder),
          encoding: 'utf8',
        });
        expect(stderr).toBe('');
        const [relaxed, scores] = stdout.split(' ') as [string, string];
        return { relaxed: relaxed === 'true', scores: JSON.parse(scores) as number[] };
      }),
    );
    if (newer.path) expect(answers[1]?.relaxed).toBe(true);
    const scale = Math.max(...expected.map(Math.abs));
    for (const { scores } of answers) {
      expect(scores).toEqual(answers[0]?.scores);
      // the module's preprocessing may differ in its last bit, and so one pixel by a step
      expect(worst(scores, expectedInt8)).toBeLessThan(0.02 * scale);
      expect(worst(scores, expected)).toBeLessThan(0.2 * scale);
    }
    const bytes = (name: string): number => readFileSync(join(root, name)).length;
    const weights = ['int8/model.simd.weights', 'int8/model.relaxed.weights'].map(bytes);
    expect(Math.max(...weights)).toBeLessThan(0.45 * bytes('f32/model.weights'));
    // a ready module takes its own weights, and says so when it gets the other's
    const folder = join(root, 'int8');
    const { load } = await open(folder);
    const module = new WebAssembly.Module(readFileSync(join(folder, 'model.simd.wasm')));
    const read = (kind: string): Uint8Array<ArrayBuffer> =>
      Uint8Array.from(readFileSync(join(folder, `model.${kind}.weights`)));
    const model = await load({ module, weights: read('simd') });
    expect([...(await model.scores(picture))]).toEqual(answers[0]?.scores);
    model.dispose();
    expect(await codeOf(load({ module, weights: read('relaxed') }))).toBe('PAIR_MISMATCH');
  });

  it('runs on two threads, with the same bits', async () => {
    const { load } = await open(join(root, 'f16'));
    const [two, one] = [await load(), await load({ threads: false })];
    expect([two.threads, one.threads]).toEqual([2, 1]);
    expect(await two.scores(picture)).toEqual(await one.scores(picture));
    two.dispose();
    one.dispose();
  });

  it('gives labels and probabilities, best first, and loads at the first call', async () => {
    const { classify, info } = await open(join(root, 'f32'));
    const all = await classify(picture, { top: 9 });
    expect(info.labels).toEqual(labels);
    expect(all.map(({ label, index }) => label === labels[index])).toEqual(Array(5).fill(true));
    expect(all.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
    expect(all.map(({ probability }) => probability)).toEqual(
      all.map(({ probability }) => probability).sort((a, b) => b - a),
    );
    expect(await classify(picture, { top: 1 })).toEqual(all.slice(0, 1));
  });

  it('takes a ready module and bytes, as places that compile nothing need it', async () => {
    const folder = join(root, 'f32');
    const { load } = await open(folder);
    const module = new WebAssembly.Module(readFileSync(join(folder, 'model.simd.wasm')));
    const model = await load({ module, weights: readFileSync(join(folder, 'model.weights')) });
    expect(worst([...(await model.scores(picture))], expected)).toBeLessThan(1e-4);
    expect(model.relaxed).toBe(false);
  });

  it.each([
    ['Node, nodenext', ['--module', 'nodenext', '--lib', 'es2023']],
    ['a page, nodenext', ['--module', 'nodenext', '--lib', 'es2023,dom']],
    ['a page, bundler', ['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2023,dom']],
  ])('its types pass a strict type checker: %s', (_, options) => {
    const folder = join(root, 'f32');
    const page = options.includes('es2023,dom');
    writeFileSync(
      join(folder, 'program.ts'),
      `import { classify, load, ModelError, type Picture, type Prediction } from './model.js';
       export const best: Promise<Prediction[]> = classify({ width: 1, height: 1, data: new Uint8Array(4) }, { top: 1 });
       export const model = load({ onProgress: ({ loaded, total }) => loaded / total, weights: new Uint8Array(4) });
       export const code = (error: unknown) => error instanceof ModelError && error.code === 'PAIR_MISMATCH';
       // @ts-expect-error a path is no picture
       classify('photo.jpg');
       // @ts-expect-error nor is a number
       export const picture: Picture = 3;`,
    );
    const inPage = `import { classify, load } from './model.js';
       export const answers = [document.createElement('canvas'), new ImageData(1, 1), new Blob(), new Image()].map((p) => classify(p));
       export const frame = (source: VideoFrame | ImageBitmap | HTMLVideoElement) => classify(source);
       export const model = async () => load({ module: await WebAssembly.compile(new Uint8Array(8)), weights: new URL('x:y') });
       // @ts-expect-error an element without a picture
       classify(document.createElement('div'));`;
    writeFileSync(join(folder, 'page.ts'), inPage);
    const compiler = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
    const flags = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noEmit',
      '--target',
      'es2022',
      '--types',
      '',
    ];
    const programs = ['program.ts', ...(page ? ['page.ts'] : [])];
    const { stdout } = spawnSync(process.execPath, [compiler, ...flags, ...options, ...programs], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  });

  it('stays under the ceiling of its size', () => {
    const text = readFileSync(join(root, 'f16/model.js'), 'utf8');
    // without what depends on the network: its manifest and labels
    const loader = text.replace(/^const manifest = .*$/m, '');
    expect(gzipSync(loader, { level: 9 }).length).toBeLessThanOrEqual(sizes['ship loader'].gzip);
    expect(text).not.toMatch(/\beval\(|new Function/);
  });

  it('is not led astray by the name of a network or of a class', async () => {
    const { graph, weights } = smallClassifier();
    const hostile = '../x*/ globalThis.astray = 1; /*\n$& </script>';
    const named = { ...graph, name: hostile, meta: { ...graph.meta, labels: [hostile, ...labels.slice(1)] } };
    const folder = join(root, 'named');
    await (await folderWriter())(folder, named, weights);
    const { load, info } = await open(folder);
    (await load()).dispose();
    expect('astray' in globalThis).toBe(false);
    expect(info.labels[0]).toBe(hostile);
    expect(readFileSync(join(folder, 'model.d.ts'), 'utf8')).not.toContain('x*/');
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('$&amp; &lt;/script>');
    expect(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name).toMatch(
      /^x[a-z0-9.-]*-model$/,
    );
  });

  it('refuses what is no picture, and never takes floats for bytes', async () => {
    const { load } = await open(join(root, 'f32'));
    const model = await load();
    const size = { width: 2, height: 2 };
    const given: [unknown, string][] = [
      [{ ...size, data: new Float32Array(12) }, 'PICTURE_TYPE'],
      [{ ...size, data: new Uint16Array(12) }, 'PICTURE_TYPE'],
      [{ ...size, data: [1, 2, 3, 4] }, 'PICTURE_TYPE'],
      [{ ...size, data: new Uint8Array(11) }, 'PICTURE_SIZE'],
      [{ width: 0, height: 2, data: new Uint8Array(0) }, 'PICTURE_SIZE'],
      ['photo.jpg', 'PICTURE_TYPE'],
      [undefined, 'PICTURE_TYPE'],
    ];
    for (const [value, code] of given)
      expect([value, await codeOf(model.scores(value as RawPixels))]).toEqual([value, code]);
    model.dispose();
  });

  it('leaves nothing but its files, each of which the build names', async () => {
    expect(readdirSync(join(root, 'inline')).sort()).toEqual(
      [
        'demo.css',
        'demo.js',
        'ghost-classifier.js',
        'index.html',
        'model.d.ts',
        'model.js',
        'package.json',
      ].sort(),
    );
  });

  it('runs in a program of its own on this Node and a newer one, with an empty stderr', () => {
    const program = `import { classify, load } from './model.js';
      const model = await load();
      console.log(model.threads, (await classify(${pictureFormula}, { top: 1 }))[0].label);`;
    writeFileSync(join(root, 'f16/program.mjs'), program);
    const newer = findNewerNode() as { path?: string; reason?: string };
    if (!newer.path) console.warn(`SKIPPED: the shipped network on a newer Node: ${newer.reason}`);
    const best = labels[expected.indexOf(Math.max(...expected))];
    for (const node of [process.execPath, newer.path ?? process.execPath]) {
      const { stdout, stderr } = spawnSync(node, ['program.mjs'], {
        cwd: join(root, 'f16'),
        encoding: 'utf8',
      });
      expect([stdout, stderr]).toEqual([`2 ${best}\n`, '']);
    }
  });
});

describe('files that are not right', () => {
  it.each([
    ['weights torn', 'DOWNLOAD_TORN', (f: string) => truncateSync(join(f, 'model.weights'), 5000)],
    [
      'weights too long',
      'DOWNLOAD_TORN',
      (f: string) => writeFileSync(join(f, 'model.weights'), 'x', { flag: 'a' }),
    ],
    ['weights changed', 'WEIGHTS_DAMAGED', (f: string) => change(join(f, 'model.weights'), 9000)],
    ['no weights file', 'WEIGHTS_DAMAGED', (f: string) => change(join(f, 'model.weights'), 2)],
    ['weights of another build', 'PAIR_MISMATCH', (f: string) => change(join(f, 'model.weights'), 12)],
    ['weights missing', 'DOWNLOAD_FAILED', (f: string) => rmSync(join(f, 'model.weights'))],
    ['module torn', 'MODULE_DAMAGED', (f: string) => eachModule(f, (path) => truncateSync(path, 3000))],
    ['module missing', 'DOWNLOAD_FAILED', (f: string) => eachModule(f, (path) => rmSync(path))],
    [
      'module of another build',
      'PAIR_MISMATCH',
      (f: string) => eachModule(f, (path) => change(path, readFileSync(path).length - 10)),
    ],
    [
      'another module',
      'PAIR_MISMATCH',
      (f: string) => eachModule(f, (path) => writeFileSync(path, Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))),
    ],
  ])('%s: %s', async (_, code, damage) => {
    const folder = copyOf('f32');
    damage(folder);
    const { load } = await open(folder);
    expect(await codeOf(load())).toBe(code);
  });

  it('a thread that cannot start means one thread, said aloud', async () => {
    const folder = copyOf('f16');
    rmSync(join(folder, 'model.thread.js'));
    const said = execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `console.warn = (text) => console.log(text);
         const { load } = await import(${JSON.stringify(pathToFileURL(join(folder, 'model.js')).href)});
         console.log((await load()).threads);`,
      ],
      { encoding: 'utf8' },
    );
    expect(said).toMatch(/running with one thread: .*model\.thread\.js.*\n1\n$/s);
  });
});

describe('over HTTP', () => {
  const servers = new LocalServers();
  afterEach(() => servers.close());
  const serve = async (listener: RequestListener): Promise<string> =>
    `${await servers.listen(listener)}/model.weights`;
  const weightsFile = (): Buffer => readFileSync(join(root, 'f32/model.weights'));

  it('reports progress up to the end', async () => {
    const { load } = await open(join(root, 'f32'));
    const weights = await serve((_, response) => response.end(weightsFile()));
    const said: { loaded: number; total: number }[] = [];
    await load({ weights, onProgress: (progress) => said.push(progress) });
    const seen = said.map(({ loaded }) => loaded);
    expect(seen.at(0)).toBe(0);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect([seen.at(-1), said.at(-1)?.total]).toEqual([weightsFile().length, weightsFile().length]);
  });

  it('a broken connection, a short answer and a wrong status are errors; the next try can succeed', async () => {
    const { load } = await open(join(root, 'f32'));
    let turn = 0;
    const weights = await serve((_, response) => {
      const content = weightsFile();
      turn++;
      if (turn === 1) {
        response.writeHead(200, { 'Content-Length': content.length });
        response.write(content.subarray(0, 70_000), () => response.destroy());
      } else if (turn === 2) response.end(content.subarray(0, 70_000));
      else if (turn === 3) response.writeHead(404).end();
      else response.end(content);
    });
    const codes = [];
    for (let i = 0; i < 4; i++) codes.push(await codeOf(load({ weights })));
    expect(codes).toEqual(['DOWNLOAD_TORN', 'DOWNLOAD_TORN', 'DOWNLOAD_FAILED', 'no error']);
  });

  it('another file of another length is no torn download', async () => {
    const { load } = await open(join(root, 'f32'));
    // what a server of a page with routes answers for a missing file: status 200 and the page
    const page = await serve((_, response) => response.end(`<!doctype html>${'<p>welcome'.repeat(50)}`));
    expect(await codeOf(load({ weights: page }))).toBe('WEIGHTS_DAMAGED');
    // the weights of the build before, from a cache in between: shorter and longer ones
    for (const [folder, other] of [
      ['f32', 'f16'],
      ['f16', 'f32'],
    ] as const) {
      const old = await serve((_, response) =>
        response.end(readFileSync(join(root, other, 'model.weights'))),
      );
      expect(await codeOf((await open(join(root, folder))).load({ weights: old }))).toBe('PAIR_MISMATCH');
    }
  });

  it('can be aborted, while weights come or the module', async () => {
    const { load } = await open(join(root, 'f32'));
    for (const [what, type] of [
      ['weights', 'application/octet-stream'],
      ['module', 'application/octet-stream'],
      ['module', 'application/wasm'],
    ] as const) {
      const address = await serve((_, response) => {
        response.writeHead(200, { 'Content-Type': type });
        response.write(
          readFileSync(join(root, 'f32', what === 'module' ? 'model.simd.wasm' : 'model.weights')).subarray(
            0,
            2000,
          ),
        );
      });
      const controller = new AbortController();
      const loading = load({ [what]: address, signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      await expect([what, type, await loading.catch((error: Error) => error.name)]).toEqual([
        what,
        type,
        'AbortError',
      ]);
    }
  });
});

function change(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

function eachModule(folder: string, act: (path: string) => void): void {
  for (const name of readdirSync(folder)) if (name.endsWith('.wasm')) act(join(folder, name));
}
