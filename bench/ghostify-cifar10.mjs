/**
 * Does a ghostified network get back what it lost sooner than the same network from scratch gets there? A trained ResNet
 * for CIFAR-10 is ghostified at s=2 (weights by least squares on training pictures) and fine-tuned with the original as
 * teacher; the same ghost network is trained from scratch for three times as many epochs. Both end on all 10,000 test
 * pictures. Two ablations of the start, without training: filters from the weights alone, and the naive first-n choice.
 *
 *   npm run build && node bench/ghostify-cifar10.mjs <model.safetensors> <cifar-10 folder> [epochs=1] [threads=1]
 *
 * Writes bench/results/ghostify-cifar10.json.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { profile } from '../dist/analysis/profile.js';
import { calibrationOf } from '../dist/calibration.js';
import { readInputs } from '../dist/cli/input/picture-inputs.js';
import { loadCifar10 } from '../dist/data/node/cifar10-files.js';
import { readModelFile } from '../dist/formats/node/model-file.js';
import { initializeWeights } from '../dist/models/initialize.js';
import { ghostifyTrained } from '../dist/passes/ghostify/ghostify.js';
import { evaluateStore } from '../dist/train/node/evaluate-store.js';
import { trainNetwork } from '../dist/train/node/train-network.js';
import { openTrainingData } from '../dist/train/node/training-data.js';

const [model, folder, epochsText = '1', threadsText = '1'] = process.argv.slice(2);
if (!model || !folder) {
  console.error('usage: node bench/ghostify-cifar10.mjs <model.safetensors> <folder> [epochs] [threads]');
  process.exit(2);
}
const [epochs, threads, seed] = [Number(epochsText), Number(threadsText), 1];
const { graph, weights } = await readModelFile(model);
const test = await loadCifar10(folder, 'test');
const everything = Int32Array.from({ length: test.labels.length }, (_, i) => i);
const data = await openTrainingData(folder, { keepSide: 32, fraction: 0.02, seed, badPictures: 'stop' });
const accuracy = async (one, values) =>
  (await evaluateStore(one, values, test, everything, { classes: data.classes, threads })).top1;
const recipe = {
  epochs,
  batch: 128,
  learningRate: 0.2,
  schedule: { kind: 'oneCycle', up: 0.2 },
  optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  labelSmoothing: 0.1,
  ema: 0.99,
  clipNorm: 0,
  augment: { crop: { kind: 'pad', padding: 2 }, flip: 'alternating' },
  ...{ seed, threads, workers: 1, freeze: [], learningRates: [] },
};
const rows = [];
const add = (row) => {
  rows.push(row);
  console.log(JSON.stringify(row));
};
add({ what: 'original', epochs: null, accuracy: await accuracy(graph, weights), ...counts(graph) });

const { inputs } = await readInputs(folder, graph, 256, false);
const calibration = calibrationOf(inputs, { threads });
let ghost;
for (const [what, options, pictures] of [
  ['first n filters, from the weights alone', { selection: 'first' }, undefined],
  ['from the weights alone', {}, undefined],
  ['first n filters, on pictures', { selection: 'first' }, calibration],
  ['largest norms, on pictures', { selection: 'norm' }, calibration],
  ['pivoted QR, on pictures', { selection: 'pivoted' }, calibration],
  ['on pictures, each layer alone', { sequential: false }, calibration],
  ['on pictures, statistics not measured again', { recalibrate: false }, calibration],
  ['on pictures', {}, calibration],
]) {
  ghost = await ghostifyTrained(graph, weights, { ratio: 2, allowSlower: true, ...options }, pictures);
  const error = ghost.plan.layers.reduce((sum, { error = 0 }) => sum + error, 0);
  const layers = ghost.plan.layers.filter((layer) => layer.error !== undefined).length;
  add({
    what: `ghostified ${what}`,
    epochs: 0,
    accuracy: await accuracy(ghost.graph, ghost.weights),
    meanLayerError: error / layers,
  });
}

const train = async (what, start, options) => {
  const result = await trainNetwork({
    graph: ghost.graph,
    weights: start,
    data,
    recipe: { ...recipe, ...options.recipe },
    ...(options.teacher ? { teacher: options.teacher } : {}),
    onEpoch: (row) => console.log(`${what}: epoch ${row.epoch} validation ${row.validationAccuracy}`),
  });
  add({
    what,
    epochs: options.recipe.epochs,
    accuracy: await accuracy(ghost.graph, result.weights),
    ...counts(ghost.graph),
  });
};
const teacher = { graph, weights, temperature: 4, weight: 0.7 };
const scratch = initializeWeights(ghost.graph, seed);
await train('ghostified, distilled', ghost.weights, { teacher, recipe: { epochs, learningRate: 0.05 } });
await train('ghostified, fine-tuned on labels', ghost.weights, { recipe: { epochs, learningRate: 0.05 } });
await train('from scratch', scratch, { recipe: { epochs: 3 * epochs } });

function counts(one) {
  const { params, macs } = profile(one);
  return { params, macs };
}
writeFileSync(
  new URL('results/ghostify-cifar10.json', import.meta.url),
  `${JSON.stringify({ machine: cpus()[0]?.model, node: process.version, network: graph.name, command: `node bench/ghostify-cifar10.mjs <model> <cifar-10> ${epochs} ${threads}`, rows }, null, 2)}\n`,
);
