/**
 * A folder with modules for two threads in which something is wrong, tried as a user has it: in a program of Node and in an
 * isolated page of Chromium. Each mistake is one error of one line with a stable code, or one thread and one warning that
 * says why; nothing hangs, and nothing else is said.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initializeWeights } from '../../src/models/initialize.js';
import { servedHeaders } from '../../src/ship/node/serve-folder.js';
import { launchChromium } from '../launch-chromium.js';
import { LocalServers } from '../local-servers.js';
import { folderWriter, pictureFormula, smallClassifier } from './folder.js';

interface Outcome {
  readonly code?: string;
  readonly message?: string;
  readonly threads?: number;
  /** Everything on the console. */
  readonly said: readonly string[];
}

const root = mkdtempSync(join(tmpdir(), 'ghostnet-damage-'));
const servers = new LocalServers();
let browser: Browser;
let copies = 0;

/** Loads, waits as a page does between loading and the first picture, asks, and gives what came of it. */
const program = `
import { load } from './model.js';
export async function run() {
  try {
    const model = await load({ cache: false });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await model.scores(${pictureFormula});
    const { threads } = model;
    model.dispose();
    return { threads };
  } catch (error) {
    return { code: error.code ?? error.name, message: error.message };
  }
}`;

beforeAll(async () => {
  const { graph, weights } = smallClassifier();
  const write = await folderWriter();
  await write(join(root, 'good'), graph, weights, { threads: 2 });
  await write(join(root, 'other'), graph, initializeWeights(graph, 6), { threads: 2 });
  for (const folder of ['good', 'other']) {
    const at = (name: string): string => join(root, folder, name);
    writeFileSync(at('program.js'), program);
    writeFileSync(
      at('node.mjs'),
      `import { run } from './program.js'; console.log(JSON.stringify(await run()));`,
    );
    writeFileSync(
      at('page.js'),
      `import { run } from './program.js'; document.documentElement.dataset.answer = JSON.stringify(await run());`,
    );
    writeFileSync(
      at('page.html'),
      '<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>',
    );
  }
  browser = await launchChromium();
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await servers.close();
  rmSync(root, { recursive: true, force: true });
});

function inNode(folder: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['node.mjs'], { cwd: folder });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      const said = stderr.split('\n').filter((line) => line !== '');
      resolve(signal || stdout === '' ? { code: `HUNG ${signal}`, said } : { ...JSON.parse(stdout), said });
    });
  });
}

async function inChromium(folder: string): Promise<Outcome> {
  const url = await servers.folder(folder, servedHeaders);
  const tab = await browser.newPage();
  const said: string[] = [];
  // what the browser itself says of a missing file is not this package's
  tab.on('console', (message) => {
    if (!message.text().startsWith('Failed to load resource')) said.push(message.text());
  });
  tab.on('pageerror', (error) => said.push(error.message));
  await tab.goto(`${url}page.html`);
  const answer = await tab
    .locator('html[data-answer]')
    .getAttribute('data-answer', { timeout: 60_000 })
    .catch(() => '{ "code": "HUNG" }');
  await tab.close();
  return { ...JSON.parse(answer ?? ''), said };
}

type Damage = (at: (name: string) => string) => void;

const flip = (path: string, at: (length: number) => number): void => {
  const bytes = readFileSync(path);
  bytes[at(bytes.length)]! ^= 1;
  writeFileSync(path, bytes);
};
const modules =
  (act: (path: string, name: string) => void): Damage =>
  (at) => {
    for (const name of readdirSync(at('.'))) if (name.endsWith('.wasm')) act(at(name), name);
  };
const thread =
  (text: string): Damage =>
  (at) =>
    writeFileSync(at('model.thread.js'), text);

const errors: readonly (readonly [string, string, Damage])[] = [
  ['weights torn', 'DOWNLOAD_TORN', (at) => truncateSync(at('model.weights'), 5000)],
  ['weights with a wrong bit', 'WEIGHTS_DAMAGED', (at) => flip(at('model.weights'), (n) => n - 999)],
  ['weights missing', 'DOWNLOAD_FAILED', (at) => rmSync(at('model.weights'))],
  [
    'weights of another build',
    'PAIR_MISMATCH',
    (at) => cpSync(join(root, 'other/model.weights'), at('model.weights')),
  ],
  ['modules torn', 'MODULE_DAMAGED', modules((path) => truncateSync(path, 3000))],
  // in the middle of the code, where a module often stays valid and computes something else
  ...[0.3, 0.5, 0.7, 0.9].map(
    (place) =>
      [
        `modules with a wrong bit at ${place} of them`,
        'MODULE_DAMAGED',
        modules((path) => flip(path, (n) => Math.floor(n * place))),
      ] as const,
  ),
  ['modules missing', 'DOWNLOAD_FAILED', modules((path) => rmSync(path))],
  [
    'modules of another build',
    'PAIR_MISMATCH',
    modules((path, name) => cpSync(join(root, 'other', name), path)),
  ],
  [
    'model.js of another build',
    'PAIR_MISMATCH',
    (at) => cpSync(join(root, 'other/model.js'), at('model.js')),
  ],
];

const oneThread: readonly (readonly [string, Damage])[] = [
  ['missing', (at) => rmSync(at('model.thread.js'))],
  ['torn', (at) => truncateSync(at('model.thread.js'), 500)],
  ['a web page', thread('<!doctype html><p>not found')],
  ['failing at once', thread('throw new Error("no");')],
  ['another program, that says nothing', thread('setInterval(() => {}, 1000);')],
  ['empty', thread('')],
];

async function both(damage: Damage): Promise<Outcome[]> {
  const folder = join(root, `copy-${copies++}`);
  cpSync(join(root, 'good'), folder, { recursive: true });
  damage((name) => join(folder, name));
  return Promise.all([inNode(folder), inChromium(folder)]);
}

describe('a folder with threads, in Node and Chromium', () => {
  it('whole: two threads, and nothing is said', async () => {
    for (const outcome of await both(() => {})) expect(outcome).toEqual({ threads: 2, said: [] });
  });

  it.each(errors)('%s: %s', async (_, code, damage) => {
    for (const outcome of await both(damage)) {
      expect(outcome).toEqual({ code, message: expect.stringMatching(/^.{20,}$/), said: [] });
    }
  });

  // side by side: two of them wait ten seconds for a thread that never speaks
  it.concurrent.each(oneThread)('model.thread.js %s: one thread, said once', async (_, damage) => {
    for (const outcome of await both(damage)) {
      expect(outcome).toEqual({
        threads: 1,
        said: [expect.stringMatching(/running with one thread: .*model\.thread\.js/)],
      });
    }
  });

  it('a thread that ends by itself after it had started: an error at the next picture', async () => {
    const damage: Damage = (at) => {
      renameSync(at('model.thread.js'), at('whole.js'));
      // gone before the first run, which would wait for it
      writeFileSync(
        at('model.thread.js'),
        `const node = globalThis.process?.getBuiltinModule?.('node:worker_threads');
         if (node?.parentPort) node.parentPort.postMessage('ready');
         else onmessage = () => { postMessage('ready'); setTimeout(() => { throw new Error('gone'); }); };`,
      );
    };
    const [node, page] = (await both(damage)) as [Outcome, Outcome];
    expect(node).toMatchObject({ code: 'THREADS_FAILED', said: [] });
    expect(page).toMatchObject({ code: 'THREADS_FAILED' });
  });

  it('a thread that traps in the middle of a picture: an error of that picture', async () => {
    const damage: Damage = (at) => {
      const whole = readFileSync(at('model.thread.js'), 'utf8');
      const changed = whole.replace(/const main = .*;/, 'const main = () => { throw new Error("trap"); };');
      expect(changed).not.toBe(whole);
      writeFileSync(at('model.thread.js'), changed);
    };
    const [node, page] = (await both(damage)) as [Outcome, Outcome];
    expect(node).toMatchObject({ code: 'THREADS_FAILED', said: [] });
    expect(page).toMatchObject({ code: 'THREADS_FAILED' });
  });
});
