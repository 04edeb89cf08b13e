/** docs/benchmarks.md: GhostNet 1.0x by batch and by image size, a plot each. */
import { readResults } from '../../bench/lib/results.mjs';
import { colors, Plot, savePlot } from '../lib/plot.mjs';
import { about, has } from './format.mjs';

/** The sweeps over batch and image size: a plot each. */
export function sweepSection() {
  const name = ['sweeps-node24.csv', 'sweeps-node20.csv'].find(has);
  if (!name) return '';
  const { facts, rows } = readResults(name);
  const line = (sweep, y, labels, domain) => {
    const data = rows.filter((row) => row.sweep === sweep);
    const ends = [...new Set(data.map(({ runtime }) => runtime))].map((runtime) =>
      data.findLast((row) => row.runtime === runtime),
    );
    savePlot(`docs/plots/${sweep}.svg`, {
      title: labels.title,
      height: 320,
      marginRight: 120,
      marginLeft: 56,
      x: { label: labels.x, ...domain },
      y: { label: labels.y, grid: true, zero: true },
      color: { domain: ['ghostnet', 'onnxruntime-web', 'onnxruntime-node'], range: colors },
      marks: [
        Plot.lineY(data, { x: 'value', y, stroke: 'runtime', strokeWidth: 2 }),
        Plot.dot(data, { x: 'value', y, fill: 'runtime', r: 3 }),
        Plot.text(ends, { x: 'value', y, text: 'runtime', fill: 'runtime', textAnchor: 'start', dx: 8 }),
      ],
    });
  };
  const batches = [...new Set(rows.filter(({ sweep }) => sweep === 'batch').map(({ value }) => value))];
  line(
    'batch',
    'imagesPerSecond',
    { title: 'Images a second by batch', x: 'batch (log scale) →', y: '↑ images a second' },
    { type: 'log', base: 2, ticks: batches, tickFormat: 'd' },
  );
  line('size', 'medianMs', { title: 'Milliseconds by image size', x: 'side of the image →', y: '↑ ms' }, {});
  return `## GhostNet 1.0x by batch and image size

Node ${facts.node}. ${about(facts)}${facts.kept ? ` The other plot: ${facts.kept}.` : ''}

![Images a second by batch](plots/batch.svg)
![Milliseconds by image size](plots/size.svg)

`;
}
