/**
 * Options of the measurements. Importing this is enough for `--help`, which prints the script's opening comment, and for a
 * clear end (exit code 2) where an option is not known: a script knows those that its text names.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = resolve(process.argv[1] ?? '');
if (dirname(script) === resolve(dirname(fileURLToPath(import.meta.url)), '..')) checkCommandLine();

function checkCommandLine() {
  const text = readFileSync(script, 'utf8');
  const given = process.argv.slice(2).filter((word) => /^-./.test(word));
  if (given.some((word) => word === '--help' || word === '-h')) {
    const [, comment] = /^\/\*\*\n(.*?)\n \*\//s.exec(text);
    console.log(comment.replaceAll(/^ \* ?/gm, ''));
    process.exit(0);
  }
  const known = new Set(text.match(/--[a-z][a-z-]*/g));
  const unknown = given.find((word) => !known.has(word));
  if (unknown) fail(`${unknown} is not known`);
}

function fail(why) {
  console.error(`${basename(script)}: ${why}; see "node bench/${basename(script)} --help"`);
  process.exit(2);
}

function textOf(name) {
  const at = process.argv.indexOf(name);
  if (at < 0) return undefined;
  const value = process.argv[at + 1];
  if (value === undefined || value.startsWith('--')) fail(`${name} needs a value`);
  return value;
}

/** The value of an option such as --rounds, a positive number. */
export function numberOption(name, standard) {
  const value = textOf(name);
  if (value === undefined) return standard;
  if (!(Number(value) > 0)) fail(`${name} ${value}: expected a number above 0`);
  return Number(value);
}

/** The value of an option such as --only, split at commas; with `known`, every part must be one of these. */
export function listOption(name, known) {
  const parts = textOf(name)?.split(',');
  const wrong = known && parts?.find((part) => !known.includes(part));
  if (wrong !== undefined) fail(`${name} ${wrong}: expected ${known.join(', ')}`);
  return parts;
}
