/**
 * A CSV file that several processes append to, and claims on pieces of work, on one file system: a claim is a file that
 * only one can create; a line is appended under such a claim. A claim whose process is gone is void.
 */
import { appendFile, open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError, errorCode } from '../../errors.js';

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/**
 * Claims `file`: resolves to a function that gives the claim back, or to undefined when a living process has it. The
 * claim of a process that is gone is taken over.
 */
export async function claim(file: string): Promise<(() => Promise<void>) | undefined> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      const owner = Number(await readFile(file, 'utf8').catch(() => ''));
      // a claim without a number yet is being written by a living process
      if (owner === 0 || alive(owner)) return undefined;
      await rm(file, { force: true });
    }
  }
  return undefined;
}

/** Appends a whole line, its line break included; `header` goes first into a new file. Waits for other writers. */
export async function appendLine(file: string, line: string, header: string): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const release = await claim(`${file}.lock`);
    if (release) {
      try {
        const there = await readFile(file, 'utf8').catch(() => '');
        await appendFile(file, there === '' ? header + line : line);
        return;
      } finally {
        await release();
      }
    }
    await sleep(20);
  }
  throw new EnvironmentError(
    'RESULTS_LOCKED',
    `"${file}": another process has held its lock for 30 s; if none is running, remove "${file}.lock"`,
  );
}
