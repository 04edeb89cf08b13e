/** A folder is written together: whatever stops that, the old files are there as they were, and nothing else. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { errorCode } from '../../errors.js';
import { writeFolderAtomically } from './stage-folder.js';

const failing = vi.hoisted(() => ({ at: -1, code: '' }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  let opened = 0;
  return {
    ...real,
    open: async (path: string, flags: string) => {
      const handle = await real.open(path, flags);
      if (failing.at >= 0 && opened++ % 3 === failing.at)
        handle.writeFile = async () => {
          throw Object.assign(new Error('made to fail'), { code: failing.code });
        };
      return handle;
    },
  };
});

let root: string;
beforeEach(async () => {
  failing.at = -1;
  root = await mkdtemp(join(tmpdir(), 'ghostnet-stage-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const files = new Map([
  ['a.txt', 'new a'],
  ['b.txt', 'new b'],
  ['c.txt', 'new c'],
]);
const contents = async (folder: string): Promise<Record<string, string>> => {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  );
};

it('replaces, adds, and removes what is stale', async () => {
  await writeFile(join(root, 'a.txt'), 'old a');
  await writeFile(join(root, 'old.txt'), 'old');
  await writeFile(join(root, 'mine.txt'), 'mine');
  await writeFolderAtomically(root, files, ['old.txt', 'b.txt', 'never.txt']);
  expect(await contents(root)).toEqual({ ...Object.fromEntries(files), 'mine.txt': 'mine' });
});

it.each([
  [0, 'ENOSPC', 'DISK_FULL'],
  [2, 'EDQUOT', 'DISK_FULL'],
  [1, 'EIO', 'FILE_UNWRITABLE'],
])('file %i fails (%s): nothing has changed', async (at, code, expected) => {
  await writeFile(join(root, 'a.txt'), 'old a');
  Object.assign(failing, { at, code });
  expect(await writeFolderAtomically(root, files, ['a.txt']).catch(errorCode)).toBe(expected);
  expect(await contents(root)).toEqual({ 'a.txt': 'old a' });
  const deep = join(root, 'not/there/yet');
  expect(await writeFolderAtomically(deep, files).catch(errorCode)).toBe(expected);
  expect(await contents(root)).toEqual({ 'a.txt': 'old a' });
});

it('a folder in the place of the last file: nothing has changed', async () => {
  await mkdir(join(root, 'c.txt'));
  expect(await writeFolderAtomically(root, files).catch(errorCode)).toBe('FILE_UNWRITABLE');
  expect(await readdir(root)).toEqual(['c.txt']);
});

it('a process that ends in the middle, as Ctrl-C ends a command, leaves nothing behind', async () => {
  const built = join(import.meta.dirname, '../../../dist/ship/node/stage-folder.js');
  const program = `import { readdirSync } from 'node:fs';
    const { writeFolderAtomically } = await import(${JSON.stringify(pathToFileURL(built).href)});
    const files = new Map(Array.from({ length: 200 }, (_, i) => ['f' + i, 'x'.repeat(100_000)]));
    void writeFolderAtomically(${JSON.stringify(root)}, files);
    const look = () => {
      const [stage] = readdirSync(${JSON.stringify(root)});
      if (stage && readdirSync(${JSON.stringify(root)} + '/' + stage).length > 3) process.exit(stage.endsWith('.tmp') ? 130 : 1);
      setImmediate(look);
    };
    look();`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 130, stderr: '' });
  expect(await readdir(root)).toEqual([]);
});
