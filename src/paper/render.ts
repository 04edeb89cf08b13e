/**
 * The paper's tables as Markdown and as one HTML page. Lays out what rows.ts says; counts and measures nothing.
 */
import { escapeHtml } from '../train/line-chart.js';
import type { PaperRow } from './rows.js';

export interface RenderedTable {
  readonly title: string;
  readonly text: string;
  readonly head: readonly string[];
  /** One letter a column: l or r. */
  readonly align: string;
  readonly rows: readonly (readonly string[])[];
}

export interface Figure {
  readonly title: string;
  readonly text: string;
  /** File name without folder, and the SVG. */
  readonly file: string;
  readonly svg: string;
  /** A plot with small text, which a narrow page scrolls rather than shrinks. Default false. */
  readonly chart?: boolean;
}

export const tableTitles: Readonly<Record<number, string>> = {
  1: 'Table 1: GhostNet, from the graph',
  3: 'Table 3: VGG-16 on CIFAR-10, d of the cheap operation (s=2)',
  4: 'Table 4: VGG-16 on CIFAR-10, s (d=3)',
  5: 'Table 5: CIFAR-10',
  6: 'Table 6: ResNet-50 on ImageNet',
  7: 'Table 7: small networks on ImageNet',
};

/** Sweeps of whole tables on the paper's schedule. */
const sweeps: Readonly<Record<number, string>> = {
  3: 'ghostnet sweep data/paper/vgg16-full.yaml',
  4: 'ghostnet sweep data/paper/vgg16-full.yaml',
};

/** Table 1. `rows` as rows.ts makes them. */
export function architecture(rows: readonly (readonly string[])[]): RenderedTable {
  return {
    title: tableTitles[1] ?? '',
    text: 'Inputs as height, width, channels.',
    head: ['input', 'operator', '#exp', '#out', 'SE', 'stride'],
    align: 'llrrrr',
    rows,
  };
}

const grouped = (value: number): string => value.toLocaleString('en-US');

function accuracyText({ accuracy }: PaperRow): string {
  const { status, top1, how } = accuracy;
  return top1 === undefined ? status : `${top1.toFixed(2)} % (${how})`;
}

/** A table of counts and accuracies, ours beside the paper's. */
export function countsTable(table: number, rows: readonly PaperRow[]): RenderedTable {
  const top5 = rows.some(({ paper }) => paper.top5 !== '');
  const notes: string[] = [];
  const body = rows.map((row) => {
    const { ours, paper } = row;
    let mark = '';
    if (row.note !== '') {
      if (!notes.includes(row.note)) notes.push(row.note);
      mark = ` (${notes.indexOf(row.note) + 1})`;
    }
    const printed = (text: string): string => (text === '' ? '-' : text);
    return [
      `${row.name}${mark}`,
      row.model,
      ours ? grouped(ours.params) : '-',
      printed(paper.params),
      ours && paper.params !== '' ? ours.paramsAgreement : '-',
      ours ? grouped(ours.macs) : '-',
      printed(paper.macs),
      ours && paper.macs !== '' ? ours.macsAgreement : '-',
      printed(paper.top1),
      ...(top5 ? [printed(paper.top5)] : []),
      accuracyText(row),
    ];
  });
  const sources = [...new Set(rows.flatMap(({ accuracy }) => accuracy.source || []))];
  const sweep = sweeps[table];
  const untrained = rows.find(({ accuracy }) => accuracy.status === 'needs ImageNet');
  const commands = [...new Set(rows.flatMap(({ accuracy }) => accuracy.command ?? []))].slice(0, 1);
  const text = [
    ...notes.map((note, i) => `(${i + 1}) ${note}.`),
    sources.length > 0
      ? `Trained here, one seed each, for the epochs that are said: ${sources.map((source) => `\`${source}\``).join(', ')}.`
      : '',
    sweep ? `All rows on the paper's schedule: \`${sweep}\`.` : '',
    commands[0] ? `An accuracy of one's own, for example: \`${commands[0]}\`.` : '',
    untrained
      ? `Weights from elsewhere load under the names of timm or torchvision; to train one: \`ghostnet train ${untrained.model} --data imagenet --recipe paper-imagenet --out ${untrained.model}.safetensors\`.`
      : '',
  ]
    .filter((line) => line !== '')
    .join(' ');
  return {
    title: tableTitles[table] ?? `Table ${table}`,
    text,
    head: [
      'row',
      'network',
      'params',
      'paper',
      '',
      'MACs',
      'paper',
      '',
      'top-1, paper',
      ...(top5 ? ['top-5, paper'] : []),
      'top-1 here',
    ],
    align: `llrrlrrl${top5 ? 'rr' : 'r'}l`,
    rows: body,
  };
}

export function markdownTable({ title, text, head, align, rows }: RenderedTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = [...align].map((letter) => (letter === 'r' ? '--:' : '---'));
  return `## ${title}\n\n${[line(head), line(rule), ...rows.map(line)].join('\n')}\n${text === '' ? '' : `\n${text}\n`}`;
}

export function htmlTable({ title, text, head, align, rows }: RenderedTable): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell, i) => `<${tag} class="${align[i] ?? 'l'} ${cell.replaceAll(/[^a-z]/g, '')}">${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escapeHtml(title)}</h2><div class="scroll"><table>${line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table></div><p>${inline(text)}</p>`;
}

/** Text as HTML; what stands in backticks as code. */
function inline(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

const style = `body{font:14px/1.5 system-ui,sans-serif;color:#1c2430;max-width:1360px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:25px;margin:0}h2{font-size:17px;margin:34px 0 8px}p{color:#5b6675;max-width:90ch}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px}th,td{padding:3px 6px;border-bottom:1px solid #dfe4ea;white-space:nowrap;font-variant-numeric:tabular-nums;font-weight:400;text-align:left}
th{color:#5b6675}.r{text-align:right}td.exact,td.printeddigits{color:#00704f}td.within{color:#8a6100}td.differs{color:#b03000}
figure{margin:0;overflow-x:auto}code{font-size:.93em;background:#f1f4f7;padding:1px 4px;border-radius:4px}svg{max-width:820px;width:100%;height:auto;border:1px solid #dfe4ea;border-radius:8px}.chart svg{min-width:640px}`;

/** One page without any outside reference. */
export function htmlPage(
  tables: readonly RenderedTable[],
  figures: readonly Figure[],
  intro: string,
): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>GhostNet, the paper's tables</title><style>${style}</style>
<h1>The paper's tables and figures, from this package</h1><p>${inline(intro)}</p>
${tables.map(htmlTable).join('\n')}
${figures.map(({ title, text, svg, chart }) => `<h2>${escapeHtml(title)}</h2><figure${chart ? ' class="chart"' : ''}>${svg}</figure><p>${inline(text)}</p>`).join('\n')}
</html>\n`;
}

/** The same as Markdown; `folder` is where the figures' files lie. */
export function markdownPage(
  tables: readonly RenderedTable[],
  figures: readonly Figure[],
  options: { readonly intro: string; readonly folder: string },
): string {
  const drawn = figures.map(
    ({ title, text, file }) => `## ${title}\n\n![${title}](${options.folder}${file})\n\n${text}\n`,
  );
  return `# The paper's tables and figures\n\n${options.intro}\n\n${[...tables.map(markdownTable), ...drawn].join('\n')}`;
}
