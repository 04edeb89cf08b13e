/**
 * Keeps a finished run in models/runs: settings, metrics, numbers, log, and the report without its pictures (they are
 * the data set's, not ours to give). Then renders the table of runs.
 *
 *   node scripts/keep-run.mjs <run folder> <name> [--log FILE] [--settings FILE] [--weights FILE] [--after NAME]
 *
 * --settings   the configuration file that the command names
 * --weights    the model that came out, when it is not the package's own (models/*.safetensors)
 * --after      the kept run whose weights this one started from, as they were or ghostified; it stands in the place of their path
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const string = { type: 'string' };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { log: string, settings: string, weights: string, after: string },
});
const [run, name] = positionals;
if (!run || !name) {
  console.error(
    'usage: node scripts/keep-run.mjs <run folder> <name> [--log F] [--settings F] [--weights F] [--after NAME]',
  );
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const kept = join(root, 'models/runs', name);
const { config } = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
mkdirSync(kept, { recursive: true });

/** Copies a text; the path of the weights that the run started from gives way to the run that made them. */
function keep(from, to, change = (text) => text) {
  const text = change(readFileSync(from, 'utf8'));
  const named = values.after
    ? text.replaceAll(config.network, `${values.after}/${basename(config.network)}`)
    : text;
  writeFileSync(join(kept, to), named);
}
function withoutPictures(report) {
  const [from, to] = ['<h2>Worst pictures</h2>', '<h2>Configuration</h2>'].map((mark) =>
    report.indexOf(mark),
  );
  const without = from < 0 ? report : report.slice(0, from) + report.slice(to);
  if (without.includes('data:image')) throw new Error(`${run}: the report still holds pictures`);
  return without;
}
for (const file of ['config.json', 'metrics.csv', 'evaluation.json']) keep(join(run, file), file);
keep(join(run, 'report.html'), 'report.html', withoutPictures);
if (values.log) keep(values.log, 'log.txt');
if (values.settings) keep(values.settings, 'settings.yaml');
if (values.weights) {
  const { size } = statSync(values.weights);
  if (size > 1_500_000) throw new Error(`${values.weights}: ${size} bytes; at most 1,500,000 are kept`);
  copyFileSync(values.weights, join(kept, 'weights.safetensors'));
}
for (const args of [
  [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'format', '--write', kept],
  [join(root, 'scripts/render-runs.mjs')],
]) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
