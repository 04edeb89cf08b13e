/**
 * Figures 6 and 7: the accuracies that the papers print against our MACs, and against the latency measured on one
 * machine. Pure: points in, SVG out.
 */
import { type ScatterSeries, scatterChart } from '../report/scatter-chart.js';
import type { CsvRow } from './csv.js';
import type { Figure, FigurePoints, RenderedTable } from './render.js';
import type { PaperRow } from './rows.js';

/** `GhostNet 1.0x` and `MobileNetV3 Small 0.75x` to the line they belong to. */
function family(name: string): string {
  return name.replace(/ \d.*$/, '');
}

function pointsOf(
  rows: readonly PaperRow[],
  x: (row: PaperRow) => number | undefined,
): FigurePoints['points'] {
  return rows.flatMap((row) => {
    const at = x(row);
    if (at === undefined || row.paper.top1 === '') return [];
    return [{ name: row.name, model: row.model, x: at, top1: Number(row.paper.top1) }];
  });
}

/** Series of the points. A family looks the same in both figures, also where another is missing. */
function seriesOf(rows: readonly PaperRow[], points: FigurePoints['points']): ScatterSeries[] {
  return [...new Set(rows.map(({ name }) => family(name)))]
    .map((name) => ({ name, strong: name === 'GhostNet' }))
    .sort((a, b) => Number(b.strong) - Number(a.strong))
    .map((series, look) => ({
      ...series,
      look,
      points: points
        .filter((point) => family(point.name) === series.name)
        .map(({ name, x, top1 }) => ({ name, x, y: top1 })),
    }))
    .filter(({ points }) => points.length > 0);
}

/** A plot's points as a table, in the order of x; of another figure its title and text. */
export function pointsTable({ title, text, points }: Figure): RenderedTable {
  const sorted = [...(points?.points ?? [])].sort((a, b) => a.x - b.x);
  return {
    title,
    text: points ? text : `${text} A picture: give --out <folder>.`,
    head: ['row', 'network', points?.x ?? '', 'top-1, paper'],
    align: 'llrr',
    rows: sorted.map(({ name, model, x, top1 }) => [name, model, String(x), top1.toFixed(1)]),
  };
}

/** Accuracy against MACs, both of table 7: accuracies as printed, MACs counted here. */
export function accuracyAgainstMacs(rows: readonly PaperRow[]): Figure {
  const points = pointsOf(rows, ({ ours }) => (ours ? Math.round(ours.macs / 1e5) / 10 : undefined));
  return {
    title: 'Figure 6: accuracy against FLOPs',
    text: 'ImageNet top-1 as the paper prints it (table 7); millions of multiply-accumulates as counted here.',
    file: 'figure-6.svg',
    points: { x: 'million MACs', points },
    svg: scatterChart({
      title: 'ImageNet top-1 against MACs',
      xLabel: 'million multiply-accumulates (counted)',
      yLabel: 'top-1 accuracy, % (as printed)',
      series: seriesOf(rows, points),
    }),
  };
}

/** Accuracy against latency; `latency` has a row for each network: model, medianMs and the facts of the machine. */
export function accuracyAgainstLatency(rows: readonly PaperRow[], latency: readonly CsvRow[]): Figure {
  const byModel = new Map(latency.map((row) => [row['model'], Number(row['medianMs'])]));
  const { cpu = '', node = '', rounds = '', date = '' } = latency[0] ?? {};
  const points = pointsOf(rows, ({ model }) => byModel.get(model));
  return {
    title: 'Figure 7: accuracy against measured latency',
    text:
      `ImageNet top-1 as the paper prints it (table 7); milliseconds a picture, measured by this package: one thread, batch 1, all networks in turns ` +
      `in one run, median of ${rounds} rounds. ${cpu}, Node ${node}, ${date}. The paper measured on a phone.`,
    file: 'figure-7.svg',
    points: { x: 'milliseconds', points },
    svg: scatterChart({
      title: 'ImageNet top-1 against latency here',
      xLabel: `milliseconds a picture (${cpu.trim()}, one thread)`,
      yLabel: 'top-1 accuracy, % (as printed)',
      series: seriesOf(rows, points),
    }),
  };
}
