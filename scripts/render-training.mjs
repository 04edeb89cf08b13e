/** Writes the measurements of training steps into docs/training-engine.md, between its marks, from bench/results. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readResults } from '../bench/lib/results.mjs';

const ms = (value) => (value === '' ? '-' : `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`);
const markdown = (head, rows) =>
  [head, head.map((_, i) => (i < 2 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
const about = ({ cpu, cores, os, command, rounds, peers, date, node }) =>
  `Node ${node}, ${cpu}, ${cores} cores, ${os}, ${date}. \`${command}\`, ${rounds} rounds. Peers: ${peers}.`;

/** Rows by network and batch; a peer's column says its time and how many times ours it is. */
function cases(rows, peers, threads) {
  const keys = [...new Set(rows.map(({ network, batch }) => `${network} ${batch}`))];
  return keys.flatMap((key) =>
    threads.map((count) => {
      const at = (runtime) =>
        rows.find(
          (row) => `${row.network} ${row.batch}` === key && row.runtime === runtime && row.threads === count,
        );
      const own = at('ghostnet');
      const cells = peers.flatMap((name) => {
        const peer = at(name);
        return peer.medianMs === ''
          ? [peer.note, '']
          : [ms(peer.medianMs), `${(peer.medianMs / own.medianMs).toFixed(2)}x`];
      });
      return [...key.split(' '), String(count), ms(own.medianMs), `${own.memoryMB} MB`, ...cells];
    }),
  );
}
const section = (file, peers, threads) => {
  const { facts, rows } = readResults(file);
  const head = ['network', 'batch', 'threads', 'ghostnet', 'memory'];
  for (const peer of peers) head.push(peer, 'to ours');
  return `${about(facts)}\n\n${markdown(head, cases(rows, peers, threads))}`;
};
const text = [
  section('training-node20.csv', ['pytorch'], [1, 2]),
  section('training-node24.csv', ['pytorch'], [1, 2]),
  section('training-web-node24.csv', ['jax-js', 'tfjs'], [1]),
].join('\n\n');

const [start, end] = ['<!-- measurements -->', '<!-- end of measurements -->'];
const file = new URL('../docs/training-engine.md', import.meta.url);
const page = readFileSync(file, 'utf8');
writeFileSync(
  file,
  `${page.slice(0, page.indexOf(start))}${start}\n\n${text}\n\n${page.slice(page.indexOf(end))}`,
);
