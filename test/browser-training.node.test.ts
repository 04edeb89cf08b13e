/**
 * Training in a page as users write it: the bundled library in a Web Worker, with threads where the page is isolated and
 * with one where it is not. A small ghost network learns to tell generated pictures apart; its file is read by Node,
 * which must classify as the page did.
 */
import { build } from 'esbuild';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNetwork } from '../src/create-network.js';
import { loadModel } from '../src/formats/model-file.js';
import { launchChromium } from './launch-chromium.js';
import { isolation, LocalServers } from './local-servers.js';

/** What both sides draw: stripes of one of four directions, any phase and width, under noise. */
const pictures = `
  const size = 16;
  function random(seed) {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 8) / 2 ** 24;
    };
  }
  function draw(count, seed) {
    const next = random(seed);
    const images = new Float32Array(count * 3 * size * size);
    const targets = new Int32Array(count);
    for (let n = 0; n < count; n++) {
      const direction = Math.floor(next() * 4);
      targets[n] = direction;
      const angle = (direction * Math.PI) / 4;
      const [phase, width] = [next() * 6, 0.8 + next() * 0.8];
      for (let c = 0; c < 3; c++)
        for (let i = 0; i < size * size; i++) {
          const along = (i % size) * Math.cos(angle) + Math.floor(i / size) * Math.sin(angle);
          images[(n * 3 + c) * size * size + i] = Math.sin(along * width + phase) + 2 * next() - 1;
        }
    }
    return { images, targets };
  }
`;
const worker = `
  import { createTrainer, GraphBuilder, ghostModule, initializeWeights, saveModel } from '/ghostnet.js';
  ${pictures}
  self.addEventListener('unhandledrejection', ({ reason }) => postMessage({ error: String(reason) }));
  const g = new GraphBuilder('tiny');
  let x = g.conv2d('stem', g.input('input', [3, size, size]), { outChannels: 8, kernel: 3, padding: 1 });
  x = g.activation('stem_act', g.batchNorm('stem_norm', x), 'relu');
  x = ghostModule(g, 'first', x, { outChannels: 16, kernel: 3, stride: 2 });
  x = ghostModule(g, 'second', x, { outChannels: 32, kernel: 3, stride: 2 });
  x = g.flatten('flat', g.globalAvgPool('pool', x));
  const graph = g.build([g.linear('fc', x, { outFeatures: 4 })]);
  const trainer = await createTrainer(graph, initializeWeights(graph, 1), {
    batch: 64, threads: 2, recompute: true, optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4 },
  });
  const losses = [];
  for (let step = 0; step < 40; step++) {
    losses.push(trainer.step({ ...draw(64, step + 1), learningRate: 0.05 * (1 - step / 40) }).loss);
    postMessage({ step });
    await new Promise((resolve) => setTimeout(resolve));
  }
  const test = draw(64, 999);
  postMessage({
    threads: trainer.threads, losses, logits: trainer.evaluate(test.images),
    model: saveModel(trainer.graph, trainer.weights()),
  });
`;

interface Trained {
  readonly threads: number;
  readonly losses: readonly number[];
  readonly logits: readonly number[];
  readonly model: readonly number[];
}

const files: Record<string, string> = {
  '/index.html': '<!doctype html><title>training</title><link rel="icon" href="data:,">',
  '/worker.js': worker,
};
let browser: Browser;
const servers = new LocalServers();

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from './index.js'; export * from './train/index.js';`,
      resolveDir: `${import.meta.dirname}/../src`,
      loader: 'ts',
    },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  files['/ghostnet.js'] = outputFiles[0]?.text ?? '';
  browser = await launchChromium();
}, 240_000);
afterAll(async () => {
  await browser?.close();
  await servers.close();
});

describe('training in a page', () => {
  it.each([
    { where: 'isolated', headers: isolation, threads: 2 },
    { where: 'not isolated', headers: {}, threads: 1 },
  ])(
    '$where: $threads threads, at least 90 % right, read by Node',
    async ({ headers, threads }) => {
      const page = await browser.newPage();
      const said: string[] = [];
      page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
      await page.goto(await servers.texts(files, headers));
      const trained = (await page.evaluate(`new Promise((resolve, reject) => {
      const worker = new Worker('/worker.js', { type: 'module' });
      worker.onmessage = ({ data }) => {
        if ('error' in data) reject(new Error(data.error));
        else if ('model' in data) resolve({ ...data, logits: [...data.logits], model: [...data.model] });
      };
      worker.onerror = (event) => reject(new Error(event.message));
    })`)) as Trained;
      await page.close();
      expect(trained.threads).toBe(threads);
      if (threads === 2) expect(said).toEqual([]);
      else
        expect(said).toEqual([
          expect.stringMatching(/2 threads were asked for, training with one: .*isolated/),
        ]);
      expect(trained.losses.every(Number.isFinite)).toBe(true);

      const { graph, weights } = loadModel(Uint8Array.from(trained.model));
      const network = await createNetwork(graph, weights);
      const drawn = new Function(`${pictures} return draw(64, 999);`)() as {
        images: Float32Array;
        targets: Int32Array;
      };
      let right = 0;
      drawn.targets.forEach((target, n) => {
        const logits = [...network.run(drawn.images.subarray(n * 768, (n + 1) * 768))];
        logits.forEach((value, c) => {
          expect(Math.abs(value - (trained.logits[n * 4 + c] as number))).toBeLessThan(1e-3);
        });
        if (logits.indexOf(Math.max(...logits)) === target) right++;
      });
      network.dispose();
      expect(right / drawn.targets.length).toBeGreaterThanOrEqual(0.9);
    },
    120_000,
  );
});
