/**
 * A page as users write it: the bundled library served over HTTP, run in the page and in a Web Worker, with and without
 * cross-origin isolation. Results are the same to the bit; without isolation the downgrade is said aloud.
 */
import { build } from 'esbuild';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from './launch-chromium.js';
import { isolation, LocalServers } from './local-servers.js';

/** Runs GhostNet 0.5x with two threads and says what came out; the same text serves the page and the worker. */
const program = `
  import { createModel, createNetwork, initializeWeights } from '/ghostnet.js';
  export async function run() {
    const graph = createModel('ghostnet-0.5x', { classes: 5, inputSize: 64 });
    const weights = initializeWeights(graph, 1);
    const input = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i));
    const answer = [];
    for (const threads of [1, 2]) {
      const network = await createNetwork(graph, weights, { threads });
      for (let i = 0; i < 20; i++) network.run(input);
      answer.push({ output: [...network.run(input)], backend: network.backend });
      network.dispose();
    }
    return answer;
  }
`;
const files: Record<string, string> = {
  '/index.html': '<!doctype html><title>ghostnet</title><link rel="icon" href="data:,">',
  '/program.js': program,
  '/worker.js': `import { run } from '/program.js'; run().then((answer) => postMessage(answer));`,
};

interface Answer {
  readonly output: readonly number[];
  readonly backend: {
    readonly simd: boolean;
    readonly relaxed: boolean;
    readonly threads: number;
    readonly reason: string;
  };
}

let browser: Browser;
const servers = new LocalServers();

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [`${import.meta.dirname}/../src/index.ts`],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  files['/ghostnet.js'] = outputFiles[0]?.text ?? '';
  browser = await launchChromium();
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await servers.close();
});

async function visit(
  url: string,
  where: 'page' | 'worker',
): Promise<{ answers: Answer[]; console: string[] }> {
  const page = await browser.newPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  await page.goto(url);
  const code =
    where === 'page'
      ? `import('/program.js').then(({ run }) => run())`
      : `new Promise((resolve, reject) => {
           const worker = new Worker('/worker.js', { type: 'module' });
           worker.onmessage = ({ data }) => resolve(data);
           worker.onerror = (event) => reject(new Error(event.message));
         })`;
  const answers = (await page.evaluate(code)) as Answer[];
  await page.close();
  return { answers, console: said };
}

describe('a page in Chromium', () => {
  it.each(['page', 'worker'] as const)(
    'isolated, in the %s: two threads, the same bits, nothing said',
    async (where) => {
      const { answers, console } = await visit(await servers.texts(files, isolation), where);
      expect(console).toEqual([]);
      expect(answers.map((answer) => answer.backend.threads)).toEqual([1, 2]);
      expect(answers[1]?.output).toEqual(answers[0]?.output);
      expect(answers[0]?.output.every(Number.isFinite)).toBe(true);
      expect(answers[0]?.backend.simd).toBe(true);
    },
  );

  it.each(['page', 'worker'] as const)(
    'not isolated, in the %s: one thread, and it says why',
    async (where) => {
      const { answers, console } = await visit(await servers.texts(files), where);
      expect(answers.map((answer) => answer.backend.threads)).toEqual([1, 1]);
      expect(answers[1]?.output).toEqual(answers[0]?.output);
      expect(answers[1]?.backend.reason).toContain('crossOriginIsolated');
      expect(console).toHaveLength(1);
      expect(console[0]).toMatch(
        /^warning: ghostnet: 2 threads were asked for, running with one: .*crossOriginIsolated/,
      );
    },
  );
});
