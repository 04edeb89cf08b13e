/**
 * What the commands write and how: plain text to stdout, everything about progress and trouble to stderr, colours on a
 * terminal only (never with NO_COLOR), tables and bars. Knows no command and no network.
 */
import picocolors from 'picocolors';

type Colors = ReturnType<typeof picocolors.createColors>;

function colored(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, TERM } = process.env;
  return Boolean(stream.isTTY) && !NO_COLOR && TERM !== 'dumb';
}

/** Colours for stdout: functions that leave text as it is when stdout is no terminal. */
export const outColors: Colors = picocolors.createColors(colored(process.stdout));
/** Colours for stderr. */
export const errorColors: Colors = picocolors.createColors(colored(process.stderr));

/** Writes a line to stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line to stderr. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The one thing that a `--json` command writes to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours start with the escape character
const colorCodes = /\x1b\[\d+m/g;

/** Columns that a text takes on a terminal, colours not counted. */
export function visibleLength(text: string): number {
  return [...text.replace(colorCodes, '')].length;
}

/** Rows as aligned columns, two spaces apart; `align` has one letter a column: l or r. No trailing spaces. */
export function table(rows: readonly (readonly string[])[], align: string): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
    });
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const fill = ' '.repeat(widths[column]! - visibleLength(cell));
        return align[column] === 'r' ? fill + cell : cell + fill;
      })
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** A bar for a fraction 0..1, `width` columns, in eighths of a column. */
export function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * width * 8);
  const part = eighths % 8;
  const text = '█'.repeat(eighths >> 3) + (part === 0 ? '' : '▏▎▍▌▋▊▉'[part - 1]!);
  return text + ' '.repeat(width - text.length);
}

/** 1234567 as 1,234,567. */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** 1234567 bytes as 1.23 MB (powers of 1000). */
export function byteSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** Milliseconds with three digits that mean something. */
export function milliseconds(ms: number): string {
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}
