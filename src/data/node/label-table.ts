/**
 * Files of labels: `file label` rows (a class index, a class name or a WordNet id; ILSVRC's lists), or a list of
 * classes with their WordNet ids (`index id name`). Columns are parted by tabs, commas or spaces; a heading is skipped.
 */
import { extname } from 'node:path';
import { FormatError } from '../../errors.js';
import { pictureExtensions } from './decode.js';

export interface LabelTable {
  /** Label of a picture file: class index, or name, or id. */
  readonly files: ReadonlyMap<string, number | string>;
  /** Class index of a WordNet id. */
  readonly ids: ReadonlyMap<string, number> | undefined;
}

function columns(line: string): string[] {
  const separator = line.includes('\t') ? '\t' : line.includes(',') ? ',' : /\s+/;
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}

/** Throws FormatError `DATA_LABELS` with the line that cannot be read. */
export function parseLabels(text: string, file: string): LabelTable {
  const files = new Map<string, number | string>();
  const ids = new Map<string, number>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === '') return;
    const cells = columns(line);
    const [first = '', ...others] = cells;
    const id = cells.find((cell) => /^n\d{8}$/.test(cell));
    const index = cells.find((cell) => /^\d+$/.test(cell));
    if (pictureExtensions.has(extname(first).toLowerCase()) && others[0]) {
      const label = separatorIsSpace(line) ? others.join(' ') : others[0];
      files.set(first, /^\d+$/.test(label) ? Number(label) : label);
    } else if (id !== undefined && index !== undefined) ids.set(id, Number(index));
    else if (id !== undefined && /^n\d{8}/.test(first)) ids.set(id, ids.size);
    else if (i > 0)
      throw new FormatError(
        'DATA_LABELS',
        `${file}:${i + 1}: given ${JSON.stringify(line.slice(0, 60))}, expected "picture.jpg label" or "index n01234567 name"`,
      );
  });
  if (files.size + ids.size === 0) throw new FormatError('DATA_LABELS', `${file}: no label is in this file`);
  return { files, ids: ids.size > 0 ? ids : undefined };
}

function separatorIsSpace(line: string): boolean {
  return !line.includes('\t') && !line.includes(',');
}
