/**
 * Puts files into a folder together: all are written beside it first, in a folder of their own, and only when every one is
 * there are they moved to their places. A full disk or Ctrl-C leaves the folder as it was. Knows nothing of networks.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { lstat, mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EnvironmentError, errorCode } from '../../errors.js';
import { makeFolder } from '../../formats/node/make-folder.js';

async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Throws where a file cannot take its place, before any has moved. */
async function checkPlace(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new Error(`a folder is in the way: "${path}"`);
}

/** Removes the folders from `folder` up to `first`, as far as they are empty. */
async function removeEmpty(folder: string, first: string | undefined): Promise<void> {
  if (first === undefined) return;
  const top = resolve(first);
  for (let at = resolve(folder); at.startsWith(top); at = dirname(at)) {
    if (
      !(await rmdir(at).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

/**
 * Writes `files` into `folder`, which is made when it is not there, in their order; then removes those named in `stale`
 * that are there. Throws EnvironmentError `DISK_FULL` or `FILE_UNWRITABLE`; then nothing has changed, unless a disk that
 * could be written a moment ago refuses to rename.
 */
export async function writeFolderAtomically(
  folder: string,
  files: ReadonlyMap<string, Uint8Array | string>,
  stale: readonly string[] = [],
): Promise<void> {
  const stage = join(folder, `.ghostnet-${randomBytes(6).toString('hex')}.tmp`);
  // Ctrl-C ends the process inside of an await
  const atExit = (): void => rmSync(stage, { recursive: true, force: true });
  process.on('exit', atExit);
  let made: string | undefined;
  try {
    made = await makeFolder(folder);
    await mkdir(stage);
    for (const [name, content] of files) await writeWhole(join(stage, name), content);
    for (const name of files.keys()) await checkPlace(join(folder, name));
    for (const name of files.keys()) await rename(join(stage, name), join(folder, name));
    for (const name of stale) if (!files.has(name)) await rm(join(folder, name), { force: true });
    await rmdir(stage);
  } catch (cause) {
    await rm(stage, { recursive: true, force: true }).catch(() => {});
    await removeEmpty(folder, made);
    if (cause instanceof EnvironmentError) throw cause;
    const code = errorCode(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new EnvironmentError('DISK_FULL', `"${folder}": no space left on the disk; nothing was changed`, {
        cause,
      });
    throw new EnvironmentError('FILE_UNWRITABLE', `"${folder}": ${(cause as Error).message}`, { cause });
  } finally {
    process.off('exit', atExit);
  }
}
