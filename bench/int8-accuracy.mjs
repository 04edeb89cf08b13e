/**
 * Top-1 of int8 beside floats: the files that `ghostnet quantize` writes by default, on pictures that did not calibrate
 * them. Networks of CIFAR-10 are calibrated on 128 pictures of its training part, spread evenly, and counted on all
 * 10,000 test pictures; those of ImageNet on every tenth of the 1,000 pictures, and counted on the other 900. Saves a row
 * for each network in bench/results/int8-accuracy.csv. What is not there is left out. Needs the build and the data
 * (lib/compression-data.mjs).
 *
 * With --folds N, for networks of ImageNet alone: N calibrations, the first on pictures 0, 10, 20, ..., the second on 1, 11, 21,
 * ..., each counted on its other 900, and the sums over all are saved in bench/results/int8-accuracy-folds.csv.
 *
 *     node bench/int8-accuracy.mjs [--cifar folder] [--networks a,b] [--folds 10]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNetwork, createQuantizedNetwork, loadQuantizedModel } from '../dist/index.js';
import { readModelFile } from '../dist/node.js';
import { cifarPart, readImagenetSample } from './lib/compression-data.mjs';
import { best, decibels, logitsOf } from './lib/logits.mjs';
import { photographs, presentNetworks, quantizationNetworks } from './lib/quantization-data.mjs';
import {
  listOption,
  numberOption,
  readResults,
  resultsFolder,
  saveResults,
  thisMachine,
} from './lib/results.mjs';

const cifar = listOption('--cifar')?.[0] ?? '../shared/data/cifar10';
const wanted = listOption('--networks') ?? presentNetworks();
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const folds = numberOption('--folds', 0);
const file = folds ? 'int8-accuracy-folds.csv' : 'int8-accuracy.csv';
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  command: folds
    ? `node bench/int8-accuracy.mjs --folds ${folds}`
    : 'node bench/int8-accuracy.mjs --cifar <folder>',
  decibels: 'logits over their change, each less its mean',
};

/** The int8 file's bytes, as `ghostnet quantize` writes it by default. */
function quantized({ path, network, preprocessing }, data, scratch) {
  const out = join(scratch, 'int8.safetensors');
  const how = join(scratch, 'preprocessing.json');
  if (preprocessing) writeFileSync(how, JSON.stringify(preprocessing));
  const options = ['--data', data, '--out', out, ...(network ? ['--network', network] : [])];
  if (preprocessing) options.push('--preprocessing', how);
  execFileSync(process.execPath, [cli, 'quantize', path, ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return readFileSync(out);
}

/** { folder, calibrated, counted } of a network; `counted` are Pictures. `first`: the first picture that calibrates. */
async function picturesOf({ data: kind, preprocessing, firstLabel = 0 }, graph, scratch, first) {
  if (kind === 'cifar10')
    return {
      folder: cifar,
      calibrated: 128,
      counted: cifarPart(cifar, 'test_batch.bin', 10_000, graph.meta.preprocessing),
    };
  const folder = join(scratch, 'calibration');
  mkdirSync(folder);
  const all = readImagenetSample();
  const calibrating = all.filter((_, i) => i % 10 === first);
  for (const { name, bytes } of calibrating) writeFileSync(join(folder, name), bytes);
  const others = all.filter((_, i) => i % 10 !== first);
  const { shape } = graph.nodes.find((node) => node.kind === 'input');
  const labels = others.map(({ label }) => label + firstLabel);
  const counted = await photographs(others, preprocessing, shape, labels);
  return { folder, calibrated: calibrating.length, counted };
}

/** Counts of one calibration. */
async function count(network, first) {
  const scratch = mkdtempSync(join(tmpdir(), 'int8-accuracy-'));
  try {
    const { graph, weights } = await readModelFile(
      network.path,
      network.network ? { network: network.network } : {},
    );
    const { folder, calibrated, counted } = await picturesOf(network, graph, scratch, first);
    const integers = loadQuantizedModel(quantized(network, folder, scratch));
    const before = await logitsOf(await createNetwork(graph, weights), counted);
    const after = await logitsOf(await createQuantizedNetwork(integers), counted);
    const right = (logits) => logits.filter((values, i) => best(values) === counted.label(i)).length;
    return {
      calibrated,
      counted: counted.count,
      f32: right(before),
      int8: right(after),
      same: after.filter((values, i) => best(values) === best(before[i])).length,
      logitsDb: decibels(before, after),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

for (const name of wanted) {
  const network = quantizationNetworks[name];
  if (folds && network.data === 'cifar10') continue;
  const counts = [];
  for (let first = 0; first < Math.max(1, folds); first++) {
    counts.push(await count(network, first));
    if (folds) console.log(name, first, Object.values(counts.at(-1)).join(' '));
  }
  const sum = (key) => counts.reduce((total, one) => total + one[key], 0);
  const row = {
    network: name,
    ...(folds ? { folds } : {}),
    calibrated: counts[0].calibrated,
    counted: sum('counted'),
    f32: sum('f32'),
    int8: sum('int8'),
    same: sum('same'),
    logitsDb: (sum('logitsDb') / counts.length).toFixed(2),
  };
  row.points = ((100 * (row.int8 - row.f32)) / row.counted).toFixed(2);
  const rows = existsSync(new URL(file, resultsFolder)) ? readResults(file).rows : [];
  const place = rows.findIndex((one) => one.network === name);
  if (place < 0) rows.push(row);
  else rows[place] = row;
  saveResults(file, facts, rows);
  console.log(Object.values(row).join(' '));
}
