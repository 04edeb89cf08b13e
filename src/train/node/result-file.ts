/** A CSV file that several processes of one machine append to: each line is added whole, under a claim (claim.ts). */
import { appendFile, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../../errors.js';
import { claim } from './claim.js';

/**
 * Appends a whole line, its line break included; `header` goes first into a new file. Waits for other writers.
 * Throws EnvironmentError `RESULTS_LOCKED` when one holds the file for 30 s.
 */
export async function appendLine(file: string, line: string, header: string): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const held = await claim(`${file}.lock`);
    if ('release' in held) {
      try {
        const there = await readFile(file, 'utf8').catch(() => '');
        await appendFile(file, there === '' ? header + line : line);
        return;
      } finally {
        await held.release();
      }
    }
    await sleep(20);
  }
  throw new EnvironmentError(
    'RESULTS_LOCKED',
    `"${file}": another process has held its lock for 30 s; if none is running, remove "${file}.lock"`,
  );
}
