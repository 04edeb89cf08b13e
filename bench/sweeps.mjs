/**
 * GhostNet 1.0x over threads, batches 1 to 64 (throughput) and image sizes 96 to 512, beside onnxruntime. Threads come first,
 * and each runtime against itself: the threads of another wait in loops on the same cores. Needs the build. Saves bench/results/sweeps-node<major>.csv.
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
function network(inputSize) {
  const graph = createModel('ghostnet-1.0x', { inputSize });
  return [graph, initializeWeights(graph, 1)];
}

function keep(sweep, value, runtime, { inputSize = 224, batch = 1, threads = 1 }, { medianMs, p90Ms }) {
  const imagesPerSecond = ((1000 * batch) / medianMs).toFixed(1);
  rows.push({ sweep, value, runtime, inputSize, batch, threads, medianMs, p90Ms, imagesPerSecond });
}

async function measureThreads() {
  const model = network(224);
  const counts = Array.from({ length: availableParallelism() }, (_, i) => i + 1);
  const own = {};
  for (const threads of counts) own[threads] = await ownRunner(...model, { threads });
  const timings = await contest(own, rounds);
  for (const threads of counts) keep('threads', threads, 'ghostnet', { threads }, timings[threads]);
  for (const threads of counts) {
    const loader = loaders.get(onnxruntimeNode);
    const runner = await peerRunner(onnxruntimeNode, loader, ...model, { threads });
    keep('threads', threads, onnxruntimeNode.name, { threads }, (await contest({ runner }, rounds)).runner);
  }
  console.log(
    'threads',
    Object.fromEntries(rows.map((row) => [`${row.runtime} ${row.value}`, row.medianMs])),
  );
}

async function measure(sweep, value, { inputSize = 224, batch = 1 }) {
  const model = network(inputSize);
  const runners = { ghostnet: await ownRunner(...model, { batch }) };
  for (const peer of peers)
    runners[peer.name] = await peerRunner(peer, loaders.get(peer), ...model, { batch });
  const timings = await contest(runners, rounds);
  for (const [runtime, timing] of Object.entries(timings))
    keep(sweep, value, runtime, { inputSize, batch }, timing);
  console.log(
    sweep,
    value,
    Object.fromEntries(Object.entries(timings).map(([name, { medianMs }]) => [name, medianMs])),
  );
}

await measureThreads();
for (const batch of [1, 2, 4, 8, 16, 32, 64]) await measure('batch', batch, { batch });
for (const inputSize of [96, 128, 160, 192, 224, 256, 320, 384, 448, 512])
  await measure('size', inputSize, { inputSize });

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
