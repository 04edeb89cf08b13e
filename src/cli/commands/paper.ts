/**
 * `ghostnet paper`: the paper's tables and figures from this package, our numbers beside the paper's. Gathers data,
 * writes files or prints; what a row says is in src/paper.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../../errors.js';
import type { CsvRow } from '../../paper/csv.js';
import type { Figure, RenderedTable } from '../../paper/render.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import { progress } from '../output/progress.js';
import { UsageError } from '../output/report-error.js';
import { note, outColors, print, printJson, table } from '../output/terminal.js';

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
    .option('--json', 'print { tables: { "3": [{ name, model, paper, ours, accuracy, note }], ... } }')
    .addHelpText(
      'after',
      `
Counts are exact; "printed digits" says that ours rounds to what the paper prints. Accuracies are the paper's; "trained
here" are this package's own runs, the other words say what is missing to get one. Figure 7 has the latency that was
saved with the package, unless --measure or --latency give another. Table 2 and figures 1 and 4 are made of a picture of
your own; "all" leaves them out without --picture. The detectors of table 8 do not exist yet.

Examples:
  ghostnet paper table 6
  ghostnet paper all --picture photo.jpg --out paper/
  ghostnet paper figure 7 --measure --out paper/`,
    )
    .action(act(paperCommand));
};

function isOfPicture(kind: string | undefined, number: number): boolean {
  const numbers: readonly number[] = kind === 'table' ? ofPicture.tables : ofPicture.figures;
  return numbers.includes(number);
}

/** The tables and figures that the words ask for. */
function readWanted(words: readonly string[], picture: boolean): { tables: number[]; figures: number[] } {
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
  return wanted;
}

/** Latency of table 7's networks: measured now, from a file, or as saved with the package. */
async function latencyRows(models: readonly string[], options: PaperOptions): Promise<CsvRow[]> {
  const { readCsv } = await import('../../paper/csv.js');
  const { paperData } = await import('../../paper/node/paper-data.js');
  if (options.measure) {
    const { measureLatency } = await import('./paper/latency.js');
    const { writeFileAtomically } = await import('../../formats/node/model-file.js');
    const line = progress('measuring', options.rounds);
    const text = await measureLatency(models, { rounds: options.rounds, onRound: line.update });
    line.stop();
    if (options.out) await writeFileAtomically(join(options.out, 'latency.csv'), text);
    return readCsv(text);
  }
  return options.latency ? readCsv(await readFile(options.latency, 'utf8')) : paperData('latency');
}

/** A sweep's results. Throws FormatError `TRAINED_COLUMNS` for another kind of table. */
async function trainedRows(file: string): Promise<CsvRow[]> {
  const { readCsv } = await import('../../paper/csv.js');
  const { readBytes } = await import('../../formats/node/model-file.js');
  const rows = readCsv(new TextDecoder().decode(await readBytes(file)));
  const needed = ['model', 'ratio', 'cheapKernel', 'epochs', 'trainedOn', 'top1'];
  const missing = needed.filter((name) => rows[0]?.[name] === undefined);
  if (missing.length > 0)
    throw new FormatError(
      'TRAINED_COLUMNS',
      `"${file}": no ${missing.join(', ')}; expected the results.csv of a sweep, with at least one run`,
    );
  return rows;
}

async function paperCommand(words: readonly string[], options: PaperOptions): Promise<number> {
  const wanted = readWanted(words, options.picture !== undefined);
  const { architectureTable, paperRows } = await import('../../paper/rows.js');
  const { paperData } = await import('../../paper/node/paper-data.js');
  const render = await import('../../paper/render.js');
  const { accuracyAgainstLatency, accuracyAgainstMacs } = await import('../../paper/figures.js');
  if (options.out) await mkdir(options.out, { recursive: true });
  const trained = options.trained === undefined ? paperData('trained') : await trainedRows(options.trained);
  const data = [paperData('rows'), trained] as const;
  const counted = new Map(wanted.tables.filter((n) => n > 2 && n < 8).map((n) => [n, paperRows(...data, n)]));
  if (options.json) {
    printJson({ tables: Object.fromEntries(counted) });
    return exitCodes.ok;
  }
  const { picture } = options;
  const pictures = picture === undefined ? undefined : await import('./paper/pictures.js');
  const given = { ...options, picture: picture ?? '' };
  const needsToy = wanted.tables.includes(2) || wanted.figures.includes(1);
  const toy = needsToy ? await pictures?.measureToy(given) : undefined;
  const rendered: RenderedTable[] = [];
  for (const n of wanted.tables) {
    if (n === 1) rendered.push(render.architecture(architectureTable()));
    else if (n === 8) rendered.push((await import('../../paper/detection.js')).detectionTable(data[0]));
    else if (n > 2) rendered.push(render.countsTable(n, counted.get(n) ?? []));
    else if (pictures && toy) rendered.push(pictures.toyTable(toy));
  }
  const drawn: Figure[] = [];
  if (pictures && toy && wanted.figures.includes(1)) drawn.push(await pictures.pairsFigure(toy));
  if (pictures && wanted.figures.includes(4)) drawn.push(await pictures.ghostsFigure(given));
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
  await writePages(options.out, rendered, drawn, picture !== undefined);
  return exitCodes.ok;
}

const intro =
  'The tables and figures of "GhostNet: More Features from Cheap Operations" (CVPR 2020), made by `ghostnet paper`: this package\'s numbers ' +
  'beside the paper\'s. Params and MACs are counts, exact; "printed digits" says that a count rounds to what the paper prints. An accuracy ' +
  '"here" was trained by this package; else it says what is missing: training (CIFAR-10, on any machine), ImageNet (data, weights or a ' +
  'training of days), or a network that nobody published. Figure 7 is measured on the machine it names. ';

/** Table 2 and figures 1 and 4, which are measured on a picture. */
const introWithPicture = 'Table 2 and figures 1 and 4 are measured on the picture that was given.';
const introWithout =
  "Table 2 and figures 1 and 4 are measured on a picture of one's own: `ghostnet paper all --picture photo.jpg --out paper/`.";

async function writePages(
  out: string,
  rendered: readonly RenderedTable[],
  drawn: readonly Figure[],
  ofPicture: boolean,
): Promise<void> {
  const { htmlPage, markdownPage } = await import('../../paper/render.js');
  const text = intro + (ofPicture ? introWithPicture : introWithout);
  const { writeFileAtomically } = await import('../../formats/node/model-file.js');
  for (const { file, svg } of drawn) await writeFileAtomically(join(out, file), `${svg}\n`);
  await writeFileAtomically(
    join(out, 'paper.md'),
    markdownPage(rendered, drawn, { intro: text, folder: '' }),
  );
  await writeFileAtomically(join(out, 'index.html'), htmlPage(rendered, drawn, text));
  const files = ['index.html', 'paper.md', ...drawn.map(({ file }) => file)];
  print(`wrote ${files.map((file) => join(out, file)).join(', ')}`);
}
