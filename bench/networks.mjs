/**
 * Whole networks beside all peers in Node, one process, one thread, in turns; for two threads see threads.mjs. Needs the
 * build. Saves bench/results/networks-node<major>.csv.
 *
 *     node bench/networks.mjs [--rounds 9] [--only ghostnet-1.0x,resnet50]
 */
import { homedir } from 'node:os';
import { peers } from '../dist/cli/measure/peers/index.js';
import { installPeer } from '../dist/cli/measure/peers/peer.js';
import { profile } from '../dist/index.js';
import { contest, ownRunner, peerRunner } from './lib/contest.mjs';
import { benchNetworks, networkNames } from './lib/networks.mjs';
import { listOption, numberOption, saveResults, thisMachine } from './lib/results.mjs';

const rounds = numberOption('--rounds', 9);
const only = listOption('--only', networkNames);
const cache = process.env.GHOSTNET_CACHE ?? `${homedir()}/.cache/ghostnet`;
const loaders = new Map();
for (const peer of peers) loaders.set(peer, await installPeer(peer, cache, console.error));
const rows = [];
for (const [network, graph, weights] of benchNetworks(only)) {
  const runners = { 'ghostnet 1': await ownRunner(graph, weights) };
  for (const [peer, load] of loaders)
    runners[`${peer.name} 1`] = await peerRunner(peer, load, graph, weights);
  const timings = await contest(runners, rounds);
  const macs = profile(graph).macs;
  for (const [key, timing] of Object.entries(timings)) {
    const [runtime, threads] = key.split(' ');
    rows.push({ network, macs, runtime, threads: Number(threads), ...timing });
  }
  console.log(
    network,
    Object.fromEntries(Object.entries(timings).map(([key, { medianMs }]) => [key, medianMs])),
  );
}
const [major] = process.versions.node.split('.');
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  peers: peers.map((peer) => Object.entries(peer.packages)[0].join(' ')).join('; '),
  rounds,
  command: `node bench/networks.mjs --rounds ${rounds}`,
};
if (only) console.log('not saved: only some networks');
else saveResults(`networks-node${major}.csv`, facts, rows);
process.exit(0);
