/**
 * `ghostnet paper`: the paper's tables and figures from this package, our numbers beside the paper's. Gathers data,
 * writes files or prints; what a row says is in src/paper.
 */
import type { CsvRow } from '../../paper/csv.js';
import type { Figure, RenderedTable } from '../../paper/render.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import { UsageError } from '../output/report-error.js';
import { outColors, print, printJson, table } from '../output/terminal.js';

interface PaperOptions {
  readonly out?: string;
  readonly picture?: string;
  readonly model?: string;
  readonly network?: string;
  readonly measure?: boolean;
  readonly latency?: string;
  readonly trained?: string;
  readonly rounds: number;
  readonly json?: boolean;
}

const tables = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const figures = [1, 4, 6, 7] as const;
/** What is measured on the picture of --picture. */
const ofPicture = { tables: [2], figures: [1, 4] } as const;

export const registerPaper: Register = (program, act) => {
  program
    .command('paper')
    .description("make the paper's tables and figures, this package's numbers beside the paper's")
    .argument('[what...]', '"table N" (1 to 8), "figure N" (1, 4, 6, 7) or "all"', ['all'])
    .option('--out <folder>', 'write index.html, paper.md and the figures there')
    .option('--picture <file>', 'a picture for table 2 and figures 1 and 4')
    .option('--model <name|file>', 'the network of table 2 and figures 1 and 4 (default: that of classify)')
    .option('--network <name>', 'the network of a --model file that holds weights only (.pth and such)')
    .option('--measure', 'measure the latency of figure 7 on this machine')
    .option('--latency <file>', 'take the latency of figure 7 from this CSV')
    .option('--trained <file>', 'accuracies of your own: the results.csv of a sweep')
    .option('--rounds <n>', 'rounds of --measure in which the networks take turns', wholeNumber(1), 20)
    .option(
      '--json',
      'print { tables: { "3": [{ name, model, paper, ours, accuracy, note }], ... }, figures: { ... } }',
    )
    .addHelpText(
      'after',
      `
Counts are exact; "printed digits" says that ours rounds to what the paper prints. Accuracies are the paper's; "trained
here" are this package's own runs, the other words say what is missing to get one. Figure 7 has the latency that was
saved with the package, unless --measure or --latency give another. Table 2 and figures 1 and 4 are made of a picture of
your own; "all" leaves them out without --picture. The detectors of table 8 do not exist yet. Without --out the plots are
printed as tables of their points.

Examples:
  ghostnet paper table 6
  ghostnet paper all --picture photo.jpg --out paper/
  ghostnet paper figure 7 --measure --out paper/
  ghostnet paper table 4 --trained runs/results.csv`,
    )
    .action(act(paperCommand));
};

function isOfPicture(kind: string | undefined, number: number): boolean {
  const numbers: readonly number[] = kind === 'table' ? ofPicture.tables : ofPicture.figures;
  return numbers.includes(number);
}

interface Wanted {
  readonly tables: readonly number[];
  readonly figures: readonly number[];
}

/** The tables and figures that the words ask for. */
function readWanted(words: readonly string[], picture: boolean): Wanted {
  const wanted = { tables: [] as number[], figures: [] as number[] };
  for (let i = 0; i < words.length; i++) {
    const kind = words[i];
    if (kind === 'all') {
      wanted.tables.push(...tables.filter((n) => picture || !isOfPicture('table', n)));
      wanted.figures.push(...figures.filter((n) => picture || !isOfPicture('figure', n)));
      continue;
    }
    const given = `${kind} ${words[++i] ?? ''}`.trim();
    const number = Number(words[i]);
    const known: readonly number[] = kind === 'table' ? tables : kind === 'figure' ? figures : [];
    if (!known.includes(number))
      throw new UsageError(`"${given}": expected "table N" (1 to 8), "figure N" (1, 4, 6 or 7) or "all"`);
    if (!picture && isOfPicture(kind, number))
      throw new UsageError(`${given} is made of a picture of your own: give --picture <file>`);
    wanted[kind === 'table' ? 'tables' : 'figures'].push(number);
  }
  return { tables: [...new Set(wanted.tables)], figures: [...new Set(wanted.figures)] };
}

/** One table or figure: as it is shown, and as data. */
interface Made<Shown> {
  readonly number: number;
  readonly shown: Shown;
  readonly json: unknown;
}

async function paperCommand(words: readonly string[], options: PaperOptions): Promise<number> {
  const { picture, out } = options;
  const wanted = readWanted(words, picture !== undefined);
  if (options.measure && !wanted.figures.includes(7))
    throw new UsageError('--measure measures figure 7, which is not asked for');
  const { trainedRows } = await import('./paper/sources.js');
  const { paperData } = await import('../../paper/node/paper-data.js');
  const data = { rows: paperData('rows'), trained: await trainedRows(options.trained) };
  const ofPicture = await measurePicture(wanted, options);
  const made = await makeTables(wanted.tables, data);
  const drawn = await drawPlots(wanted.figures, data, options);
  const byNumber = (a: Made<unknown>, b: Made<unknown>): number => a.number - b.number;
  const tablesMade = [...ofPicture.tables, ...made].sort(byNumber);
  const figuresMade = [...ofPicture.figures, ...drawn].sort(byNumber);
  if (options.json) {
    const entries = (list: readonly Made<unknown>[]) =>
      Object.fromEntries(list.map(({ number, json }) => [number, json]));
    printJson({ tables: entries(tablesMade), figures: entries(figuresMade) });
  }
  const shown = { tables: tablesMade.map((one) => one.shown), figures: figuresMade.map((one) => one.shown) };
  if (out !== undefined) {
    const { writePages } = await import('./paper/write-pages.js');
    const files = await writePages(out, shown.tables, shown.figures, picture !== undefined);
    if (!options.json) print(`wrote ${files.join(', ')}`);
  } else if (!options.json) await printAll(shown.tables, shown.figures);
  return exitCodes.ok;
}

/** Table 2 and figures 1 and 4, where they are asked for. */
async function measurePicture(
  wanted: Wanted,
  options: PaperOptions,
): Promise<{ readonly tables: Made<RenderedTable>[]; readonly figures: Made<Figure>[] }> {
  const { picture } = options;
  const found = { tables: [] as Made<RenderedTable>[], figures: [] as Made<Figure>[] };
  if (picture === undefined) return found;
  const { ghostsFigure, measureToy, pairsFigure, toyTable } = await import('./paper/pictures.js');
  if (wanted.tables.includes(2) || wanted.figures.includes(1)) {
    const toy = await measureToy({ ...options, picture });
    const { pairs } = toy;
    if (wanted.tables.includes(2)) found.tables.push({ number: 2, shown: toyTable(toy), json: pairs });
    if (wanted.figures.includes(1))
      found.figures.push({ number: 1, shown: await pairsFigure(toy), json: pairs });
  }
  if (wanted.figures.includes(4)) {
    const { figure, pairs } = await ghostsFigure({ ...options, picture });
    found.figures.push({ number: 4, shown: figure, json: pairs });
  }
  return found;
}

interface PaperTables {
  readonly rows: readonly CsvRow[];
  readonly trained: readonly CsvRow[];
}

/** Tables 1 and 3 to 8. */
async function makeTables(numbers: readonly number[], data: PaperTables): Promise<Made<RenderedTable>[]> {
  const { architectureTable, paperRows } = await import('../../paper/rows.js');
  const { detectionRows, detectionTable } = await import('../../paper/detection.js');
  const { architecture, countsTable } = await import('../../paper/render.js');
  return numbers
    .filter((number) => number !== 2)
    .map((number) => {
      if (number === 1) {
        const rows = architectureTable();
        return { number, shown: architecture(rows), json: rows };
      }
      if (number === 8) {
        const rows = detectionRows(data.rows);
        return { number, shown: detectionTable(rows), json: rows };
      }
      const rows = paperRows(data.rows, data.trained, number);
      return { number, shown: countsTable(number, rows), json: rows };
    });
}

/** Figures 6 and 7. */
async function drawPlots(
  numbers: readonly number[],
  data: PaperTables,
  options: PaperOptions,
): Promise<Made<Figure>[]> {
  const plots = numbers.filter((number) => number === 6 || number === 7);
  if (plots.length === 0) return [];
  const { paperRows } = await import('../../paper/rows.js');
  const { accuracyAgainstLatency, accuracyAgainstMacs } = await import('../../paper/figures.js');
  const { latencyRows } = await import('./paper/sources.js');
  const rows = paperRows(data.rows, data.trained, 7);
  const models = rows.flatMap(({ model }) => (model === '' ? [] : [model]));
  const made: Made<Figure>[] = [];
  for (const number of plots) {
    const shown =
      number === 6
        ? accuracyAgainstMacs(rows)
        : accuracyAgainstLatency(rows, await latencyRows(models, options));
    made.push({ number, shown, json: shown.points });
  }
  return made;
}

async function printAll(made: readonly RenderedTable[], drawn: readonly Figure[]): Promise<void> {
  const { pointsTable } = await import('../../paper/figures.js');
  for (const { title, head, align, rows, text } of [...made, ...drawn.map(pointsTable)]) {
    print(outColors.bold(title));
    if (rows.length > 0) print(table([head.map(outColors.dim), ...rows], align));
    print(text === '' ? '' : `${text}\n`);
  }
}
