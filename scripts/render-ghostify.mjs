/** Puts the tables of docs/ghostify.md in from bench/results: between <!-- name --> and <!-- /name -->. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const read = (path) => readFileSync(new URL(path, root), 'utf8');
const grouped = (value) => Number(value).toLocaleString('en-US');

function speedTable() {
  const [about, , ...rows] = read('bench/results/ghostify-speed-node24.csv').trim().split('\n');
  const lines = rows.map((row) => {
    const [network, s, macs, ghostMacs, ratio, ms, ghostMs, gain, , straightGain, kept] = row.split(',');
    const share = `${(100 * (gain / ratio - 1)).toFixed(1)} %`;
    return `| ${network} | ${s} | ${grouped(macs)} | ${grouped(ghostMacs)} | ${ratio} | ${ms} | ${ghostMs} | ${gain} | ${share} | ${straightGain} | ${kept} |`;
  });
  return `| network | s | MACs | then | ratio | ms | then | speed-up | against MACs | speed-up, unpermuted | permutations left |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
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

const tables = { speed: speedTable };
if (existsSync(new URL('bench/results/ghostify-cifar10.json', root))) tables.cifar10 = cifarTable;
let text = read('docs/ghostify.md');
for (const [name, table] of Object.entries(tables)) {
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*(<!-- /${name} -->)`);
  if (!between.test(text)) throw new Error(`docs/ghostify.md has no place for the table "${name}"`);
  text = text.replace(between, (_, open, close) => `${open}${table()}\n${close}`);
}
writeFileSync(new URL('docs/ghostify.md', root), text);
