/**
 * Whether time follows multiply-accumulates when a network is ghostified: the network, its ghost with the channels in the
 * order of the fitted wiring, and the same ghost with the channels as they come (no permutation anywhere), in turns; then
 * the first two again with all convolutions in the direct form, without Winograd's scheme.
 *
 *   npm run build && node bench/ghostify-speed.mjs [rounds=15]
 *
 * Writes bench/results/ghostify-speed-node<major>.csv.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { profile } from '../dist/analysis/profile.js';
import { measure } from '../dist/cli/measure/measure.js';
import { createNetwork } from '../dist/create-network.js';
import { initializeWeights } from '../dist/models/initialize.js';
import { createModel } from '../dist/models/registry.js';
import { ghostify, ghostifyTrained } from '../dist/passes/ghostify/ghostify.js';

const rounds = Number(process.argv[2] ?? 15);
const cases = [
  ['vgg16-cifar', 2],
  ['vgg16-cifar', 4],
  ['resnet20-cifar', 2],
  ['resnet56-cifar', 2],
  ['mobilenet_v2', 2],
  ['resnet50', 2],
];
const rows = [];
for (const [name, ratio] of cases) {
  const graph = createModel(name);
  const weights = initializeWeights(graph, 1);
  const options = { ratio, selection: graph.nodes.length > 150 ? 'norm' : 'grouping' };
  const fitted = await ghostifyTrained(graph, weights, options);
  const plain = ghostify(graph, options).graph;
  const networks = [];
  for (const [one, values, how] of [
    [graph, weights],
    [fitted.graph, fitted.weights],
    [plain, initializeWeights(plain, 1)],
    [graph, weights, { winograd: false }],
    [fitted.graph, fitted.weights, { winograd: false }],
  ]) {
    const network = await createNetwork(one, values, how);
    await network.warmUp();
    network.inputView().fill(0.3);
    networks.push(network);
  }
  const times = await measure(
    networks.map((network) => ({ run: () => network.execute() })),
    { rounds, sliceMs: 40 },
  );
  const [old, ghost, straight, oldDirect, ghostDirect] = times.map(({ medianMs }) => medianMs);
  const [before, after] = [profile(graph).macs, profile(fitted.graph).macs];
  const kept = fitted.graph.nodes.filter((node) => node.kind === 'permuteChannels').length;
  rows.push(
    [
      ...[name, ratio, before, after, (before / after).toFixed(3)],
      ...[old.toFixed(4), ghost.toFixed(4), (old / ghost).toFixed(3)],
      ...[straight.toFixed(4), (old / straight).toFixed(3), kept],
      ...[oldDirect.toFixed(4), ghostDirect.toFixed(4), (oldDirect / ghostDirect).toFixed(3)],
    ].join(','),
  );
  console.log(rows.at(-1));
  for (const network of networks) network.dispose();
}
const major = process.versions.node.split('.')[0];
writeFileSync(
  new URL(`results/ghostify-speed-node${major}.csv`, import.meta.url),
  [
    `# ${cpus()[0]?.model}, node ${process.version}, 1 thread, node bench/ghostify-speed.mjs ${rounds}`,
    'network,s,macs,ghostMacs,macsRatio,ms,ghostMs,speedUp,ghostMsUnpermuted,speedUpUnpermuted,permutationsLeft,msDirect,ghostMsDirect,speedUpDirect',
    ...rows,
    '',
  ].join('\n'),
);
