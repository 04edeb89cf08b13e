/**
 * Claims on pieces of work between processes of one machine: a claim is a file that only one can create, and names the
 * processes that work under it (the one that made it, and children that may outlive it). When all of them are gone the
 * claim is void. Not a lock for long waits: who cannot have a claim does something else.
 */
import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../errors.js';
import { writeFileAtomically } from '../../formats/node/model-file.js';

/** A process, and what tells it from a later one with the same number ('' where the system does not say). */
interface Owner {
  readonly pid: number;
  readonly mark: string;
}

interface ClaimFile {
  readonly host: string;
  readonly owners: readonly Owner[];
}

export interface Claim {
  /** The claim holds as long as this process lives too, e.g. a child. */
  readonly add: (pid: number) => Promise<void>;
  readonly release: () => Promise<void>;
}

/** A claim that another process has. */
export interface Held {
  /** For people, e.g. `process 123`. */
  readonly by: string;
  /** Its maker is gone, a process that it started is not yet. */
  readonly orphaned: boolean;
}

/** Files that are being written, and takeovers, last milliseconds; older ones are left behind by a process that died. */
const leftBehindMs = 10_000;

/** When a process started, as Linux counts it since this boot; 'ended' for one that nobody has waited for yet. */
async function markOf(pid: number): Promise<string> {
  try {
    const [boot, line] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // after the name of the program, which is in parentheses and may hold spaces: the state, and 19 fields on the start
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : `${boot.trim()} ${fields[19]}`;
  } catch {
    return '';
  }
}

async function alive({ pid, mark }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) !== 'EPERM') return false;
  }
  const now = await markOf(pid);
  if (now === 'ended') return false;
  return mark === '' || now === '' || mark === now;
}

function textOf(owners: readonly Owner[]): string {
  return `${JSON.stringify({ host: hostname(), owners } satisfies ClaimFile)}\n`;
}

async function olderThanWriting(file: string): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > leftBehindMs;
}

/** Who holds a claim; undefined when it is void. */
async function holderOf(file: string): Promise<Held | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  let claim: ClaimFile;
  try {
    claim = JSON.parse(text) as ClaimFile;
  } catch {
    return (await olderThanWriting(file)) ? undefined : { by: 'a process that is starting', orphaned: false };
  }
  if (claim.host !== hostname()) return { by: `a process on ${claim.host}`, orphaned: false };
  const lives = await Promise.all(claim.owners.map(alive));
  const first = lives.indexOf(true);
  return first < 0 ? undefined : { by: `process ${claim.owners[first]?.pid}`, orphaned: first > 0 };
}

/** Removes a void claim; two that try at once do not remove each other's new one. */
async function removeVoid(file: string): Promise<void> {
  const taking = `${file}.taking`;
  try {
    await (await open(taking, 'wx')).close();
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    if (await olderThanWriting(taking)) await rm(taking, { force: true });
    else await sleep(5);
    return;
  }
  try {
    if ((await holderOf(file)) === undefined) await rm(file, { force: true });
  } finally {
    await rm(taking, { force: true });
  }
}

/** Claims `file`, or says who holds it. A claim whose processes are gone is taken over. */
export async function claim(file: string): Promise<Claim | Held> {
  const owners = [{ pid: process.pid, mark: await markOf(process.pid) }];
  for (;;) {
    try {
      await writeFile(file, textOf(owners), { flag: 'wx' });
      return {
        add: async (pid) => {
          owners.push({ pid, mark: await markOf(pid) });
          await writeFileAtomically(file, textOf(owners));
        },
        release: () => rm(file, { force: true }),
      };
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    const held = await holderOf(file);
    if (held) return held;
    await removeVoid(file);
  }
}
