/**
 * Whole networks beside their peers, in one process, in turns; and the question that this package exists for: does the
 * time of a Ghost chain follow its FLOPs? Needs the build. Saves bench/results/networks-node<major>.json.
 *
 *     node bench/networks.mjs [--rounds 20]
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { benchInput, machine } from '../dist/cli/bench.js';
import { measure } from '../dist/cli/measure.js';
import { peers } from '../dist/cli/peers/index.js';
import { installPeer } from '../dist/cli/peers/peer.js';
import {
  createModel,
  createNetwork,
  foldBatchNorm,
  GraphBuilder,
  ghostModule,
  initializeWeights,
  profile,
} from '../dist/index.js';
import { exportOnnx } from '../dist/node.js';

const at = process.argv.indexOf('--rounds');
const rounds = at < 0 ? 20 : Number(process.argv[at + 1]);
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;

const loaders = new Map();
async function peerRunner(name, graph, weights, threads, onnxOptions = {}) {
  const peer = peers.find((known) => known.name === name);
  if (!loaders.has(name)) loaders.set(name, await installPeer(peer, cache, console.error));
  const folded = foldBatchNorm(graph, weights);
  const inputShape = [1, ...graph.nodes[0].shape];
  const onnx = exportOnnx(folded.graph, folded.weights, { batch: 1, ...onnxOptions });
  const runner = await peer.create(loaders.get(name), { onnx, inputShape, threads });
  const input = benchInput(inputShape);
  return { run: () => runner.run(input), dispose: () => runner.dispose() };
}

async function ownRunner(graph, weights, threads) {
  const network = await createNetwork(graph, weights, { threads });
  const input = benchInput(graph.nodes[0].shape);
  return { run: () => network.run(input), dispose: () => network.dispose() };
}

/** Times named runners in turns; they are warmed up first and disposed after. */
async function compare(runners) {
  const names = Object.keys(runners);
  const list = Object.values(runners);
  for (const { run } of list) {
    const start = performance.now();
    for (let i = 0; i < 25 && (i < 3 || performance.now() - start < 700); i++) await run();
  }
  const timings = await measure(list, { rounds, sliceMs: 100 });
  for (const { dispose } of list) await dispose();
  return Object.fromEntries(names.map((name, i) => [name, Number(timings[i].medianMs.toFixed(4))]));
}

/** Eight chained C to C modules at HxH: 1x1 convolution and ReLU, or Ghost modules with s=2, d=3. */
function chain(channels, size, ratio) {
  const g = new GraphBuilder(`chain-${channels}@${size}-s${ratio}`);
  let x = g.input('input', [channels, size, size]);
  for (let i = 0; i < 8; i++)
    x = ghostModule(g, `m${i}`, x, { outChannels: channels, ratio, bias: true, batchNorm: false });
  return g.build([x]);
}

const results = {
  machine: machine(),
  command: `node bench/networks.mjs --rounds ${rounds}`,
  rounds,
  networks: [],
  chains: [],
};
for (const name of ['ghostnet-1.0x', 'ghostnet-0.5x', 'ghostnet-1.3x', 'resnet50', 'ghost-resnet50-s2']) {
  const graph = createModel(name);
  const weights = initializeWeights(graph, 1);
  const runners = {
    'ghostnet, 1 thread': await ownRunner(graph, weights, 1),
    'ghostnet, 2 threads': await ownRunner(graph, weights, 2),
    'onnxruntime-web, 1 thread': await peerRunner('onnxruntime-web', graph, weights, 1),
    'onnxruntime-node, 1 thread': await peerRunner('onnxruntime-node', graph, weights, 1),
  };
  if (name === 'ghostnet-1.0x')
    runners['onnxruntime-node with redundant Slice, 1 thread'] = await peerRunner(
      'onnxruntime-node',
      graph,
      weights,
      1,
      {
        redundantSlices: true,
      },
    );
  const medianMs = await compare(runners);
  results.networks.push({ name, macs: profile(graph).macs, medianMs });
  console.log(name, medianMs);
}
for (const [channels, size] of [
  [32, 112],
  [64, 56],
  [128, 28],
  [256, 14],
  [512, 7],
]) {
  const [plain, ghost] = [chain(channels, size, 1), chain(channels, size, 2)];
  const [plainWeights, ghostWeights] = [initializeWeights(plain, 1), initializeWeights(ghost, 1)];
  const medianMs = await compare({
    plain: await ownRunner(plain, plainWeights, 1),
    ghost: await ownRunner(ghost, ghostWeights, 1),
    'onnxruntime-web plain': await peerRunner('onnxruntime-web', plain, plainWeights, 1),
    'onnxruntime-web ghost': await peerRunner('onnxruntime-web', ghost, ghostWeights, 1),
  });
  const flopRatio = profile(ghost).macs / profile(plain).macs;
  const row = {
    channels,
    size,
    flopRatio: Number(flopRatio.toFixed(4)),
    timeRatio: Number((medianMs.ghost / medianMs.plain).toFixed(4)),
    onnxruntimeWebTimeRatio: Number(
      (medianMs['onnxruntime-web ghost'] / medianMs['onnxruntime-web plain']).toFixed(4),
    ),
    medianMs,
  };
  results.chains.push(row);
  console.log(row);
}

const folder = fileURLToPath(new URL('results/', import.meta.url));
mkdirSync(folder, { recursive: true });
const path = `${folder}networks-node${process.versions.node.split('.')[0]}.json`;
writeFileSync(`${path}.tmp`, `${JSON.stringify(results, null, 2)}\n`);
renameSync(`${path}.tmp`, path);
console.log(`saved ${path}`);
process.exit(0);
