/**
 * Figures 6 and 7: the accuracies that the papers print against our MACs, and against the latency measured on one
 * machine. Pure: points in, SVG out.
 */
import type { CsvRow } from './csv.js';
import type { Figure } from './render.js';
import type { PaperRow } from './rows.js';
import { type ScatterSeries, scatterChart } from './scatter-chart.js';

/** `GhostNet 1.0x` and `MobileNetV3 Small 0.75x` to the line they belong to. */
function family(name: string): string {
  return name.replace(/ \d.*$/, '');
}

function seriesOf(rows: readonly PaperRow[], x: (row: PaperRow) => number | undefined): ScatterSeries[] {
  const families = new Map<string, { name: string; x: number; y: number }[]>();
  for (const row of rows) {
    const at = x(row);
    const points = families.get(family(row.name)) ?? [];
    families.set(family(row.name), points);
    if (at === undefined || row.paper.top1 === '') continue;
    points.push({ name: row.name, x: at, y: Number(row.paper.top1) });
  }
  // a family looks the same in both figures, also where another is missing
  return [...families]
    .map(([name, points]) => ({ name, points, strong: name === 'GhostNet' }))
    .sort((a, b) => Number(b.strong) - Number(a.strong))
    .map((series, look) => ({ ...series, look }))
    .filter(({ points }) => points.length > 0);
}

/** Accuracy against MACs, both of table 7: accuracies as printed, MACs counted here. */
export function accuracyAgainstMacs(rows: readonly PaperRow[]): Figure {
  return {
    title: 'Figure 6: accuracy against FLOPs',
    text: 'ImageNet top-1 as the paper prints it (table 7); millions of multiply-accumulates as counted here.',
    file: 'figure-6.svg',
    chart: true,
    svg: scatterChart({
      title: 'ImageNet top-1 against MACs',
      xLabel: 'million multiply-accumulates (counted)',
      yLabel: 'top-1 accuracy, % (as printed)',
      series: seriesOf(rows, ({ ours }) => (ours ? Math.round(ours.macs / 1e5) / 10 : undefined)),
    }),
  };
}

/** Accuracy against latency; `latency` has a row for each network: model, medianMs and the facts of the machine. */
export function accuracyAgainstLatency(rows: readonly PaperRow[], latency: readonly CsvRow[]): Figure {
  const byModel = new Map(latency.map((row) => [row['model'], Number(row['medianMs'])]));
  const { cpu = '', node = '', rounds = '', date = '' } = latency[0] ?? {};
  return {
    title: 'Figure 7: accuracy against measured latency',
    text:
      `ImageNet top-1 as the paper prints it (table 7); milliseconds a picture, measured by this package: one thread, batch 1, all networks in turns ` +
      `in one run, median of ${rounds} rounds. ${cpu}, Node ${node}, ${date}. The paper measured on a phone.`,
    file: 'figure-7.svg',
    chart: true,
    svg: scatterChart({
      title: 'ImageNet top-1 against latency here',
      xLabel: `milliseconds a picture (${cpu.trim()}, one thread)`,
      yLabel: 'top-1 accuracy, % (as printed)',
      series: seriesOf(rows, ({ model }) => byModel.get(model)),
    }),
  };
}
