/** What a full or failing disk leaves behind: nothing, and the old file as it was. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { errorCode } from '../../errors.js';
import { writeFileAtomically } from './model-file.js';

const failing = vi.hoisted(() => ({ at: '', code: '' }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const raise = (): never => {
    throw Object.assign(new Error(`${failing.code}: made to fail`), { code: failing.code });
  };
  return {
    ...real,
    rename: async (from: string, to: string) => (failing.at === 'rename' ? raise() : real.rename(from, to)),
    open: async (path: string, flags: string) => {
      const handle = await real.open(path, flags);
      if (failing.at === 'write')
        handle.writeFile = async (content) => {
          // half of it fits, as on a disk that fills up
          const { bytesWritten } = await handle.write(
            content as Uint8Array,
            0,
            (content as Uint8Array).length >> 1,
          );
          expect(bytesWritten).toBeGreaterThan(0);
          raise();
        };
      if (failing.at === 'sync') handle.sync = async () => raise();
      return handle;
    },
  };
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-atomic-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ['write', 'ENOSPC', 'DISK_FULL'],
  ['sync', 'EIO', 'FILE_UNWRITABLE'],
  ['rename', 'EPERM', 'FILE_UNWRITABLE'],
  ['write', 'EDQUOT', 'DISK_FULL'],
])('a failing %s (%s) leaves the old file and nothing else', async (at, code, expected) => {
  const path = join(folder, 'model');
  failing.at = '';
  await writeFile(path, 'old');
  Object.assign(failing, { at, code });
  const outcome = await writeFileAtomically(path, new Uint8Array(1000)).catch(errorCode);
  failing.at = '';
  expect(outcome).toBe(expected);
  expect(await readdir(folder)).toEqual(['model']);
  expect(await readFile(path, 'utf8')).toBe('old');
  await writeFileAtomically(path, 'new');
  expect(await readFile(path, 'utf8')).toBe('new');
});
