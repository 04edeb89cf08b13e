/**
 * The question that this package exists for: does the time of a Ghost chain follow its FLOPs? Eight chained C to C
 * modules, 1x1 convolution and ReLU against Ghost modules with s=2, d=3, here and in onnxruntime-web. Also what the
 * Slice after every Ghost module, which PyTorch's export of the official code has, costs onnxruntime-node. Saves
 * bench/results/chains-node<major>.csv and slice-node<major>.csv.
 *
 *     node bench/chains.mjs [--rounds 9]
 */
import { homedir } from 'node:os';
import { onnxruntimeNode, onnxruntimeWeb } from '../dist/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { createModel, GraphBuilder, ghostModule, initializeWeights, profile } from '../dist/index.js';
import { contest, ownRunner, peerRunner } from './lib/contest.mjs';
import { numberOption, saveResults, thisMachine } from './lib/results.mjs';

const rounds = numberOption('--rounds', 9);
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const [web, native] = [
  await installPeer(onnxruntimeWeb, cache, console.error),
  await installPeer(onnxruntimeNode, cache, console.error),
];
const major = process.versions.node.split('.')[0];
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers: 'onnxruntime-web and onnxruntime-node 1.30.0',
  rounds,
  command: `node bench/chains.mjs --rounds ${rounds}`,
};

function chain(channels, size, ratio) {
  const g = new GraphBuilder(`chain-${channels}@${size}-s${ratio}`);
  let x = g.input('input', [channels, size, size]);
  for (let i = 0; i < 8; i++)
    x = ghostModule(g, `m${i}`, x, { outChannels: channels, ratio, bias: true, batchNorm: false });
  return g.build([x]);
}

const rows = [];
for (const [channels, size] of [
  [32, 112],
  [64, 56],
  [128, 28],
  [256, 14],
  [512, 7],
]) {
  const times = {};
  for (const [name, make] of [
    ['ghostnet', (graph, weights) => ownRunner(graph, weights)],
    ['onnxruntime-web', (graph, weights) => peerRunner(onnxruntimeWeb, web, graph, weights)],
  ]) {
    // the two chains answer differently, so each is a contest of its own kind: no answers are compared
    const [plain, ghost] = [chain(channels, size, 1), chain(channels, size, 2)];
    times[name] = {
      plain: await make(plain, initializeWeights(plain, 1)),
      ghost: await make(ghost, initializeWeights(ghost, 1)),
    };
  }
  const timings = await contest(
    {
      'ghostnet plain': times.ghostnet.plain,
      'ghostnet ghost': times.ghostnet.ghost,
      'onnxruntime-web plain': times['onnxruntime-web'].plain,
      'onnxruntime-web ghost': times['onnxruntime-web'].ghost,
    },
    rounds,
    { compare: false },
  );
  const flopRatio = profile(chain(channels, size, 2)).macs / profile(chain(channels, size, 1)).macs;
  for (const runtime of ['ghostnet', 'onnxruntime-web']) {
    const plainMs = timings[`${runtime} plain`].medianMs;
    const ghostMs = timings[`${runtime} ghost`].medianMs;
    const timeRatio = (ghostMs / plainMs).toFixed(4);
    rows.push({ channels, size, runtime, flopRatio: flopRatio.toFixed(4), timeRatio, plainMs, ghostMs });
    console.log(rows.at(-1));
  }
}
saveResults(`chains-node${major}.csv`, facts, rows);

const graph = createModel('ghostnet-1.0x');
const weights = initializeWeights(graph, 1);
const slices = await contest(
  {
    plain: await peerRunner(onnxruntimeNode, native, graph, weights),
    slice: await peerRunner(onnxruntimeNode, native, graph, weights, { onnx: { redundantSlices: true } }),
  },
  rounds,
);
saveResults(
  `slice-node${major}.csv`,
  facts,
  Object.entries(slices).map(([file, timing]) => ({
    network: 'ghostnet-1.0x',
    runtime: 'onnxruntime-node',
    file,
    ...timing,
  })),
);
process.exit(0);
