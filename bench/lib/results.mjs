/**
 * Saved measurements: CSV files under bench/results/ that open with comment lines, `# key: value`, about the machine, the
 * versions and the command. Written to a temporary name, then renamed.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

export { listOption, numberOption } from './options.mjs';

export const resultsFolder = new URL('../results/', import.meta.url);

/** What is known of the machine that measures. */
export function thisMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    os: `${process.platform} ${process.arch}`,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Rows with the same keys, in the first row's order. */
export function saveResults(name, facts, rows) {
  mkdirSync(resultsFolder, { recursive: true });
  const columns = Object.keys(rows[0]);
  const cell = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value);
  const lines = [
    ...Object.entries(facts).map(([key, value]) => `# ${key}: ${value}`),
    columns.join(','),
    ...rows.map((row) => columns.map((column) => cell(row[column] ?? '')).join(',')),
  ];
  const path = new URL(name, resultsFolder);
  writeFileSync(new URL(`${name}.tmp`, resultsFolder), `${lines.join('\n')}\n`);
  renameSync(new URL(`${name}.tmp`, resultsFolder), path);
  console.log(`saved bench/results/${name}`);
}

/** { facts, rows } of a saved file; numbers are numbers. */
export function readResults(name) {
  const lines = readFileSync(new URL(name, resultsFolder), 'utf8').trimEnd().split('\n');
  const facts = {};
  while (lines[0].startsWith('# ')) {
    const [, key, value] = /^# (\w+): (.*)$/.exec(lines.shift()) ?? [];
    if (key) facts[key] = value;
  }
  const columns = lines.shift().split(',');
  const rows = lines.map((line) => {
    const cells = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, text]) =>
      text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text,
    );
    return Object.fromEntries(
      columns.map((column, i) => [
        column,
        cells[i] === '' || Number.isNaN(Number(cells[i])) ? cells[i] : Number(cells[i]),
      ]),
    );
  });
  return { facts, rows };
}
