/**
 * Where a ghostified network's time goes, and where more of it than its multiply-accumulates say: every compiled step of the
 * network, of its ghost and of the ghost with unpermuted channels is timed, and the steps summed by what they compute.
 *
 *   npm run build && node bench/ghostify-layers.mjs [networks=resnet20-cifar,mobilenet_v2] [rounds=40]
 *
 * Writes bench/results/ghostify-layers.csv. A step's time is the least of the rounds. The three steps of Winograd's scheme
 * stand apart; its products have the layer's MACs.
 */
import { createNetwork } from '../dist/create-network.js';
import { initializeWeights } from '../dist/models/initialize.js';
import { createModel } from '../dist/models/registry.js';
import { ghostify, ghostifyTrained } from '../dist/passes/ghostify/ghostify.js';
import { saveResults, thisMachine } from './lib/results.mjs';

const [names = 'resnet20-cifar,mobilenet_v2', roundsText = '40'] = process.argv.slice(2);

const winograd = {
  winogradInput: '3x3 by Winograd: input transform',
  winogradProducts: '3x3 by Winograd: products',
  winogradOutput: '3x3 by Winograd: output transform',
};

/** What a step computes: a Winograd step, the first layer among its nodes, or a change of layout. */
function kindOf(step, nodes, cheap) {
  if (step.kernel in winograd) return winograd[step.kernel];
  const own = step.nodes.map((name) => nodes.get(name)).filter(Boolean);
  const node = own.find(({ kind }) => kind === 'conv2d' || kind === 'linear') ?? own[0];
  if (!node || node.kind === 'input' || node.kind === 'permuteChannels') return 'copies and permutations';
  if (node.kind !== 'conv2d') return node.kind;
  if (node.groups === 1)
    return `${node.kernel.join('x')} convolution${node.stride[0] > 1 ? `, stride ${node.stride[0]}` : ''}`;
  return cheap.has(node.name) ? 'cheap operation' : 'depthwise convolution';
}

const rows = [];
for (const name of names.split(',')) {
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
  for (const [form, one, values] of forms) {
    const network = await createNetwork(one, values, { profile: true });
    await network.warmUp(10);
    const nodes = new Map(one.nodes.map((node) => [node.name, node]));
    // batch norm is folded into the convolution before it, which then bears its name
    for (const node of one.nodes)
      if (node.kind === 'batchNorm') nodes.set(node.name, nodes.get(node.inputs[0]));
    const cheap = new Set(one.ghostModules.flatMap((module) => module.nodes));
    const sums = new Map();
    for (const step of network.profileSteps(Number(roundsText))) {
      const kind = kindOf(step, nodes, cheap);
      const { macs, ms } = sums.get(kind) ?? { macs: 0, ms: 0 };
      sums.set(kind, { macs: macs + step.macs, ms: ms + step.ms });
    }
    network.dispose();
    for (const [kind, { macs, ms }] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1)))
      rows.push({ network: name, form, kind, macs, ms: Number(ms.toFixed(4)) });
  }
}
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  command: `node bench/ghostify-layers.mjs ${names} ${roundsText}`,
};
saveResults('ghostify-layers.csv', facts, rows);
for (const row of rows) console.log(Object.values(row).join(' '));
