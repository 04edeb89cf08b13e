/**
 * Downloads one file into the cache: resumes what is there, retries what may pass, checks the whole, and only then
 * gives the file its name. What to download is pull.ts's business.
 */
import { rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError } from '../../errors.js';
import { gitBlobSha1, sha256 } from './checksum.js';
import { makeFolder } from './make-folder.js';
import { PartFile } from './part-file.js';
import type { Checksum } from './pull-registry.js';
import { type PullProgress, transfer, Unfinished } from './transfer.js';

export interface DownloadOptions {
  readonly checksum: Checksum;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Further attempts after one that broke off. Default 4. */
  readonly retries?: number;
  /** Wait before the first further attempt, doubled each time. Default 500 ms. */
  readonly retryDelayMs?: number;
  /** Default 30,000 ms. */
  readonly idleTimeoutMs?: number;
}

/** How a file was checked; 'size only' when neither this package nor the server knows a checksum. */
export type Verified = 'git blob' | 'sha256' | 'sha256 stated by the server' | 'size only';

/** Problems that no new connection mends: the machine is offline or a name is wrong. */
const offlineCodes =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ENETDOWN|UND_ERR_CONNECT_TIMEOUT/;

/**
 * Fetches `url` to `file`. Throws EnvironmentError `PULL_ABORTED` (a part is kept), `PULL_OFFLINE`, `PULL_BROKEN_OFF`
 * (a part is kept), `PULL_CHECKSUM` (nothing is kept), `PULL_NOT_FOUND`, `PULL_REFUSED`, `PULL_TOO_LARGE`,
 * `DISK_FULL` or `FILE_UNWRITABLE`.
 */
export async function download(url: string, file: string, options: DownloadOptions): Promise<Verified> {
  let part: PartFile;
  try {
    await makeFolder(dirname(file));
    part = await PartFile.take(file);
  } catch (cause) {
    throw explain(cause, url, file);
  }
  let whole: Verified;
  try {
    whole = await fetchWhole(part, url, file, options);
    await part.finish(file);
  } catch (cause) {
    const error = explain(cause, url, file, options.signal, part.length);
    const keep = ['PULL_ABORTED', 'PULL_OFFLINE', 'PULL_BROKEN_OFF'].includes(error.code);
    await (keep ? part.leave() : part.discard()).catch(() => {});
    throw error;
  }
  return whole;
}

/** Until the part holds the whole file and its checksum is right. */
async function fetchWhole(
  part: PartFile,
  url: string,
  file: string,
  options: DownloadOptions,
): Promise<Verified> {
  const { checksum, maxBytes, signal, onProgress, retries = 4, retryDelayMs = 500 } = options;
  let freshStarts = 0;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    const before = part.length;
    try {
      await transfer(part, {
        url,
        maxBytes,
        willBeChecked: checksum.kind !== 'hub' || part.origin?.sha256 !== undefined,
        signal,
        onProgress,
        idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
      });
    } catch (cause) {
      const mendable = cause instanceof Unfinished || isBrokenStream(cause);
      if (!mendable || signal?.aborted) throw cause;
      // progress earns patience: only attempts that brought nothing are counted
      if (part.length > before) attempt = Math.max(-1, attempt - 1);
      if (attempt >= retries)
        throw cause instanceof Unfinished ? cause : new Unfinished('the connection broke off', { cause });
      await sleep(retryDelayMs * 2 ** Math.max(0, attempt), undefined, signal ? { signal } : {});
      continue;
    }
    const resumed = before > 0;
    const { verified, expected, given } = await check(part, checksum);
    if (expected === given) return verified;
    // a part of an older file, or one damaged on disk: once more from the start
    if (resumed && freshStarts++ === 0) {
      await part.restart(undefined);
      continue;
    }
    throw new EnvironmentError(
      'PULL_CHECKSUM',
      `pull: ${url}: checksum (${verified}): given ${given}, expected ${expected}; the file was changed or damaged on its way, ` +
        `so nothing was kept at "${file}"; try again, and on another network if it stays`,
    );
  }
}

async function check(
  part: PartFile,
  checksum: Checksum,
): Promise<{ verified: Verified; expected: string; given: string }> {
  if (checksum.kind === 'gitBlob')
    return { verified: 'git blob', expected: checksum.sha1, given: await gitBlobSha1(part.path) };
  const known = checksum.kind === 'sha256' ? checksum.sha256 : part.origin?.sha256;
  if (known === undefined) return { verified: 'size only', expected: '', given: '' };
  const verified = checksum.kind === 'sha256' ? 'sha256' : 'sha256 stated by the server';
  return { verified, expected: known, given: await sha256(part.path) };
}

/** fetch reports a body that breaks off as a TypeError "terminated" whose cause names the socket's problem. */
function isBrokenStream(error: unknown): boolean {
  return error instanceof TypeError && (error.message === 'terminated' || error.cause !== undefined);
}

function explain(
  cause: unknown,
  url: string,
  file: string,
  signal?: AbortSignal,
  received = 0,
): EnvironmentError {
  if (cause instanceof EnvironmentError) return cause;
  const { message } = cause as Error;
  const { code } = cause as NodeJS.ErrnoException;
  if (signal?.aborted)
    return new EnvironmentError(
      'PULL_ABORTED',
      `pull: stopped after ${received} bytes of ${url}; pull again to go on from there`,
      { cause },
    );
  if (cause instanceof Unfinished && offlineCodes.test(message))
    return new EnvironmentError(
      'PULL_OFFLINE',
      `pull: ${new URL(url).host} cannot be reached (${message}); check the network, or fetch ${url} elsewhere and put it at "${file}"`,
      { cause },
    );
  if (cause instanceof Unfinished)
    return new EnvironmentError(
      'PULL_BROKEN_OFF',
      `pull: ${url}: ${message}, after several attempts; ${received} bytes are kept: pull again to go on from there`,
      { cause },
    );
  if (code === 'ENOSPC')
    return new EnvironmentError('DISK_FULL', `pull: "${file}": no space left on the disk; nothing was kept`, {
      cause,
    });
  return new EnvironmentError('FILE_UNWRITABLE', `pull: "${file}": ${message}`, { cause });
}

/** Whether the file is there and still right; a damaged one is removed. `stated` is what the server once said. */
export async function isIntact(
  file: string,
  checksum: Checksum,
  stated: string | undefined,
): Promise<Verified | undefined> {
  const there = await stat(file).then(
    (entry) => entry.isFile(),
    () => false,
  );
  if (!there) return undefined;
  if (checksum.kind === 'gitBlob') {
    if ((await gitBlobSha1(file)) === checksum.sha1) return 'git blob';
  } else {
    const known = checksum.kind === 'sha256' ? checksum.sha256 : stated;
    if (known === undefined) return 'size only';
    if ((await sha256(file)) === known)
      return checksum.kind === 'sha256' ? 'sha256' : 'sha256 stated by the server';
  }
  await rm(file, { force: true });
  return undefined;
}
