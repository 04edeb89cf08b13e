/**
 * From the files and folders of a command line to picture files. A file that is named is always taken, whatever it is
 * called; a folder gives the pictures in it and below it by their names' endings, in order of their paths.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pictureExtensions } from '../../data/node/decode.js';
import { EnvironmentError } from '../../errors.js';

/** A picture to look at, or a folder that gave none. */
export type Found = { readonly file: string } | { readonly file: string; readonly error: Error };

/** All pictures, in the order of the arguments. Trouble with a folder is an entry, not an exception. */
export async function findPictures(paths: readonly string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
    if (!isFolder) {
      found.push({ file: path });
      continue;
    }
    try {
      const files = await picturesBelow(path);
      if (files.length === 0)
        throw new EnvironmentError(
          'NO_PICTURES',
          `${path}: no picture in this folder (${[...pictureExtensions].join(', ')})`,
        );
      found.push(...files.map((file) => ({ file })));
    } catch (error) {
      found.push({ file: path, error: error as Error });
    }
  }
  return found;
}

async function picturesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await picturesBelow(path)));
    else if (pictureExtensions.has(extname(entry.name).toLowerCase()) && (await isFile(entry, path)))
      files.push(path);
  }
  return files;
}

/** Links to files count, links to folders do not: they could go round in circles. */
async function isFile(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isFile();
  return stat(path).then(
    (target) => target.isFile(),
    () => false,
  );
}
