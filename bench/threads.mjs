/**
 * Two threads beside one, in turns, in a process that loads no peer: the engine compiles their megabytes of WebAssembly on
 * the second core for long. Needs the build. Saves bench/results/threads-node<major>.csv.
 *
 *     node bench/threads.mjs [--rounds 15] [--only ghostnet-1.0x]
 */
import { contest, ownRunner } from './lib/contest.mjs';
import { benchNetworks, networkNames } from './lib/networks.mjs';
import { listOption, numberOption, saveResults, thisMachine } from './lib/results.mjs';

const rounds = numberOption('--rounds', 15);
const only = listOption('--only', networkNames);
const rows = [];
for (const [network, graph, weights] of benchNetworks(only)) {
  const timings = await contest(
    { 1: await ownRunner(graph, weights), 2: await ownRunner(graph, weights, { threads: 2 }) },
    rounds,
  );
  for (const threads of [1, 2]) rows.push({ network, runtime: 'ghostnet', threads, ...timings[threads] });
  const [one, two] = [timings[1].medianMs, timings[2].medianMs];
  console.log(`${network}: ${one} ms, with two threads ${two} ms, ${(one / two).toFixed(2)}x`);
}
const facts = {
  ...thisMachine(),
  node: process.versions.node,
  v8: process.versions.v8,
  rounds,
  command: `node bench/threads.mjs --rounds ${rounds}`,
};
if (only) console.log('not saved: only some networks');
else saveResults(`threads-node${process.versions.node.split('.')[0]}.csv`, facts, rows);
process.exit(0);
