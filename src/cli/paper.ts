/**
 * `ghostnet paper`: the paper's tables and figures from this package, our numbers beside the paper's. Gathers data,
 * writes files or prints; what a row says is in src/paper.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CsvRow } from '../paper/csv.js';
import type { Figure, RenderedTable } from '../paper/render.js';
import type { Register } from './command.js';
import { exitCodes } from './exit-codes.js';
import { wholeNumber } from './options.js';
import { progress } from './progress.js';
import { UsageError } from './report-error.js';
import { note, outColors, print, printJson, table } from './terminal.js';

interface PaperOptions {
  readonly out?: string;
  readonly measure?: boolean;
  readonly latency?: string;
  readonly rounds: number;
  readonly json?: boolean;
}

const tables = [1, 3, 4, 5, 6, 7] as const;
const figures = [6, 7] as const;
const elsewhere: Readonly<Record<string, string>> = {
  'table 2':
    'table 2 (the toy experiment) is measured on a picture of your own: ghostnet toy <picture> --out <folder>',
  'table 8': 'table 8 (detection) needs detectors, which this package does not have',
  'figure 1':
    'figures 1 and 4 are pictures of feature maps: ghostnet features <model> <picture> --out <folder>',
  'figure 4':
    'figures 1 and 4 are pictures of feature maps: ghostnet features <model> <picture> --out <folder>',
};

export const registerPaper: Register = (program, act) => {
  program
    .command('paper')
    .description("make the paper's tables and figures, this package's numbers beside the paper's")
    .argument('[what...]', '"table N" (1, 3 to 7), "figure N" (6, 7) or "all"', ['all'])
    .option('--out <folder>', 'write index.html, paper.md and the figures there')
    .option('--measure', 'measure the latency of figure 7 on this machine')
    .option('--latency <file>', 'take the latency of figure 7 from this CSV')
    .option('--rounds <n>', 'rounds of --measure in which the networks take turns', wholeNumber(1), 20)
    .option('--json', 'print { tables: { "3": [{ name, model, paper, ours, accuracy, note }], ... } }')
    .addHelpText(
      'after',
      `
Counts are exact; "printed digits" says that ours rounds to what the paper prints. Accuracies are the paper's; "trained
here" are this package's own runs, the other words say what is missing to get one. Figure 7 has the latency that was
saved with the package, unless --measure or --latency give another.

Examples:
  ghostnet paper table 6
  ghostnet paper all --out paper/
  ghostnet paper figure 7 --measure --out paper/`,
    )
    .action(act(paperCommand));
};

/** The tables and figures that the words ask for. */
function readWanted(words: readonly string[]): { tables: number[]; figures: number[] } {
  const wanted = { tables: [] as number[], figures: [] as number[] };
  for (let i = 0; i < words.length; i++) {
    const kind = words[i];
    if (kind === 'all') {
      wanted.tables.push(...tables);
      wanted.figures.push(...figures);
      continue;
    }
    const given = `${kind} ${words[++i] ?? ''}`.trim();
    const number = Number(words[i]);
    const known: readonly number[] = kind === 'table' ? tables : kind === 'figure' ? figures : [];
    if (!known.includes(number))
      throw new UsageError(
        elsewhere[given] ?? `"${given}": expected "table N" (1, 3 to 7), "figure N" (6 or 7) or "all"`,
      );
    wanted[kind === 'table' ? 'tables' : 'figures'].push(number);
  }
  return wanted;
}

/** Latency of table 7's networks: measured now, from a file, or as saved with the package. */
async function latencyRows(models: readonly string[], options: PaperOptions): Promise<CsvRow[]> {
  const { readCsv } = await import('../paper/csv.js');
  const { paperData } = await import('../paper/node/paper-data.js');
  if (options.measure) {
    const { measureLatency } = await import('./paper-latency.js');
    const { writeFileAtomically } = await import('../formats/node/model-file.js');
    const line = progress('measuring', options.rounds);
    const text = await measureLatency(models, { rounds: options.rounds, onRound: line.update });
    line.stop();
    if (options.out) await writeFileAtomically(join(options.out, 'latency.csv'), text);
    return readCsv(text);
  }
  return options.latency ? readCsv(await readFile(options.latency, 'utf8')) : paperData('latency');
}

async function paperCommand(words: readonly string[], options: PaperOptions): Promise<number> {
  const wanted = readWanted(words);
  const { architectureTable, paperRows } = await import('../paper/rows.js');
  const { paperData } = await import('../paper/node/paper-data.js');
  const render = await import('../paper/render.js');
  const { accuracyAgainstLatency, accuracyAgainstMacs } = await import('../paper/figures.js');
  if (options.out) await mkdir(options.out, { recursive: true });
  const data = [paperData('rows'), paperData('trained')] as const;
  const counted = new Map(wanted.tables.filter((n) => n > 1).map((n) => [n, paperRows(...data, n)]));
  if (options.json) {
    printJson({ tables: Object.fromEntries(counted) });
    return exitCodes.ok;
  }
  const rendered: RenderedTable[] = wanted.tables.map((n) =>
    n === 1
      ? {
          title: render.tableTitles[1] ?? '',
          text: 'Inputs as height, width, channels.',
          head: ['input', 'operator', '#exp', '#out', 'SE', 'stride'],
          align: 'llrrrr',
          rows: architectureTable(),
        }
      : render.countsTable(n, counted.get(n) ?? []),
  );
  const drawn: Figure[] = [];
  if (wanted.figures.length > 0) {
    const rows = paperRows(...data, 7);
    if (wanted.figures.includes(6)) drawn.push(accuracyAgainstMacs(rows));
    if (wanted.figures.includes(7)) {
      const models = rows.flatMap(({ model }) => (model === '' ? [] : [model]));
      drawn.push(accuracyAgainstLatency(rows, await latencyRows(models, options)));
    }
  }
  if (!options.out) {
    for (const { title, head, align, rows, text } of rendered) {
      print(outColors.bold(title));
      print(table([head.map(outColors.dim), ...rows], align));
      print(text === '' ? '' : `${text}\n`);
    }
    if (drawn.length > 0) note('figures are files: give --out <folder>');
    return exitCodes.ok;
  }
  await writePages(options.out, rendered, drawn);
  return exitCodes.ok;
}

const intro =
  'Every table of "GhostNet: More Features from Cheap Operations" (CVPR 2020) that counts can answer, made by `ghostnet paper`: this package\'s ' +
  "counts beside the paper's, and what is missing for an accuracy of one's own. Table 2 and figure 1 are measured on a picture of one's own by " +
  '`ghostnet toy`, figure 4 is drawn by `ghostnet features`; table 8 needs detectors.';

async function writePages(
  out: string,
  rendered: readonly RenderedTable[],
  drawn: readonly Figure[],
): Promise<void> {
  const { htmlPage, markdownPage } = await import('../paper/render.js');
  const { writeFileAtomically } = await import('../formats/node/model-file.js');
  for (const { file, svg } of drawn) await writeFileAtomically(join(out, file), `${svg}\n`);
  await writeFileAtomically(join(out, 'paper.md'), markdownPage(rendered, drawn, { intro, folder: '' }));
  await writeFileAtomically(join(out, 'index.html'), htmlPage(rendered, drawn, intro));
  const files = ['index.html', 'paper.md', ...drawn.map(({ file }) => file)];
  print(`wrote ${files.map((file) => join(out, file)).join(', ')}`);
}
