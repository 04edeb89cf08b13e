/**
 * The paper's tables as Markdown and as one HTML page. Lays out what rows.ts says; counts and measures nothing.
 */
import { escapeHtml, htmlDocument } from '../report/page.js';
import type { ArchitectureRow, PaperRow } from './rows.js';

export interface RenderedTable {
  readonly title: string;
  readonly text: string;
  readonly head: readonly string[];
  /** One letter a column: l or r. */
  readonly align: string;
  readonly rows: readonly (readonly string[])[];
}

/** The points of a plot of accuracy. */
export interface FigurePoints {
  /** What x is, with its unit. */
  readonly x: string;
  readonly points: readonly {
    readonly name: string;
    readonly model: string;
    readonly x: number;
    readonly top1: number;
  }[];
}

export interface Figure {
  readonly title: string;
  readonly text: string;
  /** File name without folder, and the SVG. */
  readonly file: string;
  readonly svg: string;
  /** What a plot shows. A page scrolls its small text rather than shrink it. */
  readonly points?: FigurePoints;
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

/** Table 1. */
export function architecture(rows: readonly ArchitectureRow[]): RenderedTable {
  const cell = (value: number | null): string => (value === null ? '-' : String(value));
  return {
    title: tableTitles[1] ?? '',
    text: 'Inputs as height, width, channels.',
    head: ['input', 'operator', '#exp', '#out', 'SE', 'stride'],
    align: 'llrrrr',
    rows: rows.map(({ input, operator, expansion, outChannels, squeezeExcite, stride }) => [
      input.join('x'),
      operator,
      cell(expansion),
      cell(outChannels),
      squeezeExcite ? '1' : '-',
      cell(stride),
    ]),
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

const style = `body{max-width:1360px}table{font-size:13px}th,td{padding:3px 6px;border-bottom:1px solid var(--line);white-space:nowrap;text-align:left}
.r{text-align:right}td.exact,td.printeddigits{color:var(--good)}td.within{color:var(--fair)}td.differs{color:var(--bad)}
figure{overflow-x:auto}svg{max-width:820px;width:100%;height:auto;border:1px solid var(--line);border-radius:8px}.chart svg{min-width:640px}`;

/** One page without any outside reference. */
export function htmlPage(
  tables: readonly RenderedTable[],
  figures: readonly Figure[],
  intro: string,
): string {
  const drawn = figures.map(
    ({ title, text, svg, points }) =>
      `<h2>${escapeHtml(title)}</h2><figure${points ? ' class="chart"' : ''}>${svg}</figure><p>${inline(text)}</p>`,
  );
  return htmlDocument({
    title: "GhostNet: the paper's tables and figures",
    style,
    body: [`<p>${inline(intro)}</p>`, ...tables.map(htmlTable), ...drawn].join('\n'),
  });
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
