/**
 * Every compression pass on trained networks: params, MACs, and how often the answer is still the original's, right
 * after the pass, with batch norm recalibrated, and (CIFAR-10) after a short fine-tuning. Saves
 * bench/results/compression-<network>.csv row by row: interrupted, it goes on where it was. The compressed networks are kept in
 * .cache/compression for bench/compression-times.mjs. Needs the build and the data (lib/compression-data.mjs).
 *
 *     node bench/compression.mjs [--cifar folder] [--networks a,b] [--methods a,b] [--ratios 1.2,2]
 *         [--pictures 900] [--calibration-pictures 100] [--tune-steps 150] [--tune-ratios 1.2,2]
 */
import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { calibrationOf } from '../dist/calibration.js';
import { createNetwork, createQuantizedNetwork, foldBatchNorm, profile } from '../dist/index.js';
import { createTrainer, writeModelFile, writeQuantizedFile } from '../dist/node.js';
import { recalibrateBatchNorm } from '../dist/passes/recalibrate-batch-norm.js';
import { restoreBatchNorm } from '../dist/passes/restore-batch-norm.js';
import { compressionNetworks, loadCompressionNetwork } from './lib/compression-data.mjs';
import { compressionMethods } from './lib/compression-methods.mjs';
import {
  listOption,
  numberOption,
  readResults,
  resultsFolder,
  saveResults,
  thisMachine,
} from './lib/results.mjs';

const cache = fileURLToPath(new URL('../.cache/compression/', import.meta.url));
const wantedNetworks = listOption('--networks') ?? Object.keys(compressionNetworks);
const wantedMethods = listOption('--methods') ?? Object.keys(compressionMethods);
const ratios = (listOption('--ratios') ?? ['1.2', '1.5', '2']).map(Number);
const tuneSteps = numberOption('--tune-steps', 150);
const tuneRatios = listOption('--tune-ratios')?.map(Number) ?? ratios;
const cifar = listOption('--cifar')?.[0] ?? '../shared/data/cifar10';
const most = numberOption('--pictures', Number.POSITIVE_INFINITY);
const calibrating = numberOption('--calibration-pictures', 100);

const facts = {
  ...thisMachine(),
  node: process.versions.node,
  command: `node bench/compression.mjs ${process.argv.slice(2).join(' ')}`
    .trim()
    // where somebody keeps CIFAR-10 is no part of a result
    .replace(/--cifar \S+/, '--cifar <folder>'),
  tuning: `${tuneSteps} steps of 64 pictures, SGD, learning rate 0.01 falling to 0`,
};

/** The class of every evaluation picture. */
async function answers({ graph, weights, quantized }, pictures) {
  const network = await (quantized ? createQuantizedNetwork(quantized) : createNetwork(graph, weights));
  const found = new Int32Array(pictures.count);
  for (let i = 0; i < pictures.count; i++) {
    pictures.write(i, network.inputView());
    network.execute();
    const logits = network.outputView();
    let best = 0;
    for (let c = 1; c < logits.length; c++) if (logits[c] > logits[best]) best = c;
    found[i] = best;
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  network.dispose();
  return found;
}

const share = (found, expected) =>
  Number(
    (found.reduce((sum, value, i) => sum + (value === expected(i) ? 1 : 0), 0) / found.length).toFixed(4),
  );

/** A few steps of training on CIFAR-10, as fine-tuning begins. */
async function tune({ graph, weights }, pictures, steps = tuneSteps) {
  const batch = 64;
  const trainer = await createTrainer(graph, weights, {
    batch,
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
  });
  const images = new Float32Array(batch * 3072);
  const targets = new Int32Array(batch);
  for (let step = 0; step < steps; step++) {
    for (let n = 0; n < batch; n++) {
      const i = (step * batch + n) % pictures.count;
      pictures.write(i, images.subarray(n * 3072, (n + 1) * 3072));
      targets[n] = pictures.label(i);
    }
    trainer.step({ images, targets, learningRate: 0.01 * (1 - step / steps) });
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const tuned = trainer.weights();
  trainer.dispose();
  return { graph: trainer.graph, weights: tuned };
}

mkdirSync(cache, { recursive: true });
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(0)} s`;
for (const name of wantedNetworks) {
  const csv = `compression-${name}.csv`;
  const rows = existsSync(new URL(csv, resultsFolder)) ? readResults(csv).rows : [];
  const todo = [
    ['original', 1],
    ...ratios.flatMap((ratio) => wantedMethods.map((method) => [method, ratio])),
  ].filter(
    ([method, ratio]) =>
      (method === 'original' || (compressionMethods[method].ratios?.(ratio) ?? true)) &&
      !(compressionMethods[method]?.except ?? []).includes(name) &&
      !(compressionMethods[method]?.trains && compressionNetworks[name].data !== 'cifar10') &&
      !rows.some((row) => row.method === method && row.ratio === ratio),
  );
  if (todo.length === 0) continue;
  const {
    graph,
    weights,
    calibration: calibrationPictures,
    evaluation,
    training,
  } = await loadCompressionNetwork(name, { cifar, most, calibrating });
  const size = graph.nodes.find((node) => node.kind === 'input').shape.reduce((a, b) => a * b, 1);
  const calibration = calibrationOf(calibrationPictures.inputs(size), { batch: 4 });
  const original = await answers({ graph, weights }, evaluation);
  const measured = async (model) => {
    const found = await answers(model, evaluation);
    return [share(found, (i) => original[i]), share(found, evaluation.label)];
  };
  // passes see batch norm as it was before it was folded
  const start = await restoreBatchNorm(graph, weights, calibration);
  for (const [method, ratio] of todo) {
    const began = performance.now();
    const { apply, recalibrate = true } = compressionMethods[method] ?? { recalibrate: false };
    const model = apply
      ? await apply(start, {
          ratio,
          calibration,
          train: (given, share) => tune(given, training, Math.round(share * tuneSteps)),
        })
      : { graph, weights };
    const row = {
      network: name,
      method,
      ratio,
      pictures: evaluation.count,
      calibrationPictures: calibrationPictures.count,
    };
    const folded = foldBatchNorm(model.graph, model.weights);
    const counted = profile(folded.graph);
    [row.params, row.macs] = [counted.params, counted.macs];
    [row.agreement, row.top1] = await measured(model);
    let best = model;
    if (recalibrate) {
      best = {
        graph: model.graph,
        weights: await recalibrateBatchNorm(model.graph, model.weights, calibration),
      };
      [row.agreementRecalibrated, row.top1Recalibrated] = await measured(best);
    } else [row.agreementRecalibrated, row.top1Recalibrated] = ['', ''];
    [row.agreementTuned, row.top1Tuned] = ['', ''];
    if (training && recalibrate && tuneSteps > 0 && tuneRatios.includes(ratio))
      [row.agreementTuned, row.top1Tuned] = await measured(await tune(best, training));
    const plain = foldBatchNorm(best.graph, best.weights);
    const file = `${cache}${name} ${method} ${ratio}.safetensors`;
    if (model.quantized) await writeQuantizedFile(file, model.quantized);
    else await writeModelFile(file, plain.graph, plain.weights);
    rows.push(row);
    saveResults(csv, facts, rows);
    console.log(Object.values(row).join(' '), seconds(began));
  }
}
