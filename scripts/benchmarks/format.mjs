/** How the sections of docs/benchmarks.md write numbers, tables and where results come from; shared by all of them. */
import { existsSync } from 'node:fs';
import { resultsFolder } from '../../bench/lib/results.mjs';

export const has = (name) => existsSync(new URL(name, resultsFolder));
export const ms = (value) =>
  value === undefined ? '' : `${value >= 100 ? value.toFixed(0) : value.toFixed(2)} ms`;
export const times = (value) => (Number.isFinite(value) ? `${value.toFixed(2)}x` : '');
export const markdown = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
export const about = ({ cpu, cores, os, command, rounds, peers, date }) =>
  `${cpu}, ${cores} cores, ${os}, ${date}. \`${command}\`, ${rounds} rounds. Peers: ${peers}.`;
