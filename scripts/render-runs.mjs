/**
 * Writes the table of all committed runs into docs/training.md, between its marks, from the files that the runs left
 * in models/runs. A run without evaluation.json is not finished; its row says how far it is.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createModel, profile } from '../dist/index.js';

const root = new URL('../', import.meta.url);
const runs = new URL('models/runs/', root);
const read = (name, file) => readFileSync(new URL(`${name}/${file}`, runs), 'utf8');
const number = (value) => value.toLocaleString('en-US');
const percent = (share) => `${(100 * share).toFixed(2)} %`;
const configOf = (name) => JSON.parse(read(name, 'config.json')).config;

/** The run whose weights a run started from (`best`, `weights` or `ghostified.safetensors` of it). */
const startOf = (network) => /^(.+)\/(?:best|weights|ghostified)\.safetensors$/.exec(network)?.[1];
function networkOf(config) {
  const start = startOf(config.network);
  return start ? networkOf(configOf(start)) : config.network;
}

const rows = readdirSync(runs)
  .filter((name) => existsSync(new URL(`${name}/config.json`, runs)))
  .sort()
  .map((name) => {
    const { config, facts } = JSON.parse(read(name, 'config.json'));
    const history = read(name, 'metrics.csv')
      .trim()
      .split('\n')
      .slice(1)
      .map((row) => row.split(','));
    const done = existsSync(new URL(`${name}/evaluation.json`, runs));
    const result = done ? JSON.parse(read(name, 'evaluation.json')) : undefined;
    const { params, macs } = result ?? profile(createModel(networkOf(config)));
    const seconds = history.reduce((sum, row) => sum + Number(row[7]), 0);
    const best = Math.max(...history.map((row) => Number(row[6])));
    const start = startOf(config.network);
    const report = existsSync(new URL(`${name}/report.html`, runs));
    return [
      report ? `[${name}](../models/runs/${name}/report.html)` : name,
      start
        ? `${/ghostified/.test(config.network) ? 'ghostified ' : ''}weights of ${start}`
        : `seed ${config.seed}`,
      number(params),
      number(macs),
      `${history.length} of ${config.epochs}`,
      percent(best),
      result ? percent(result.top1) : 'not finished',
      `${(seconds / 60).toFixed(0)} min`,
      `${facts.cpu}, ${config.threads} thread${config.threads === 1 ? '' : 's'}, Node ${facts.node.slice(1)}`,
    ].join(' | ');
  });

const [start, end] = ['<!-- runs -->', '<!-- end of runs -->'];
const file = new URL('docs/training.md', root);
const text = readFileSync(file, 'utf8');
const table = [
  '| run | starts from | params | MACs | epochs | best validation | test | time | machine |',
  '|---|---|--:|--:|--:|--:|--:|--:|---|',
  ...rows.map((row) => `| ${row} |`),
].join('\n');
writeFileSync(
  file,
  `${text.slice(0, text.indexOf(start))}${start}\n\n${table}\n\n${text.slice(text.indexOf(end))}`,
);
