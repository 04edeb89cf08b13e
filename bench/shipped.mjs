/**
 * Folders of `ghostnet build` in f32 and in f16, which keeps the weights of layers of one pixel in 16 bits in memory, of the same,
 * rounded weights: time of a picture through `scores` of model.js (preprocessing included), in turns, in one process, after
 * both gave the same answer to the bit; and the memory of the weights. Needs the build. Saves bench/results/shipped-node<major>.csv.
 *
 *     node bench/shipped.mjs [--rounds 41] [--only ghostnet-1.0x,ghostnet-32]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { median } from '../dist/cli/measure/measure.js';
import { float16ToNumber, numberToFloat16 } from '../dist/formats/float16.js';
import { createModel, initializeWeights } from '../dist/index.js';
import { foldBatchNorm } from '../dist/passes/fold-batch-norm.js';
import { writeShippedModel } from '../dist/ship/node/write-folder.js';
import { listOption, numberOption, saveResults, thisMachine } from './lib/results.mjs';

const names = [
  'ghostnet-1.0x',
  'ghostnet-0.5x',
  'mobilenet_v3_large',
  'mobilenet_v2',
  'mobilenet_v1_x0_25',
  'resnet18',
  'ghostnet-32',
];
const rounds = numberOption('--rounds', 41);
const only = listOption('--only', names);
const precisions = ['f32', 'f16'];
const folder = mkdtempSync(join(tmpdir(), 'ghostnet-shipped-'));
const rows = [];
try {
  for (const network of only ?? names) {
    const graph = createModel(network);
    const folded = foldBatchNorm(graph, initializeWeights(graph, 1));
    const weights = new Map(
      [...folded.weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((value) => float16ToNumber(numberToFloat16(value))) },
      ]),
    );
    const models = [];
    let size = [];
    for (const precision of precisions) {
      const out = join(folder, `${network}-${precision}`);
      const { manifest } = await writeShippedModel(out, folded.graph, weights, { precision });
      size = [manifest.width, manifest.height];
      const { load } = await import(pathToFileURL(join(out, 'model.js')));
      models.push({ model: await load(), imageMB: manifest.weights[0].imageBytes / 1e6, ms: [] });
    }
    const [width, height] = size;
    const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + ((i * i) >> 7)) & 255);
    const picture = { width, height, data };
    const [whole, halved] = [await models[0].model.scores(picture), await models[1].model.scores(picture)];
    if (whole.some((value, i) => !Object.is(value, halved[i]))) throw new Error(`${network}: other answers`);
    const once = async (model, count) => {
      const started = performance.now();
      for (let i = 0; i < count; i++) await model.scores(picture);
      return (performance.now() - started) / count;
    };
    for (const { model } of models) await once(model, 20);
    const count = Math.max(2, Math.round(40 / (await once(models[0].model, 5))));
    for (let round = 0; round < rounds; round++)
      for (const one of round % 2 ? models : models.toReversed()) one.ms.push(await once(one.model, count));
    const row = { network };
    models.forEach(({ ms, imageMB }, i) => {
      row[`${precisions[i]}Ms`] = median(ms).toFixed(3);
      row[`${precisions[i]}MB`] = imageMB.toFixed(2);
    });
    const ratios = models[0].ms.map((ms, i) => ms / models[1].ms[i]);
    row.ratio = median(ratios).toFixed(3);
    rows.push(row);
    console.log(Object.entries(row).flat().join(' '));
    for (const { model } of models) model.dispose();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  rounds,
  command: `node bench/shipped.mjs --rounds ${rounds}`,
};
if (only) console.log('not saved: only some networks');
else saveResults(`shipped-node${process.versions.node.split('.')[0]}.csv`, facts, rows);
