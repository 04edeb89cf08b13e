/**
 * Makes a folder with those above it, one by one. Node's own recursive mkdir never returns where the system says that a place
 * does not exist although its folder does, as below /proc.
 */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { EnvironmentError } from '../../errors.js';

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function explain(folder: string, cause: NodeJS.ErrnoException): EnvironmentError {
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')
    return new EnvironmentError('DISK_FULL', `"${folder}": no space left on the disk`, { cause });
  return new EnvironmentError(
    'FILE_UNWRITABLE',
    `"${folder}": this folder cannot be made: ${cause.message}`,
    {
      cause,
    },
  );
}

/**
 * Gives the first folder that was missing, or undefined when all were there. Throws EnvironmentError `DISK_FULL` or
 * `FILE_UNWRITABLE`; then none that it made is left.
 */
export async function makeFolder(folder: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = resolve(folder); !(await isFolder(at)) && dirname(at) !== at; at = dirname(at))
    missing.unshift(at);
  const made: string[] = [];
  for (const path of missing)
    try {
      await mkdir(path);
      made.unshift(path);
    } catch (cause) {
      // another process may have made it meanwhile
      if (await isFolder(path)) continue;
      for (const empty of made) await rmdir(empty).catch(() => {});
      throw explain(folder, cause as NodeJS.ErrnoException);
    }
  return missing[0];
}
