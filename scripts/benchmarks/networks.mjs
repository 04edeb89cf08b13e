/** docs/benchmarks.md: networks beside the peers, a table for each place and the plot over all of them. */
import { readResults } from '../../bench/lib/results.mjs';
import { colors, Plot, savePlot } from '../lib/plot.mjs';
import { about, has, markdown, ms, times } from './format.mjs';

const places = [
  ['networks-node20.csv', ({ node, v8 }) => `Node ${node} (V8 ${v8}: no relaxed SIMD)`, 'Node 20'],
  ['networks-node24.csv', ({ node, v8 }) => `Node ${node} (V8 ${v8})`, 'Node 24'],
  ['networks-chromium.csv', ({ chromium }) => `Chromium ${chromium}`, 'Chromium'],
].filter(([name]) => has(name));

/** Peers' columns: milliseconds, and how many times ours. */
function networkTable(rows) {
  const networks = [...new Set(rows.map(({ network }) => network))];
  const runtimes = [...new Set(rows.map(({ runtime }) => runtime))].filter((name) => name !== 'ghostnet');
  const threads = Math.max(...rows.filter(({ runtime }) => runtime !== 'ghostnet').map((row) => row.threads));
  const at = (network, runtime, count) =>
    rows.find((row) => row.network === network && row.runtime === runtime && row.threads === count)?.medianMs;
  const table = (count) =>
    markdown(
      [
        'network',
        'M MACs',
        `ghostnet, ${count} thread${count > 1 ? 's' : ''}`,
        ...(count > 1 ? ['gain'] : []),
        ...runtimes.flatMap((name) => [name, 'to ours']),
      ],
      networks.map((network) => {
        const own = at(network, 'ghostnet', count);
        const two = at(network, 'ghostnet', 2);
        const one = at(network, 'ghostnet', 1);
        const gain = times(one / two);
        return [
          network,
          (rows.find((row) => row.network === network).macs / 1e6).toFixed(0),
          ms(own),
          ...(count > 1 ? [gain] : []),
          ...runtimes.flatMap((name) => [
            ms(at(network, name, count)),
            times(at(network, name, count) / own),
          ]),
        ];
      }),
    );
  return threads > 1 ? `${table(1)}\n\n${table(2)}` : table(1);
}

/** Each peer's time as a multiple of ours, one thread. */
function drawBars() {
  const bars = places.flatMap(([name, , place]) => {
    const { rows } = readResults(name);
    return rows
      .filter(({ runtime, threads }) => runtime !== 'ghostnet' && threads === 1)
      .map((row) => {
        const own = rows.find(
          ({ network, runtime, threads }) =>
            network === row.network && runtime === 'ghostnet' && threads === 1,
        );
        return { place, network: row.network, runtime: row.runtime, ratio: row.medianMs / own.medianMs };
      });
  });
  const networks = [...new Set(bars.map(({ network }) => network))];
  const runtimes = [...new Set(bars.map(({ runtime }) => runtime))];
  savePlot('docs/plots/benchmarks.svg', {
    title: 'How many times our time the peers need, one thread',
    width: 1000,
    height: 90 + 86 * networks.length,
    marginLeft: 8,
    marginRight: 12,
    marginTop: 60,
    marginBottom: 46,
    fx: { domain: places.map(([, , place]) => place), label: null },
    fy: { domain: networks, label: null, axis: null, padding: 0.25 },
    x: {
      label: 'times our time (log scale; right of the line: slower than ours) →',
      type: 'log',
      grid: true,
      // room for the words behind the longest bar
      domain: [0.38, 28],
      ticks: [0.5, 1, 2, 5, 10],
      tickFormat: (ratio) => `${ratio}x`,
    },
    y: { domain: runtimes, axis: null },
    color: { domain: runtimes, range: colors },
    marks: [
      Plot.barX(bars, { x1: 1, x2: 'ratio', y: 'runtime', fx: 'place', fy: 'network', fill: 'runtime' }),
      Plot.ruleX([1], { stroke: '#222222' }),
      Plot.text(bars, {
        x: (row) => Math.max(row.ratio, 1),
        y: 'runtime',
        fx: 'place',
        fy: 'network',
        text: (row) => `${row.ratio.toFixed(2)}x ${row.runtime}`,
        textAnchor: 'start',
        dx: 4,
        fontSize: 9,
      }),
      Plot.text(networks, {
        fy: (network) => network,
        text: (network) => network,
        frameAnchor: 'top-left',
        dy: -14,
        fontWeight: 'bold',
      }),
    ],
  });
}

/** The tables; draws docs/plots/benchmarks.svg. */
export function networkSections() {
  drawBars();
  return places
    .map(([name, title]) => {
      const { facts, rows } = readResults(name);
      return `## ${title(facts)}\n\n${about(facts)}\n\n${networkTable(rows)}`;
    })
    .join('\n\n');
}
