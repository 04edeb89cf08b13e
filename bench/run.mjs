/**
 * `npm run bench`: the whole table of docs/benchmarks.md, one measurement after the other, on this Node, on a newer one
 * and in Chromium, then the document. Takes about twenty minutes on a machine that does nothing else. A part of it, each with
 * `--help`: node bench/networks.mjs, threads.mjs, chains.mjs, footprint.mjs, shipped.mjs, sweeps.mjs, chromium.mjs, training.mjs.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findNewerNode } from '../scripts/newer-node.mjs';
import './lib/options.mjs';

const run = (program, script, ...options) => {
  console.log(`\n== ${script} (${program})`);
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status } = spawnSync(program, [path, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};
const newer = findNewerNode();
if (!newer.path) console.warn(`only this Node: ${newer.reason}`);
for (const program of [process.execPath, newer.path].filter(Boolean))
  for (const script of ['threads.mjs', 'networks.mjs', 'chains.mjs', 'footprint.mjs', 'shipped.mjs'])
    run(program, script);
run(newer.path ?? process.execPath, 'sweeps.mjs');
run(process.execPath, 'chromium.mjs');
for (const program of [process.execPath, newer.path].filter(Boolean)) run(program, 'training.mjs');
run(newer.path ?? process.execPath, 'training.mjs', '--web');
run(process.execPath, '../scripts/render-benchmarks.mjs');
run(process.execPath, '../scripts/render-training.mjs');
