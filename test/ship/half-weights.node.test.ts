/**
 * A folder of 16-bit weights answers to the bit as a folder of 32-bit weights that were rounded before, with either
 * instruction set and at one or two threads; and keeps in 16 bits what its layers of one pixel stream.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
// @ts-expect-error a plain script
import { findNewerNode } from '../../scripts/newer-node.mjs';
import { float16ToNumber, numberToFloat16 } from '../../src/formats/float16.js';
import { createModel } from '../../src/models/registry.js';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.js';
import type { Shipped } from '../../src/ship/build.js';
import { randomWeights } from '../op-cases/values.js';
import { folderWriter, pictureFormula } from './folder.js';

const root = mkdtempSync(join(tmpdir(), 'ghostnet-halves-'));
const graph = createModel('ghostnet-0.5x', { inputSize: 32, classes: 5 });
let halves: Shipped;
let whole: Shipped;

beforeAll(async () => {
  const write = await folderWriter();
  const weights = randomWeights(graph, 3);
  const folded = foldBatchNorm(graph, weights);
  const rounded = new Map(
    [...folded.weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value) => float16ToNumber(numberToFloat16(value))) },
    ]),
  );
  halves = await write(join(root, 'f16'), graph, weights, { precision: 'f16', threads: 2 });
  whole = await write(join(root, 'f32'), folded.graph, rounded, { precision: 'f32', threads: 2 });
  for (const folder of ['f16', 'f32'])
    writeFileSync(
      join(root, folder, 'program.mjs'),
      `import { readFileSync } from 'node:fs';
       import { load } from './model.js';
       const picture = ${pictureFormula};
       const answers = [];
       for (const options of [{}, { threads: false }, { module: new WebAssembly.Module(readFileSync('model.simd.wasm')) }]) {
         const model = await load(options);
         answers.push({ relaxed: model.relaxed, threads: model.threads, scores: [...(await model.scores(picture))] });
         model.dispose();
       }
       console.log(JSON.stringify(answers));`,
    );
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('gives the bits of the rounded weights on this Node and a newer one', () => {
  const newer = findNewerNode() as { path?: string; reason?: string };
  if (!newer.path) console.warn(`SKIPPED: 16-bit weights on a newer Node: ${newer.reason}`);
  for (const node of [process.execPath, ...(newer.path ? [newer.path] : [])]) {
    const [a = '', b = ''] = ['f16', 'f32'].map((folder) => {
      const cwd = join(root, folder);
      const { stdout, stderr } = spawnSync(node, ['program.mjs'], { cwd, encoding: 'utf8' });
      expect(stderr).toBe('');
      return stdout;
    });
    expect(a).toBe(b);
    const answers = JSON.parse(a) as { relaxed: boolean; threads: number; scores: number[] }[];
    expect(answers.map(({ threads }) => threads)).toEqual([2, 1, 1]);
    expect(answers.at(-1)?.relaxed).toBe(false);
    for (const { scores } of answers) expect(new Set(scores).size).toBe(5);
  }
});

it('keeps the weights of layers of one pixel in 16 bits in memory, in no larger a file', () => {
  const [half, full] = [halves, whole].map(({ manifest }) => manifest.weights[0]) as [
    (typeof halves.manifest.weights)[number],
    (typeof whole.manifest.weights)[number],
  ];
  // gates, the head and the classifier: most of this network
  const halved = full.imageBytes - half.imageBytes;
  expect(halved).toBeGreaterThan(0.25 * full.imageBytes);
  // what is no float, tables of channels, is stored as it is
  const tables = half.runs.reduce((sum, [stored, bytes]) => sum + (stored === 0 ? bytes : 0), -halved);
  expect(tables).toBeGreaterThanOrEqual(0);
  expect(half.bytes).toBe(64 + (full.imageBytes + tables) / 2);
});
