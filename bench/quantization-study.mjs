/**
 * What int8 does to trained networks. For each Ghost module: the ranges of its intrinsic and ghost maps and the noise of
 * storing either half in one range for both, a range each, or equalised channels. Then the ablation: how many answers
 * are right, how many are still the float network's, and the noise of the logits, for ways to choose ranges and biases.
 * Saves bench/results/quantization-modules.csv and, row by row, quantization-ablation.csv: interrupted, it goes on where it was.
 * Needs the build and the data (lib/quantization-data.mjs).
 *
 *     node bench/quantization-study.mjs [--cifar folder] [--networks a,b] [--pictures 10000] [--calibration-pictures 128]
 */
import { existsSync } from 'node:fs';
import { createNetwork, createQuantizedNetwork } from '../dist/index.js';
import { int8Operations, operationsOf } from '../dist/passes/quantize/operations.js';
import { prepareQuantization, quantizePrepared } from '../dist/passes/quantize/quantize.js';
import { signalToNoise } from '../dist/passes/quantize/ranges.js';
import { observe, quantizeObserved } from '../dist/quantize-network.js';
import { best, decibels, logitsOf } from './lib/logits.mjs';
import { loadQuantizationNetwork, presentNetworks } from './lib/quantization-data.mjs';
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
const most = numberOption('--pictures', Number.POSITIVE_INFINITY);
const calibrating = numberOption('--calibration-pictures', 128);
const files = { modules: 'quantization-modules.csv', ablation: 'quantization-ablation.csv' };

/** By the name in the results: options of `quantizeObserved`. */
const plain = { ranges: 'minmax', rounding: 'nearest' };
const variants = {
  'equalised, tail, least squares, biases': {
    granularity: 'equalised',
    ranges: 'tail',
    rounding: 'least-squares',
  },
  'equalised, tail, biases': { granularity: 'equalised', ranges: 'tail', rounding: 'nearest' },
  'equalised, biases': { ...plain, granularity: 'equalised' },
  'halves, mse, biases': { ...plain, granularity: 'half', ranges: 'mse' },
  'one range': { ...plain, granularity: 'tensor', biasCorrection: false },
  'halves, biases': { ...plain, granularity: 'half' },
  'channels, biases': { ...plain, granularity: 'channel' },
  equalised: { ...plain, granularity: 'equalised', biasCorrection: false },
  'one range, biases': { ...plain, granularity: 'tensor' },
  'equalised, mse, biases': { ...plain, granularity: 'equalised', ranges: 'mse' },
};

const facts = {
  ...thisMachine(),
  node: process.versions.node,
  command: `node bench/quantization-study.mjs ${process.argv.slice(2).join(' ')}`
    .trim()
    // where somebody keeps CIFAR-10 is no part of a result
    .replace(/--cifar \S+/, '--cifar <folder>'),
  calibration: `${calibrating} pictures: of CIFAR-10 training, or of COCO for networks of ImageNet`,
};
const saved = (file) => (existsSync(new URL(file, resultsFolder)) ? readResults(file).rows : []);

/** { value, from, to } of either half of a Ghost module of two parts. */
function halvesOf(module, prepared, statistics) {
  const concat = prepared.graph.nodes.find(
    ({ kind, name }) => kind === 'concat' && module.nodes.includes(name),
  );
  const end = operationsOf(int8Operations(prepared.graph)).find(
    ({ root, nodes }) => root.kind === 'ghost' && nodes.includes(concat?.name),
  );
  const whole = (value) => ({ value, from: 0, to: statistics.get(value)?.max.length ?? 0 });
  if (!end) return concat?.inputs.length === 2 ? concat.inputs.map(whole) : undefined;
  const split = end.root.cheap.inChannels;
  return [
    { value: end.output, from: 0, to: split },
    { value: end.output, from: split, to: whole(end.output).to },
  ];
}

/** The greatest magnitude of each channel of a half. */
function channelMaxima(statistics, { value, from, to }) {
  const { min, max } = statistics.get(value);
  return Array.from({ length: to - from }, (_, c) => Math.max(-min[from + c], max[from + c]));
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** A row for each Ghost module. */
function moduleRows(network, prepared, statistics) {
  const ways = Object.entries({ shared: 'tensor', half: 'half', equalised: 'equalised' }).map(
    ([name, granularity]) => [
      name,
      quantizePrepared(prepared, statistics, { granularity, ranges: 'minmax' }),
    ],
  );
  return prepared.graph.ghostModules.flatMap((module) => {
    const halves = halvesOf(module, prepared, statistics);
    if (!halves) return [];
    const row = { network, module: module.name };
    const all = halves.map((half) => channelMaxima(statistics, half));
    const joint = Math.max(...all.flat());
    ['intrinsic', 'ghost'].forEach((half, i) => {
      const largest = Math.max(...all[i]);
      row[`${half}Max`] = largest.toPrecision(4);
      // what the half, and its median channel, use of the range that both share
      row[`${half}Share`] = (largest / joint).toFixed(3);
      row[`${half}ChannelShare`] = (median(all[i]) / joint).toFixed(3);
      for (const [way, { network: quantized }] of ways) {
        const { value, from, to } = halves[i];
        const noise = signalToNoise(statistics.get(value), quantized.values.get(value), from, to);
        row[`${half}Db${way[0].toUpperCase()}${way.slice(1)}`] = noise.toFixed(2);
      }
    });
    return [row];
  });
}

for (const name of wanted) {
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(0)} s`;
  const given = await loadQuantizationNetwork(name, { cifar, most, calibrating });
  // softmax hides how far logits moved
  const { graph, weights, calibration, evaluation } = { ...given, ...withoutSoftmax(given) };
  const [output] = graph.outputs;
  const prepared = prepareQuantization(graph, weights);
  const observation = await observe(prepared, { calibration });
  const statistics = observation.statistics();
  const modules = moduleRows(name, prepared, statistics);
  if (modules.length > 0) {
    const others = saved(files.modules).filter(({ network }) => network !== name);
    saveResults(files.modules, facts, [...others, ...modules]);
  }
  const rows = saved(files.ablation);
  const todo = Object.keys(variants).filter(
    (variant) => !rows.some((row) => row.network === name && row.variant === variant),
  );
  if (todo.length === 0) continue;
  const float = await logitsOf(await createNetwork(graph, weights), evaluation, output);
  const answers = float.map(best);
  const add = (variant, got) => {
    const found = got.map(best);
    rows.push({
      network: name,
      variant,
      pictures: found.length,
      correct: found.filter((answer, i) => answer === evaluation.label(i)).length,
      same: found.filter((answer, i) => answer === answers[i]).length,
      logitsDb: got === float ? '' : decibels(float, got).toFixed(2),
    });
    saveResults(files.ablation, facts, rows);
    console.log(Object.values(rows.at(-1)).join(' '), seconds());
  };
  if (!rows.some((row) => row.network === name && row.variant === 'f32')) add('f32', float);
  for (const variant of todo) {
    const { network } = await quantizeObserved(prepared, observation, variants[variant]);
    add(variant, await logitsOf(await createQuantizedNetwork(network), evaluation, output));
  }
}

/** The graph that ends before its softmax. */
function withoutSoftmax({ graph }) {
  const last = graph.nodes.find(({ name }) => name === graph.outputs[0]);
  if (last.kind !== 'softmax') return { graph };
  return {
    graph: {
      ...graph,
      nodes: graph.nodes.filter((node) => node !== last),
      outputs: [last.inputs[0]],
    },
  };
}
