/**
 * Keeps a finished run in models/runs: settings, metrics, numbers, log, and the report without its pictures (they are
 * the data set's, not ours to give). Then renders the table of runs.
 *
 *   node scripts/keep-run.mjs <run folder> <name> [log file]
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [run, name, log] = process.argv.slice(2);
if (!run || !name) {
  console.error('usage: node scripts/keep-run.mjs <run folder> <name> [log file]');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const kept = join(root, 'models/runs', name);
mkdirSync(kept, { recursive: true });
for (const file of ['config.json', 'metrics.csv', 'evaluation.json'])
  copyFileSync(join(run, file), join(kept, file));
const report = readFileSync(join(run, 'report.html'), 'utf8');
const [from, to] = ['<h2>Worst pictures</h2>', '<h2>Configuration</h2>'].map((mark) => report.indexOf(mark));
const without = from < 0 ? report : report.slice(0, from) + report.slice(to);
if (without.includes('data:image')) throw new Error(`${run}: the report still holds pictures`);
writeFileSync(join(kept, 'report.html'), without);
if (log) copyFileSync(log, join(kept, 'log.txt'));
for (const args of [
  [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'format', '--write', kept],
  [join(root, 'scripts/render-runs.mjs')],
]) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
