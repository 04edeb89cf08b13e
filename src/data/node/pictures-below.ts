/** The picture files below a folder, also behind symbolic links, as large data sets are often laid out. Decodes none. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pictureExtensions } from './decode.js';

/** Whether an entry of `parent` is a folder or a link to one. A link to nothing is not. */
export async function isFolder(entry: Dirent, parent: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const target = await stat(join(parent, entry.name)).catch(() => undefined);
  return target?.isDirectory() ?? false;
}

/** Paths of all pictures below `folder`, sorted; a folder that contains itself through a link is visited once. */
export async function picturesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (at: string, above: ReadonlySet<string>): Promise<void> => {
    const real = await realpath(at);
    if (above.has(real)) return;
    const inside = new Set([...above, real]);
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (await isFolder(entry, at)) await walk(path, inside);
      else if (pictureExtensions.has(extname(entry.name).toLowerCase())) found.push(path);
    }
  };
  await walk(folder, new Set());
  return found.sort();
}
