/** Puts tables and a plot of bench/quantization-study.mjs into docs/int8.md: between <!-- name --> and <!-- /name -->. */
import { readFileSync, writeFileSync } from 'node:fs';
import { readResults } from '../bench/lib/results.mjs';
import { colors, Plot, savePlot } from './lib/plot.mjs';

const root = new URL('../', import.meta.url);
const modules = readResults('quantization-modules.csv');
const ablation = readResults('quantization-ablation.csv');
const accuracy = readResults('int8-accuracy.csv');
const folds = readResults('int8-accuracy-folds.csv');
const markdown = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const names = (rows) => [...new Set(rows.map(({ network }) => network))];
const ways = { Shared: 'one range', Half: 'a range each', Equalised: 'equalised' };

/** Medians over a network's modules. */
function moduleTable() {
  const head = ['network, half', 'share of the range', 'median channel', ...Object.values(ways)];
  const rows = names(modules.rows).flatMap((network) =>
    ['intrinsic', 'ghost'].map((half) => {
      const own = modules.rows.filter((row) => row.network === network);
      const of = (column) => median(own.map((row) => row[`${half}${column}`]));
      return [
        `${network}, ${half}`,
        `${(100 * of('Share')).toFixed(0)} %`,
        `${(100 * of('ChannelShare')).toFixed(0)} %`,
        ...Object.keys(ways).map((way) => `${of(`Db${way}`).toFixed(1)} dB`),
      ];
    }),
  );
  return markdown(head, rows);
}

function ablationTable() {
  const networks = names(ablation.rows);
  const variants = [...new Set(ablation.rows.map(({ variant }) => variant))];
  const cell = (network, variant) => {
    const row = ablation.rows.find((one) => one.network === network && one.variant === variant);
    if (!row) return ['', ''];
    return variant === 'f32'
      ? [count(row.correct), '']
      : [`${count(row.correct)} (${count(row.same)})`, `${row.logitsDb.toFixed(1)}`];
  };
  return markdown(
    ['ranges', ...networks.flatMap((network) => [network, 'dB'])],
    variants.map((variant) => [variant, ...networks.flatMap((network) => cell(network, variant))]),
  );
}

const count = (value) => value.toLocaleString('en-US');

function accuracyTable(results) {
  const rows = results.rows.toSorted((a, b) => b.counted - a.counted || (a.network < b.network ? -1 : 1));
  return markdown(
    ['network', 'pictures', 'f32', 'int8', 'points', 'same answer', 'dB'],
    rows.map(({ network, counted, f32, int8, points, same, logitsDb }) => [
      network,
      ...[counted, f32, int8].map(count),
      points.toFixed(2).replace('-', '−'),
      `${((100 * same) / counted).toFixed(1)} %`,
      logitsDb.toFixed(1),
    ]),
  );
}

const points = modules.rows.flatMap((row, i) =>
  ['intrinsic', 'ghost'].flatMap((half) =>
    Object.entries(ways).map(([way, label]) => ({
      network: row.network,
      module: i,
      half,
      way: label,
      decibels: row[`${half}Db${way}`],
    })),
  ),
);
savePlot('docs/plots/int8-halves.svg', {
  title: 'Signal to noise of intrinsic and ghost maps stored in int8',
  width: 860,
  height: 110 + 150 * names(modules.rows).length,
  marginLeft: 110,
  marginRight: 120,
  fx: { domain: ['intrinsic', 'ghost'], label: null },
  fy: { domain: names(modules.rows), label: null },
  x: { label: 'signal to noise of a module, dB →', grid: true },
  y: { domain: Object.values(ways), label: null },
  color: { domain: Object.values(ways), range: colors },
  marks: [
    Plot.dot(points, {
      x: 'decibels',
      y: 'way',
      fx: 'half',
      fy: 'network',
      fill: 'way',
      r: 3,
      fillOpacity: 0.6,
    }),
    Plot.tickX(
      points,
      Plot.groupY(
        { x: 'median' },
        { x: 'decibels', y: 'way', fx: 'half', fy: 'network', stroke: 'way', strokeWidth: 2 },
      ),
    ),
  ],
});

let text = readFileSync(new URL('docs/int8.md', root), 'utf8');
const { cpu, node, command, calibration } = ablation.facts;
const [{ pictures }] = ablation.rows;
const about = `Of ${pictures.toLocaleString('en-US')} CIFAR-10 test pictures. Node ${node}, ${cpu}; calibrated on ${calibration.replace(/, or of COCO.*/, '')}. \`${command}\``;
const source = ({ facts }) => `Node ${facts.node}, ${facts.cpu}. \`${facts.command}\``;
for (const [name, table] of Object.entries({
  accuracy: `${accuracyTable(accuracy)}\n\n${source(accuracy)}`,
  folds: `${accuracyTable(folds)}\n\n${source(folds)}`,
  modules: moduleTable(),
  ablation: `${ablationTable()}\n\n${about}`,
})) {
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*(<!-- /${name} -->)`);
  if (!between.test(text)) throw new Error(`docs/int8.md has no place for the table "${name}"`);
  text = text.replace(between, (_, start, end) => `${start}${table}\n${end}`);
}
writeFileSync(new URL('docs/int8.md', root), text);
