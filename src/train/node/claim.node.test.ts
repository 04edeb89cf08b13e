import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Claim, claim } from './claim.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-claim-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const dead = 999_999_999;
const fileOf = (name: string) => join(folder, name);
const write = (name: string, owners: readonly { pid: number; mark: string }[], host = hostname()) =>
  writeFile(fileOf(name), JSON.stringify({ host, owners }));
const got = async (name: string): Promise<Claim> => {
  const held = await claim(fileOf(name));
  if (!('release' in held)) throw new Error(`${name} is held by ${held.by}`);
  return held;
};

describe('claim', () => {
  it('is refused while its process lives, and free when it was given back', async () => {
    const first = await got('held');
    expect(await claim(fileOf('held'))).toEqual({ by: `process ${process.pid}`, orphaned: false });
    await first.release();
    await got('held');
  });

  it('is taken over when its processes are gone', async () => {
    await write('gone', [
      { pid: dead, mark: '' },
      { pid: dead - 1, mark: '' },
    ]);
    await got('gone');
    expect(JSON.parse(await readFile(fileOf('gone'), 'utf8')).owners).toMatchObject([{ pid: process.pid }]);
  });

  it('holds while a child lives whose parent is gone, and says that it is orphaned', async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)']);
    try {
      const mine = await got('orphan');
      await mine.add(child.pid ?? 0);
      const { host, owners } = JSON.parse(await readFile(fileOf('orphan'), 'utf8'));
      await write('orphan', [{ pid: dead, mark: '' }, owners[1]], host);
      expect(await claim(fileOf('orphan'))).toEqual({ by: `process ${child.pid}`, orphaned: true });
    } finally {
      child.kill('SIGKILL');
    }
    await once(child, 'exit');
    await got('orphan');
  });

  it.runIf(process.platform === 'linux')('is not held by a later process with the same number', async () => {
    await write('reused', [{ pid: process.pid, mark: 'another-boot 12345' }]);
    await got('reused');
  });

  it('of another machine, or in the making, is left alone', async () => {
    await write('far', [{ pid: dead, mark: '' }], 'elsewhere');
    expect(await claim(fileOf('far'))).toMatchObject({ by: 'a process on elsewhere' });
    await writeFile(fileOf('new'), '');
    expect(await claim(fileOf('new'))).toMatchObject({ by: 'a process that is starting' });
    const before = new Date(Date.now() - 60_000);
    await utimes(fileOf('new'), before, before);
    await got('new');
  });
});
