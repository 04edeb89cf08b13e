/** Writes the table of training steps in docs/training.md, between its marks, from bench/results/training*.csv. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readResults } from '../bench/lib/results.mjs';

const file = new URL('../docs/training.md', import.meta.url);
const [start, end] = ['<!-- speed -->', '<!-- end of speed -->'];
const at = (rows, network, runtime, threads) =>
  rows.find((row) => row.network === network && row.runtime === runtime && Number(row.threads) === threads)
    ?.medianMs;
const cell = (ms, own) =>
  ms === undefined ? '' : `${Math.round(ms)} ms${own ? ` (${(ms / own).toFixed(2)}x)` : ''}`;
const lines = [
  '| network | Node | ours, 1 thread | PyTorch, 1 thread | ours, 2 threads | PyTorch, 2 threads |',
  '|---|--:|--:|--:|--:|--:|',
];
const notes = [];
for (const major of ['20', '24']) {
  const { facts, rows } = readResults(`training-node${major}.csv`);
  for (const network of new Set(rows.map((row) => row.network))) {
    const [one, two] = [1, 2].map((threads) => at(rows, network, 'ghostnet', threads));
    const torch = [1, 2].map((threads) => at(rows, network, 'pytorch', threads));
    lines.push(
      `| ${network} | ${major} | ${cell(one)} | ${cell(torch[0], one)} | ${cell(two)} | ${cell(torch[1], two)} |`,
    );
  }
  notes[0] = `${facts.cpu}, ${facts.cores} cores; ${facts.peers}; batch 128, medians; \`${facts.command}\`.`;
}
const { facts, rows } = readResults('training-web-node24.csv');
const network = rows[0].network;
const own = at(rows, network, 'ghostnet', 1);
const peers = ['jax-js', 'tfjs'].map((name) => `${name} ${cell(at(rows, network, name, 1), own)}`).join(', ');
notes.push(
  `What else trains in JavaScript (${facts.peers}), ${network} at batch ${rows[0].batch}, one thread, Node 24: ours ${cell(own)}, ${peers}; both with convolutions written as products of matrices, as tfjs lacks the gradients and jax-js is slower with its own. \`${facts.command}\`.`,
);
const text = readFileSync(file, 'utf8');
writeFileSync(
  file,
  `${text.slice(0, text.indexOf(start))}${start}\n\n${lines.join('\n')}\n\n${notes.join('\n\n')}\n\n${text.slice(text.indexOf(end))}`,
);
