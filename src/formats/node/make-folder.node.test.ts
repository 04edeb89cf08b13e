import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder } from './make-folder.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ghostnet-folder-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('makeFolder', () => {
  it('makes what is missing and names the first of it', async () => {
    expect(await makeFolder(join(root, 'a/b/c'))).toBe(join(root, 'a'));
    expect(await makeFolder(join(root, 'a/b/d'))).toBe(join(root, 'a/b/d'));
    expect(await makeFolder(join(root, 'a/b/d'))).toBe(undefined);
    expect((await readdir(join(root, 'a/b'))).sort()).toEqual(['c', 'd']);
  });

  it('lets many make one folder at once', async () => {
    await Promise.all(Array.from({ length: 8 }, () => makeFolder(join(root, 'many/at/once'))));
    expect(await readdir(join(root, 'many/at'))).toEqual(['once']);
  });

  it('a file in the way, or a name that cannot be: one error, and nothing stays', async () => {
    await writeFile(join(root, 'file'), '');
    const unwritable = expect.objectContaining({ code: 'FILE_UNWRITABLE' });
    await expect(makeFolder(join(root, 'file/below'))).rejects.toEqual(unwritable);
    await expect(makeFolder(join(root, 'file'))).rejects.toEqual(unwritable);
    await expect(makeFolder(join(root, 'new', 'x'.repeat(300)))).rejects.toEqual(unwritable);
    expect(await readdir(root)).not.toContain('new');
  });

  // where Node's recursive mkdir never comes back
  it.runIf(process.platform === 'linux')('below /proc: an error', async () => {
    for (const folder of ['/proc/ghostnet', '/proc/ghostnet/below'])
      await expect(makeFolder(folder)).rejects.toMatchObject({
        code: 'FILE_UNWRITABLE',
        message: expect.stringContaining(folder),
      });
  });
});
