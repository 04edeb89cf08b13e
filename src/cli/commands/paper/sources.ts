/** Tables that `ghostnet paper` takes from elsewhere: latency that was saved or is measured now, accuracies of a sweep. */
import { FormatError } from '../../../errors.js';
import { readBytes } from '../../../formats/node/model-file.js';
import { type CsvRow, readCsv } from '../../../paper/csv.js';
import { paperData } from '../../../paper/node/paper-data.js';
import { writeFolderAtomically } from '../../../ship/node/stage-folder.js';
import { progress } from '../../output/progress.js';

/** Rows of a CSV file that must have these columns and at least one row. */
async function readRows(
  file: string,
  columns: readonly string[],
  otherwise: { readonly code: string; readonly expected: string },
): Promise<CsvRow[]> {
  const rows = readCsv(new TextDecoder().decode(await readBytes(file)));
  const missing = columns.filter((name) => rows[0]?.[name] === undefined);
  if (missing.length > 0)
    throw new FormatError(
      otherwise.code,
      `"${file}": no ${missing.join(', ')}; expected ${otherwise.expected}`,
    );
  return rows;
}

/** A sweep's results, or this package's own. Throws FormatError `TRAINED_COLUMNS` for another kind of table. */
export async function trainedRows(file: string | undefined): Promise<CsvRow[]> {
  if (file === undefined) return paperData('trained');
  return readRows(file, ['model', 'ratio', 'cheapKernel', 'epochs', 'trainedOn', 'top1'], {
    code: 'TRAINED_COLUMNS',
    expected: 'the results.csv of a sweep, with at least one run',
  });
}

/**
 * Latency of table 7's networks: measured now, from a file, or as saved with the package. Throws FormatError
 * `LATENCY_COLUMNS` for another kind of table.
 */
export async function latencyRows(
  models: readonly string[],
  options: {
    readonly measure?: boolean;
    readonly latency?: string;
    readonly rounds: number;
    readonly out?: string;
  },
): Promise<CsvRow[]> {
  if (options.measure) {
    const { measureLatency } = await import('./latency.js');
    const line = progress('measuring', options.rounds);
    try {
      const text = await measureLatency(models, { rounds: options.rounds, onRound: line.update });
      if (options.out !== undefined)
        await writeFolderAtomically(options.out, new Map([['latency.csv', text]]));
      return readCsv(text);
    } finally {
      line.stop();
    }
  }
  if (options.latency === undefined) return paperData('latency');
  return readRows(options.latency, ['model', 'medianMs', 'rounds', 'cpu', 'node', 'date'], {
    code: 'LATENCY_COLUMNS',
    expected: 'the latency.csv that --measure writes',
  });
}
