/**
 * Comma-separated values (RFC 4180) to rows by column name and back. Quotes and line breaks inside quotes are
 * understood; everything is text.
 */
export type CsvRow = Readonly<Record<string, string>>;

/** All cells of a text, line by line. */
function cells(text: string): string[][] {
  const lines: string[][] = [[]];
  let cell = '';
  let quoted = false;
  const end = (): void => {
    lines.at(-1)?.push(cell);
    cell = '';
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted && character === '"' && text[i + 1] === '"') {
      cell += '"';
      i++;
    } else if (character === '"') quoted = !quoted;
    else if (character === ',' && !quoted) end();
    else if (character === '\n' && !quoted) {
      end();
      lines.push([]);
    } else if (character !== '\r' || quoted) cell += character;
  }
  if (cell !== '' || (lines.at(-1)?.length ?? 0) > 0) end();
  return lines.filter((line) => line.length > 0 && line.join('') !== '');
}

/** Rows under the names of the first line; cells that a line lacks are empty. */
export function readCsv(text: string): CsvRow[] {
  const [header = [], ...lines] = cells(text);
  return lines.map((line) => Object.fromEntries(header.map((name, i) => [name, line[i] ?? ''])));
}

function quote(cell: string): string {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** One line, with its line break. */
export function csvLine(values: readonly (string | number)[]): string {
  return `${values.map((value) => quote(String(value))).join(',')}\n`;
}
