/**
 * How long the networks that bench/compression.mjs kept take here, in turns with the original: does time follow MACs?
 * Ghostified networks are timed in onnxruntime too. One thread, batch 1. Saves bench/results/compression-times.csv.
 *
 *     node bench/compression-times.mjs [--rounds 5] [--networks a,b] [--peers onnxruntime-node,onnxruntime-web]
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { peers } from '../dist/cli/measure/peers/index.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { profile } from '../dist/index.js';
import { readModelFile, readQuantizedFile } from '../dist/node.js';
import { contest, ownRunner, peerRunner } from './lib/contest.mjs';
import {
  listOption,
  numberOption,
  readResults,
  resultsFolder,
  saveResults,
  thisMachine,
} from './lib/results.mjs';

const csv = 'compression-times.csv';
const rounds = numberOption('--rounds', 5);
const folder = fileURLToPath(new URL('../.cache/compression/', import.meta.url));
const wanted = listOption('--networks');
const loads = new Map();
for (const name of listOption('--peers') ?? ['onnxruntime-node', 'onnxruntime-web']) {
  const peer = peers.find((known) => known.name === name);
  loads.set(
    peer,
    await installPeer(peer, process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`, console.error),
  );
}

/** { method, ratio, path } of every kept file, by network. */
const kept = new Map();
for (const file of readdirSync(folder)) {
  const [, network, method, ratio] = /^(\S+) (\S+) ([\d.]+)\.safetensors$/.exec(file) ?? [];
  if (!network || (wanted && !wanted.includes(network))) continue;
  kept.set(network, [
    ...(kept.get(network) ?? []),
    { method, ratio: Number(ratio), path: `${folder}${file}` },
  ]);
}

/** Rows of networks that are not kept here stay; so does what was measured of others, until it is measured anew. */
const rows = existsSync(new URL(csv, resultsFolder))
  ? readResults(csv).rows.map((row) => ({ ...row, leastMs: row.leastMs ?? '' }))
  : [];
const same = (a, b) => ['network', 'method', 'ratio', 'runtime'].every((key) => a[key] === b[key]);
function put(row) {
  const at = rows.findIndex((known) => same(known, row));
  if (at < 0) rows.push(row);
  else rows[at] = row;
}
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  command: 'node bench/compression-times.mjs',
  rounds,
};
for (const [network, files] of kept) {
  const runners = {};
  const about = {};
  for (const { method, ratio, path } of files) {
    const quantized = method === 'int8' ? await readQuantizedFile(path) : undefined;
    const { graph, weights } = quantized ?? (await readModelFile(path));
    const add = (runtime, runner) => {
      const key = `${runtime} ${method} ${ratio}`;
      runners[key] = runner;
      about[key] = { network, method, ratio, runtime, macs: profile(graph).macs };
    };
    add('ghostnet', await ownRunner(graph, weights, quantized ? { quantized } : {}));
    if (method !== 'original' && method !== 'ghost') continue;
    for (const [peer, load] of loads) add(peer.name, await peerRunner(peer, load, graph, weights));
  }
  // the answers differ: these are different networks
  const timings = await contest(runners, rounds, { compare: false });
  for (const [key, { medianMs, p90Ms, leastMs }] of Object.entries(timings))
    put({ ...about[key], medianMs, p90Ms, leastMs });
  saveResults(csv, facts, rows);
}
process.exit(0);
