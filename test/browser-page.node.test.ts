/**
 * A page as users write it: the bundled library served over HTTP, run in the page and in a Web Worker, with and without
 * cross-origin isolation. Results are the same to the bit; without isolation the downgrade is said aloud.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error a plain script
import { findChromium } from '../scripts/find-chromium.mjs';

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
const files: Record<string, [type: string, text: string]> = {
  '/': ['text/html', '<!doctype html><title>ghostnet</title><link rel="icon" href="data:,">'],
  '/program.js': ['text/javascript', program],
  '/worker.js': [
    'text/javascript',
    `import { run } from '/program.js'; run().then((answer) => postMessage(answer));`,
  ],
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

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
let browser: Browser;
const servers: Server[] = [];

/** The address of a server of the files, with or without the headers that isolate a page. */
function serve(headers: Record<string, string>): Promise<string> {
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(file ? 200 : 404, { ...headers, 'Content-Type': file?.[0] ?? 'text/plain' });
    response.end(file?.[1]);
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    );
  });
}

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [`${import.meta.dirname}/../src/index.ts`],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  files['/ghostnet.js'] = ['text/javascript', outputFiles[0]?.text ?? ''];
  browser = await chromium.launch({
    executablePath: (await findChromium()) as string,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}, 240_000);
afterAll(async () => {
  await browser?.close();
  for (const server of servers) server.close();
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
      const { answers, console } = await visit(await serve(isolation), where);
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
      const { answers, console } = await visit(await serve({}), where);
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
