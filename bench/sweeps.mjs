/**
 * GhostNet 1.0x over batches 1 to 64 (throughput), image sizes 96 to 512, and threads, beside onnxruntime. Needs the
 * build. Saves bench/results/sweeps-node<major>.csv.
 *
 *     node bench/sweeps.mjs [--rounds 5]
 */
import { availableParallelism, homedir } from 'node:os';
import { onnxruntimeNode, onnxruntimeWeb } from '../dist/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { createModel, initializeWeights } from '../dist/index.js';
import { contest, ownRunner, peerRunner } from './lib/contest.mjs';
import { numberOption, saveResults, thisMachine } from './lib/results.mjs';

const rounds = numberOption('--rounds', 5);
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const peers = [onnxruntimeWeb, onnxruntimeNode];
const loaders = new Map();
for (const peer of peers) loaders.set(peer, await installPeer(peer, cache, console.error));

const rows = [];
async function measure(sweep, value, { inputSize = 224, batch = 1, threads = 1 }, others = peers) {
  const graph = createModel('ghostnet-1.0x', { inputSize });
  const weights = initializeWeights(graph, 1);
  const runners = { ghostnet: await ownRunner(graph, weights, { batch, threads }) };
  for (const peer of others)
    runners[peer.name] = await peerRunner(peer, loaders.get(peer), graph, weights, { batch, threads });
  const timings = await contest(runners, rounds);
  for (const [runtime, { medianMs, p90Ms }] of Object.entries(timings)) {
    const imagesPerSecond = ((1000 * batch) / medianMs).toFixed(1);
    rows.push({ sweep, value, runtime, inputSize, batch, threads, medianMs, p90Ms, imagesPerSecond });
  }
  console.log(
    sweep,
    value,
    Object.fromEntries(Object.entries(timings).map(([name, { medianMs }]) => [name, medianMs])),
  );
}

for (const batch of [1, 2, 4, 8, 16, 32, 64]) await measure('batch', batch, { batch });
for (const inputSize of [96, 128, 160, 192, 224, 256, 320, 384, 448, 512])
  await measure('size', inputSize, { inputSize });
for (let threads = 1; threads <= availableParallelism(); threads++)
  await measure('threads', threads, { threads }, [onnxruntimeNode]);

const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers: 'onnxruntime-web and onnxruntime-node 1.30.0',
  rounds,
  command: `node bench/sweeps.mjs --rounds ${rounds}`,
};
saveResults(`sweeps-node${process.versions.node.split('.')[0]}.csv`, facts, rows);
process.exit(0);
