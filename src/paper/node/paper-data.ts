/** The CSV files of data/paper, which come with the package. Reads only. */
import { readFileSync } from 'node:fs';
import { EnvironmentError } from '../../errors.js';
import { type CsvRow, readCsv } from '../csv.js';

/** Rows of `rows`, `trained` or `latency`. Throws EnvironmentError `PAPER_DATA_MISSING`. */
export function paperData(name: 'rows' | 'trained' | 'latency'): CsvRow[] {
  const file = new URL(`../../../data/paper/${name}.csv`, import.meta.url);
  try {
    return readCsv(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new EnvironmentError(
      'PAPER_DATA_MISSING',
      `data/paper/${name}.csv is not beside the package's dist folder; install the package anew`,
      { cause },
    );
  }
}
