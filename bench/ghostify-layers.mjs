/**
 * Where a ghostified network's time goes, and where more of it than its multiply-accumulates say: every compiled step of the
 * network, of its ghost and of the ghost with unpermuted channels is timed, and the steps summed by kind of layer.
 *
 *   npm run build && node bench/ghostify-layers.mjs [network=mobilenet_v2] [rounds=40]
 *
 * Writes bench/results/ghostify-layers.csv. A step's time is the least of the rounds.
 */
import { profile } from '../dist/analysis/profile.js';
import { measureLayers } from '../dist/cli/commands/profile/measure-layers.js';
import { initializeWeights } from '../dist/models/initialize.js';
import { createModel } from '../dist/models/registry.js';
import { ghostify, ghostifyTrained } from '../dist/passes/ghostify/ghostify.js';
import { saveResults, thisMachine } from './lib/results.mjs';

const [name = 'mobilenet_v2', roundsText = '40'] = process.argv.slice(2);
const graph = createModel(name);
const weights = initializeWeights(graph, 1);
const options = { ratio: 2, selection: 'norm' };
const fitted = await ghostifyTrained(graph, weights, options);
const unpermuted = ghostify(graph, options).graph;
const forms = [
  ['original', graph, weights],
  ['ghost', fitted.graph, fitted.weights],
  ['unpermuted', unpermuted, initializeWeights(unpermuted, 1)],
];

function kindOf(node, cheap) {
  if (node.kind !== 'conv2d') return node.kind;
  if (node.groups === 1) return `${node.kernel.join('x')} convolution`;
  return cheap.has(node.name) ? 'cheap operation' : 'depthwise convolution';
}

const rows = [];
for (const [form, one, values] of forms) {
  const { layers, layoutMs } = await measureLayers(one, values, { rounds: Number(roundsText) });
  const macs = new Map(profile(one).layers.map((layer) => [layer.name, layer.macs]));
  const nodes = new Map(one.nodes.map((node) => [node.name, node]));
  const cheap = new Set(one.ghostModules.flatMap((module) => module.nodes));
  const sums = new Map([['copies and permutations', { macs: 0, ms: layoutMs }]]);
  for (const [layer, ms] of layers) {
    const node = nodes.get(layer);
    const kind = node.kind === 'permuteChannels' ? 'copies and permutations' : kindOf(node, cheap);
    const sum = sums.get(kind) ?? { macs: 0, ms: 0 };
    sums.set(kind, { macs: sum.macs + (macs.get(layer) ?? 0), ms: sum.ms + ms });
  }
  for (const [kind, sum] of sums)
    rows.push({ network: name, form, kind, macs: sum.macs, ms: Number(sum.ms.toFixed(4)) });
}
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  command: `node bench/ghostify-layers.mjs ${name} ${roundsText}`,
};
saveResults('ghostify-layers.csv', facts, rows);
for (const row of rows) console.log(Object.values(row).join(' '));
