/**
 * GhostNet 1.0x over batches 1 to 64 (throughput) and image sizes 96 to 512, one thread, beside onnxruntime. Threads are not
 * swept here: those of another runtime wait in loops on the same cores (threads.mjs, chromium.mjs). Needs the build. Saves
 * bench/results/sweeps-node<major>.csv; a call for one sweep replaces its rows and keeps the others.
 *
 *     node bench/sweeps.mjs [--rounds 5] [--only batch,size]
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { onnxruntimeNode, onnxruntimeWeb } from '../dist/cli/measure/peers/onnxruntime.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { createModel, initializeWeights } from '../dist/index.js';
import { contest, ownRunner, peerRunner } from './lib/contest.mjs';
import {
  listOption,
  numberOption,
  readResults,
  resultsFolder,
  saveResults,
  thisMachine,
} from './lib/results.mjs';

const sweeps = ['batch', 'size'];
const rounds = numberOption('--rounds', 5);
const wanted = listOption('--only', sweeps) ?? sweeps;
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const peers = [onnxruntimeWeb, onnxruntimeNode];
const loaders = new Map();
for (const peer of peers) loaders.set(peer, await installPeer(peer, cache, console.error));

const rows = [];
async function measure(sweep, value, { inputSize = 224, batch = 1 }) {
  const graph = createModel('ghostnet-1.0x', { inputSize });
  const weights = initializeWeights(graph, 1);
  const runners = { ghostnet: await ownRunner(graph, weights, { batch }) };
  for (const peer of peers)
    runners[peer.name] = await peerRunner(peer, loaders.get(peer), graph, weights, { batch });
  const timings = await contest(runners, rounds);
  for (const [runtime, { medianMs, p90Ms }] of Object.entries(timings)) {
    const imagesPerSecond = ((1000 * batch) / medianMs).toFixed(1);
    rows.push({ sweep, value, runtime, inputSize, batch, threads: 1, medianMs, p90Ms, imagesPerSecond });
  }
  console.log(
    sweep,
    value,
    Object.fromEntries(Object.entries(timings).map(([name, { medianMs }]) => [name, medianMs])),
  );
}

if (wanted.includes('batch'))
  for (const batch of [1, 2, 4, 8, 16, 32, 64]) await measure('batch', batch, { batch });
if (wanted.includes('size'))
  for (const inputSize of [96, 128, 160, 192, 224, 256, 320, 384, 448, 512])
    await measure('size', inputSize, { inputSize });

const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers: 'onnxruntime-web and onnxruntime-node 1.30.0',
  rounds,
  command: `node bench/sweeps.mjs --rounds ${rounds}${wanted.length < sweeps.length ? ` --only ${wanted}` : ''}`,
};
const file = `sweeps-node${process.versions.node.split('.')[0]}.csv`;
const earlier = existsSync(new URL(file, resultsFolder)) ? readResults(file) : undefined;
const kept = earlier?.rows.filter(({ sweep }) => !wanted.includes(sweep)) ?? [];
if (kept.length > 0)
  facts.kept = `${earlier.facts.command}, ${earlier.facts.date}, Node ${earlier.facts.node}`;
saveResults(file, facts, [...rows, ...kept]);
process.exit(0);
