/**
 * A shipped network in every place where it may run: plain pages (isolated or not, with a strict content security policy or
 * one that forbids WebAssembly), a Web Worker, projects of Vite, webpack and esbuild, Deno and Bun; with every kind of
 * picture that a browser has. All give the scores that this package computes.
 */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build as esbuild } from 'esbuild';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error a plain script
import { findShipTool } from '../../scripts/ship-tools.mjs';
import { servedHeaders } from '../../src/ship/node/serve-folder.js';
import { launchChromium } from '../launch-chromium.js';
import { LocalServers } from '../local-servers.js';
import { expectedScores, folderWriter, pictureFormula, smallClassifier, worst } from './folder.js';

interface Answer {
  readonly scores: number[];
  readonly threads: number;
}

const root = mkdtempSync(join(tmpdir(), 'ghostnet-places-'));
const servers = new LocalServers();
let browser: Browser;
let expected: readonly number[];
/** Engines with fused multiply-add round otherwise. */
let tolerance: number;

/** What every place runs; `./model/model.js` is the shipped folder. */
const program = `
import { load } from './model/model.js';
export async function run(options) {
  const model = await load(options);
  const scores = [...(await model.scores(${pictureFormula}))];
  const { threads } = model;
  model.dispose();
  return { scores, threads };
}
`;
const page = `<!doctype html><title>test</title><link rel="icon" href="data:,"><script type="module" src="main.js"></script>`;
/** Answers stand in the document, where they are found without evaluating text. */
const main = `import { run } from './program.js';
const say = (answer) => { document.documentElement.dataset.answer = JSON.stringify(answer); };
run().then(say, (error) => say({ error: String(error), code: error.code }));
`;

/** A project: the shipped folder and the program that uses it. */
function project(name: string, shipped = 'shipped'): string {
  const folder = join(root, name);
  mkdirSync(folder);
  cpSync(join(root, shipped), join(folder, 'model'), { recursive: true });
  writeFileSync(join(folder, 'program.js'), program);
  writeFileSync(join(folder, 'main.js'), main);
  writeFileSync(join(folder, 'index.html'), page);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  return folder;
}

async function answerOf(tab: Page): Promise<Answer> {
  const text = await tab.locator('html[data-answer]').getAttribute('data-answer', { timeout: 30_000 });
  return JSON.parse(text ?? '') as Answer;
}

/** Opens a page, waits for its answer, and gives what the console said too. */
async function visit(url: string): Promise<Answer & { said: string[]; code?: string; error?: string }> {
  const tab = await browser.newPage();
  const said: string[] = [];
  tab.on('console', (message) => said.push(message.text()));
  tab.on('pageerror', (error) => said.push(error.message));
  await tab.goto(url);
  const answer = await answerOf(tab);
  await tab.close();
  return { ...answer, said };
}

function expectRight(answer: Answer & { said?: string[]; error?: string }, threads: number): void {
  expect([answer.error, answer.said ?? []]).toEqual([undefined, []]);
  expect(worst(answer.scores, expected)).toBeLessThan(tolerance);
  expect(answer.threads).toBe(threads);
}

beforeAll(async () => {
  const { graph, weights } = smallClassifier();
  const write = await folderWriter();
  await write(join(root, 'shipped'), graph, weights, { precision: 'f16', threads: 2 });
  await write(join(root, 'inline'), graph, weights, { precision: 'f16', inlineWeights: true });
  expected = await expectedScores(graph, weights, true);
  tolerance = 1e-5 * Math.max(...expected.map(Math.abs));
  project('plain');
  browser = await launchChromium();
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await servers.close();
  rmSync(root, { recursive: true, force: true });
});

describe('a page', () => {
  it('not isolated: one thread', async () =>
    expectRight(await visit(await servers.folder(join(root, 'plain'))), 1));

  it('isolated, under a strict content security policy: two threads', async () =>
    expectRight(await visit(await servers.folder(join(root, 'plain'), servedHeaders)), 2));

  it('under a policy that forbids WebAssembly: an error that says what to add', async () => {
    const answer = await visit(
      await servers.folder(join(root, 'plain'), { 'Content-Security-Policy': "default-src 'self'" }),
    );
    expect(answer.code).toBe('CSP_FORBIDS_WASM');
    expect(answer.error).toContain("'wasm-unsafe-eval'");
  });

  it('in a Web Worker', async () => {
    const folder = project('worker');
    writeFileSync(
      join(folder, 'main.js'),
      `new Worker('worker.js', { type: 'module' }).onmessage = ({ data }) => {
         document.documentElement.dataset.answer = JSON.stringify(data);
       };`,
    );
    writeFileSync(
      join(folder, 'worker.js'),
      `import { run } from './program.js'; run().then(postMessage, (error) => postMessage({ error: String(error) }));`,
    );
    expectRight(await visit(await servers.folder(folder)), 1);
    expectRight(await visit(await servers.folder(folder, servedHeaders)), 2);
  });

  it('takes every kind of picture that a browser has, with the same scores', async () => {
    const tab = await browser.newPage();
    await tab.goto(await servers.folder(join(root, 'plain')));
    const scores = (await tab.evaluate(`(async () => {
      const { load } = await import('./model/model.js');
      const model = await load();
      const raw = ${pictureFormula};
      const imageData = new ImageData(raw.data, raw.width, raw.height);
      const canvas = Object.assign(document.createElement('canvas'), { width: raw.width, height: raw.height });
      canvas.getContext('2d').putImageData(imageData, 0, 0);
      const offscreen = new OffscreenCanvas(raw.width, raw.height);
      offscreen.getContext('2d').putImageData(imageData, 0, 0);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
      const image = Object.assign(new Image(), { src: canvas.toDataURL('image/png') });
      await image.decode();
      const rgb = new Uint8Array(raw.width * raw.height * 3).map((_, i) => raw.data[Math.trunc(i / 3) * 4 + (i % 3)]);
      const pictures = {
        imageData, canvas, offscreen, blob, image, rgb: { ...raw, data: rgb }, bitmap: await createImageBitmap(canvas),
        frame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const answers = {};
      for (const [name, picture] of Object.entries(pictures)) answers[name] = [...(await model.scores(picture))];
      return answers;
    })()`)) as Record<string, number[]>;
    await tab.close();
    expect(Object.keys(scores)).toHaveLength(8);
    // a video frame may have gone through another colour space
    for (const [name, values] of Object.entries(scores))
      expect([name, worst(values, expected) < tolerance * (name === 'frame' ? 1000 : 1)]).toEqual([
        name,
        true,
      ]);
  });

  it('takes an image inside of an SVG, and says why it cannot read a picture of another site', async () => {
    const tab = await browser.newPage();
    const other = await servers.folder(join(root, 'plain'));
    writeFileSync(
      join(root, 'plain/dot.svg'),
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    );
    await tab.goto(await servers.folder(join(root, 'plain')));
    const [drawn, whole, code] = (await tab.evaluate(`(async () => {
      const { load } = await import('./model/model.js');
      const model = await load();
      const raw = ${pictureFormula};
      const canvas = Object.assign(document.createElement('canvas'), { width: raw.width, height: raw.height });
      canvas.getContext('2d').putImageData(new ImageData(raw.data, raw.width, raw.height), 0, 0);
      document.body.innerHTML = '<svg width="' + raw.width + '" height="' + raw.height + '"><image width="' + raw.width +
        '" height="' + raw.height + '" href="' + canvas.toDataURL('image/png') + '"/></svg>';
      const image = document.querySelector('image');
      await new Promise((resolve) => image.addEventListener('load', resolve));
      const foreign = Object.assign(new Image(), { src: '${other}dot.svg' });
      await foreign.decode();
      const code = await model.scores(foreign).catch((error) => error.code);
      return [[...(await model.scores(image))], [...(await model.scores(canvas))], code];
    })()`)) as [number[], number[], string];
    await tab.close();
    expect(worst(drawn, whole)).toBeLessThan(tolerance);
    expect(code).toBe('PICTURE_TAINTED');
  });

  it('compiles the module while it comes in', async () => {
    const tab = await browser.newPage();
    await tab.goto(await servers.folder(join(root, 'plain')));
    // the page compiles it too, before this counts
    await answerOf(tab);
    const compiled = await tab.evaluate(`(async () => {
      const said = [];
      for (const name of ['compile', 'compileStreaming']) {
        const compile = WebAssembly[name];
        WebAssembly[name] = (source) => (said.push(name), compile.call(WebAssembly, source));
      }
      const { load } = await import('./model/model.js?streaming');
      (await load()).dispose();
      return said;
    })()`);
    await tab.close();
    expect(compiled).toEqual(['compileStreaming']);
  });

  it('two networks of one name in one site keep a cache each', async () => {
    const folder = project('neighbours');
    cpSync(join(root, 'plain/model'), join(folder, 'other'), { recursive: true });
    const { graph, weights } = smallClassifier();
    await (await folderWriter())(join(folder, 'other'), graph, weights, { precision: 'f32' });
    const tab = await browser.newPage();
    await tab.goto(await servers.folder(folder));
    await answerOf(tab);
    const keys = (await tab.evaluate(`(async () => {
      await (await import('./other/model.js')).load();
      return caches.keys();
    })()`)) as string[];
    await tab.close();
    expect(keys).toHaveLength(2);
  });

  it('keeps the weights in the cache: the second visit fetches none; another build takes its place', async () => {
    const folder = project('cached');
    const url = await servers.folder(folder);
    const context = await browser.newContext();
    const fetched: string[] = [];
    const once = async (): Promise<unknown> => {
      const tab = await context.newPage();
      tab.on('request', (request) => fetched.push(new URL(request.url()).pathname));
      await tab.goto(url);
      await answerOf(tab);
      const keys = await tab.evaluate('caches.keys()');
      await tab.close();
      return keys;
    };
    const count = (): number => fetched.filter((path) => path.endsWith('.weights')).length;
    const before = await once();
    await once();
    expect(count()).toBe(1);
    rmSync(join(folder, 'model'), { recursive: true });
    const { graph, weights } = smallClassifier();
    await (await folderWriter())(join(folder, 'model'), graph, weights, { precision: 'f32' });
    const after = await once();
    expect(count()).toBe(2);
    expect([before, after].map((keys) => (keys as string[]).length)).toEqual([1, 1]);
    expect(before).not.toEqual(after);
    await context.close();
  });
});

describe('a project of', () => {
  it('Vite', async () => {
    const folder = project('vite');
    const { build } = await import('vite');
    const log = { logLevel: 'silent', configFile: false } as const;
    // nothing inlined, as with a real network, whose weights are large
    await build({ ...log, root: folder, base: './', build: { assetsInlineLimit: 0, target: 'es2022' } });
    expectRight(await visit(await servers.folder(join(folder, 'dist'))), 1);
    expectRight(await visit(await servers.folder(join(folder, 'dist'), servedHeaders)), 2);
  });

  it('webpack', async () => {
    const tool = findShipTool('webpack') as { path?: string; reason?: string };
    if (!tool.path) return void console.warn(`SKIPPED: webpack: ${tool.reason}`);
    const folder = project('webpack');
    const { default: webpack } = (await import(pathToFileURL(tool.path).href)) as {
      default: (
        options: object,
        done: (error: Error | null, stats?: { hasErrors(): boolean; toString(): string }) => void,
      ) => void;
    };
    const options = {
      mode: 'production',
      context: folder,
      entry: './main.js',
      output: { path: join(folder, 'dist'), filename: 'main.js' },
      performance: false,
    };
    const stats = await promisify(webpack)(options);
    expect(stats?.hasErrors() ? stats.toString() : '').toBe('');
    writeFileSync(join(folder, 'dist/index.html'), page);
    expectRight(await visit(await servers.folder(join(folder, 'dist'))), 1);
    expectRight(await visit(await servers.folder(join(folder, 'dist'), servedHeaders)), 2);
  }, 240_000);

  it('esbuild: the folder’s files copied beside the bundle, or all of it inside', async () => {
    for (const shipped of ['shipped', 'inline']) {
      const folder = project(`esbuild-${shipped}`, shipped);
      const dist = join(folder, 'dist');
      await esbuild({
        entryPoints: [join(folder, 'main.js')],
        bundle: true,
        minify: true,
        format: 'esm',
        outdir: dist,
      });
      writeFileSync(join(dist, 'index.html'), page);
      if (shipped === 'shipped')
        cpSync(join(folder, 'model'), dist, { recursive: true, filter: (path) => !path.endsWith('.html') });
      expectRight(await visit(await servers.folder(dist)), 1);
    }
  });
});

describe('a program of', () => {
  it.each([
    ['deno', ['run', '--allow-read', '--no-lock']],
    ['bun', ['run']],
  ] as const)(
    '%s',
    (name, flags) => {
      const tool = findShipTool(name) as { path?: string; reason?: string };
      if (!tool.path) return void console.warn(`SKIPPED: ${name}: ${tool.reason}`);
      const folder = project(name);
      writeFileSync(
        join(folder, 'say.js'),
        `import { run } from './program.js';
       console.log(JSON.stringify([await run({ threads: false }), await run()]));`,
      );
      const output = execFileSync(tool.path, [...flags, 'say.js'], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [one, two] = JSON.parse(output) as [Answer, Answer];
      expectRight(one, 1);
      expectRight(two, 2);
    },
    240_000,
  );
});

/** The configuration of a worker whose module was compiled before: https://github.com/cloudflare/workerd. */
const workerdConfig = (port: number): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "program.js", esModule = embed "program.js"),
    (name = "model/model.js", esModule = embed "model/model.js"),
    (name = "model/model.simd.wasm", wasm = embed "model/model.simd.wasm"),
    (name = "model/model.weights", data = embed "model/model.weights")
  ],
  compatibilityDate = "2025-01-01"
);
`;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

describe('an edge worker, which may compile nothing', () => {
  it('takes the precompiled module and the weights (workerd)', async () => {
    const tool = findShipTool('workerd') as { path?: string; reason?: string };
    if (!tool.path) return void console.warn(`SKIPPED: workerd: ${tool.reason}`);
    const folder = project('workerd');
    writeFileSync(
      join(folder, 'worker.js'),
      `import module from './model/model.simd.wasm';
       import weights from './model/model.weights';
       import { run } from './program.js';
       export default {
         async fetch() {
           let forbidden = 'compiled';
           try {
             new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
           } catch (error) {
             forbidden = error.name;
           }
           return Response.json({ ...(await run({ module, weights })), forbidden });
         },
       };`,
    );
    const port = await freePort();
    writeFileSync(join(folder, 'config.capnp'), workerdConfig(port));
    const child = spawn(tool.path, ['serve', 'config.capnp'], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    try {
      let answer: (Answer & { forbidden: string }) | undefined;
      for (let tries = 0; !answer && tries < 100 && child.exitCode === null; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
        if (response) answer = (await response.json()) as Answer & { forbidden: string };
      }
      expect(answer?.forbidden).toBe('CompileError');
      expectRight(answer as Answer, 1);
    } finally {
      child.kill();
    }
  }, 240_000);
});
