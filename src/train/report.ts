/**
 * The report of a run as one HTML text without any outside reference: curves, confusion matrix, classes, and the
 * pictures that went worst. Lays out what it is given; evaluates nothing and reads no files.
 */
import { lineChart } from '../report/line-chart.js';
import { escapeHtml, htmlDocument } from '../report/page.js';
import type { EpochRow } from './loop.js';
import type { Evaluation } from './metrics.js';

export interface ReportPicture {
  /** A `data:` URI. */
  readonly source: string;
  readonly label: string;
  readonly predicted: string;
  /** Probability of the prediction. */
  readonly confidence: number;
  /** File name or number. */
  readonly name: string;
}

export interface ReportData {
  readonly title: string;
  /** Facts in rows: network, data, seed, machine, ... */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly history: readonly EpochRow[];
  /** What the confusion matrix and the classes are of, e.g. "test set, 10,000 pictures". */
  readonly evaluationName: string;
  readonly evaluation: Evaluation;
  readonly worst: readonly ReportPicture[];
  /** The complete configuration, shown folded. */
  readonly config: unknown;
}

const percent = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)} %`;

const style = `
body{max-width:1040px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr));gap:14px}
svg{width:100%;border:1px solid var(--line);border-radius:8px}
svg .title{font-weight:600;font-size:14px;fill:var(--ink)}svg .tick{font-size:11px;fill:var(--soft)}svg .grid{stroke:var(--line)}
td,th{padding:3px 9px;text-align:right}.facts th,.facts td{text-align:left;vertical-align:top}.facts td{overflow-wrap:anywhere}
.confusion td{min-width:40px;text-align:center;border:1px solid var(--page)}.confusion th.side{text-align:right}
.headline{display:flex;gap:28px;flex-wrap:wrap;margin:16px 0}.headline div{font-size:28px;font-weight:600}.headline span{display:block;font-size:13px;font-weight:400;color:var(--soft)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(132px,1fr));gap:14px}
figure img{width:100%;aspect-ratio:1;object-fit:cover;border-radius:6px;image-rendering:pixelated;background:var(--fill)}
figcaption{line-height:1.35;margin-top:4px;color:var(--ink)}figcaption small{color:var(--soft);display:block;overflow-wrap:anywhere}
pre{background:var(--fill);padding:12px;border-radius:8px;overflow:auto;font-size:12.5px}summary{cursor:pointer}`;

function curves(history: readonly EpochRow[]): string {
  const series = (name: string, value: (row: EpochRow) => number | null) => ({
    name,
    points: history.flatMap((row): [number, number][] => {
      const y = value(row);
      return y === null ? [] : [[row.epoch, y]];
    }),
  });
  return [
    lineChart({
      title: 'Loss',
      xLabel: 'epoch',
      series: [series('training', (row) => row.trainLoss), series('validation', (row) => row.validationLoss)],
    }),
    lineChart({
      title: 'Accuracy',
      xLabel: 'epoch',
      formatY: (value) => `${Math.round(value * 100)} %`,
      series: [
        series('training', (row) => row.trainAccuracy),
        series('validation', (row) => row.validationAccuracy),
      ],
    }),
    lineChart({
      title: 'Learning rate at the end of the epoch',
      xLabel: 'epoch',
      include: [0],
      series: [series('learning rate', (row) => row.learningRate)],
    }),
    lineChart({
      title: 'Images a second',
      xLabel: 'epoch',
      include: [0],
      series: [series('images a second', (row) => row.imagesPerSecond)],
    }),
  ].join('\n');
}

/** Above this many classes the matrix is left out: nobody could read it. */
const mostMatrixClasses = 40;

function confusionTable({ confusion, perClass }: Evaluation): string {
  if (perClass.length > mostMatrixClasses)
    return `<p>With ${perClass.length} classes the matrix is left out; \`ghostnet eval --json\` has it.</p>`;
  const head = perClass.map(({ name }) => `<th>${escapeHtml(name)}</th>`).join('');
  const rows = confusion.map((row, label) => {
    const total = Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    );
    const cells = row.map((count, predicted) => {
      const shade = Math.sqrt(count / total);
      const hue = predicted === label ? '0,114,178' : '213,94,0';
      const ink = shade > 0.75 ? '#fff' : 'inherit';
      return `<td style="background:rgba(${hue},${shade.toFixed(3)});color:${ink}">${count === 0 ? '' : count}</td>`;
    });
    return `<tr><th class="side">${escapeHtml(perClass[label]?.name ?? '')}</th>${cells.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="confusion"><tr><th></th>${head}</tr>${rows.join('')}</table></div>`;
}

function classTable({ perClass }: Evaluation): string {
  const rows = perClass.map(
    ({ name, count, accuracy, precision }) =>
      `<tr><th class="side">${escapeHtml(name)}</th><td>${count}</td><td>${accuracy === null ? '–' : percent(accuracy)}</td>` +
      `<td>${precision === null ? '–' : percent(precision)}</td></tr>`,
  );
  return `<div class="scroll"><table><tr><th></th><th>pictures</th><th>found (recall)</th><th>right when said (precision)</th></tr>${rows.join('')}</table></div>`;
}

function gallery(worst: readonly ReportPicture[]): string {
  const figures = worst.map(
    ({ source, label, predicted, confidence, name }) =>
      `<figure><img src="${escapeHtml(source)}" alt="${escapeHtml(`${label}, taken for ${predicted}`)}">` +
      `<figcaption><b>${escapeHtml(label)}</b>, said ${escapeHtml(predicted)} (${percent(confidence, 0)})<small>${escapeHtml(name)}</small></figcaption></figure>`,
  );
  return `<div class="pictures">${figures.join('')}</div>`;
}

/** The whole page. */
export function reportHtml(data: ReportData): string {
  const { evaluation } = data;
  const facts = data.facts.map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  const headline = [
    [percent(evaluation.top1, 2), 'top-1'],
    ...(evaluation.perClass.length > 5 ? [[percent(evaluation.top5, 2), 'top-5']] : []),
    [evaluation.loss.toFixed(3), 'cross-entropy'],
    [percent(evaluation.ece, 2), 'calibration error'],
  ].map(([value, name]) => `<div>${value}<span>${name}</span></div>`);
  const body = `<p>${escapeHtml(data.evaluationName)}</p>
<div class="headline">${headline.join('')}</div>
<table class="facts">${facts.join('')}</table>
<h2>Curves</h2><div class="charts">${curves(data.history)}</div>
<h2>Confusion</h2><p>Rows: what the picture is. Columns: what the network said. Blue is right, orange wrong; stronger is a larger share of the row.</p>
${confusionTable(evaluation)}
<h2>Classes</h2>${classTable(evaluation)}
${data.worst.length > 0 ? `<h2>Worst pictures</h2><p>Highest loss first.</p>${gallery(data.worst)}` : ''}
<h2>Configuration</h2><details><summary>everything that made this run</summary><pre>${escapeHtml(JSON.stringify(data.config, null, 2))}</pre></details>`;
  return htmlDocument({ title: data.title, style, body });
}
