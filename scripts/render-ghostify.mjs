/** Puts the tables of docs/ghostify.md in from bench/results: between <!-- name --> and <!-- /name -->. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readResults } from '../bench/lib/results.mjs';

const root = new URL('../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const grouped = (value) => Number(value).toLocaleString('en-US');

function speedTable() {
  const [about, , ...rows] = read('bench/results/ghostify-speed-node24.csv').trim().split('\n');
  const off = (gain, ratio) => `${(100 * (gain / ratio - 1)).toFixed(1)} %`;
  const lines = rows.map((row) => {
    const [network, s, macs, ghostMacs, ratio, ms, ghostMs, gain, , straightGain, kept, ...direct] =
      row.split(',');
    const [directMs, directGhostMs, directGain] = direct;
    const cells = [network, s, grouped(macs), grouped(ghostMacs), ratio, ms, ghostMs, gain, off(gain, ratio)];
    cells.push(off(straightGain, ratio), kept, directMs, directGhostMs, off(directGain, ratio));
    return `| ${cells.join(' | ')} |`;
  });
  return `| network | s | MACs | then | ratio | ms | then | speed-up | against MACs | unpermuted | permutations left | direct, ms | then | against MACs |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${lines.join('\n')}

${about.replace(/^# /, '')}.`;
}

function cifarTable() {
  const { machine, node, command, rows } = JSON.parse(read('bench/results/ghostify-cifar10.json'));
  const lines = rows.map(
    ({ what, epochs, accuracy, meanLayerError }) =>
      `| ${what} | ${epochs ?? ''} | ${(100 * accuracy).toFixed(2)} % | ${meanLayerError === undefined ? '' : `${(100 * meanLayerError).toFixed(1)} %`} |`,
  );
  return `| network | epochs | accuracy, 10,000 test pictures | mean layer error |
|---|--:|--:|--:|
${lines.join('\n')}

${machine}, node ${node}: \`${command}\`.`;
}

/** The original, the same ghost network from scratch and the ghostified one, from the kept runs. */
function runsTable() {
  const lines = [
    ['resnet20-cifar10', 'ResNet-20'],
    ['ghost-resnet20-cifar10', 'Ghost-ResNet-20, from scratch'],
    ['ghostified-resnet20-cifar10', 'ResNet-20, ghostified and distilled'],
  ].map(([run, called]) => {
    const result = JSON.parse(read(`models/runs/${run}/evaluation.json`));
    const { config } = JSON.parse(read(`models/runs/${run}/config.json`));
    const held = read(`models/runs/${run}/metrics.csv`).trim().split('\n').slice(1);
    const best = Math.max(...held.map((row) => Number(row.split(',')[6])));
    const cells = [config.epochs, grouped(result.params), grouped(result.macs)];
    const shares = [best, result.top1].map((value) => `${(100 * value).toFixed(2)} %`);
    return `| [${called}](../models/runs/${run}/report.html) | ${[...cells, ...shares].join(' | ')} |`;
  });
  const { facts } = JSON.parse(read('models/runs/ghostified-resnet20-cifar10/config.json'));
  return `| network | epochs | params | MACs | best validation | test |
|---|--:|--:|--:|--:|--:|
${lines.join('\n')}

\`${facts.command}\``;
}

/** Time by kind of step, and how much of the ghost's is more than its MACs at the original's speed. */
function layersTable() {
  const { facts, rows } = readResults('ghostify-layers.csv');
  const networks = [...new Set(rows.map((row) => row.network))];
  const tables = networks.map((name) => layersOf(rows.filter((row) => row.network === name)));
  return `${tables.join('\n\n')}

${facts.cpu}, node v${facts.node}, 1 thread: \`${facts.command}\`.`;
}

function layersOf(rows) {
  const of = (form) => rows.filter((row) => row.form === form);
  const sum = (form, key) => of(form).reduce((all, row) => all + row[key], 0);
  const speed = sum('original', 'macs') / sum('original', 'ms');
  const cell = (row, key) => (row ? (key === 'macs' ? (row.macs / 1e6).toFixed(1) : row.ms.toFixed(3)) : '');
  const more = (macs, ms) => (ms - macs / speed).toFixed(3);
  const lines = [...new Set(rows.map((row) => row.kind))].map((kind) => {
    const [old, ghost, straight] = ['original', 'ghost', 'unpermuted'].map((form) =>
      of(form).find((row) => row.kind === kind),
    );
    const numbers = [cell(old, 'macs'), cell(old, 'ms'), cell(ghost, 'macs'), cell(ghost, 'ms')];
    const excess = ghost ? more(ghost.macs, ghost.ms) : '';
    return `| ${[kind, ...numbers, cell(straight, 'ms'), excess].join(' | ')} |`;
  });
  const totals = ['original', 'ghost'].flatMap((form) => [
    (sum(form, 'macs') / 1e6).toFixed(1),
    sum(form, 'ms').toFixed(3),
  ]);
  const excess = more(sum('ghost', 'macs'), sum('ghost', 'ms'));
  const total = ['all', ...totals, sum('unpermuted', 'ms').toFixed(3), excess].join(' | ');
  return `| ${rows[0].network}, s=2 | M MACs | ms | M MACs, ghost | ms | ms, unpermuted | ms more than MACs say |
|---|--:|--:|--:|--:|--:|--:|
${lines.join('\n')}
| ${total} |`;
}

const tables = { speed: speedTable, runs: runsTable, layers: layersTable };
if (existsSync(new URL('bench/results/ghostify-cifar10.json', root))) tables.cifar10 = cifarTable;
let text = read('docs/ghostify.md');
for (const [name, table] of Object.entries(tables)) {
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*(<!-- /${name} -->)`);
  if (!between.test(text)) throw new Error(`docs/ghostify.md has no place for the table "${name}"`);
  text = text.replace(between, (_, open, close) => `${open}${table()}\n${close}`);
}
writeFileSync(new URL('docs/ghostify.md', root), text);
