import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchCifar10 } from '../../src/data/node/fetch-cifar10.js';
import { readModelFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { cifar10Labels } from '../../src/models/ghost-resnet-bn-after.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { LocalServers } from '../local-servers.js';
import { ghostnet } from './run-command.js';
import { drawCifar10, drawFolder, drawnClasses, tinyGraph } from './training-fixtures.js';

let folder: string;
const servers = new LocalServers();
let address: string;
let answer: RequestListener;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });

/** A network with the drawn classes' names, and one with CIFAR-10's. */
async function writeNetworks(): Promise<void> {
  for (const [file, labels, side] of [
    ['three.safetensors', drawnClasses, 16],
    ['ten.safetensors', cifar10Labels, 32],
  ] as const) {
    const graph = tinyGraph(labels.length, side);
    const named = { ...graph, meta: { ...graph.meta, labels } };
    await writeModelFile(join(folder, file), named, initializeWeights(graph, 3));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-eval-'));
  await drawFolder(join(folder, 'photos'), 9);
  await drawCifar10(join(folder, 'cifar'), 33);
  await writeNetworks();
  address = `${await servers.listen((request, response) => answer(request, response))}/cifar.tar.gz`;
});

afterAll(async () => {
  await servers.close();
  await rm(folder, { recursive: true, force: true });
});

interface Printed {
  readonly count: number;
  readonly top1: number;
  readonly top5: number;
  readonly ece: number;
  readonly perClass: readonly { name: string; count: number; accuracy: number | null }[];
  readonly confusion: readonly (readonly number[])[];
}

describe('ghostnet eval', () => {
  it('needs only the test batch of CIFAR-10; its numbers agree with each other', async () => {
    await mkdir(join(folder, 'only'), { recursive: true });
    await writeFile(
      join(folder, 'only/test_batch.bin'),
      await readFile(join(folder, 'cifar/test_batch.bin')),
    );
    const { code, stdout, stderr } = await run('eval', 'ten.safetensors', '--data', 'only', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { count, top1, top5, perClass, confusion, ece } = JSON.parse(stdout) as Printed;
    expect(count).toBe(33);
    expect(perClass.map(({ count: of }) => of)).toEqual([11, 11, 11, 0, 0, 0, 0, 0, 0, 0]);
    const right = confusion.reduce((sum, row, label) => sum + row[label]!, 0);
    expect(top1).toBeCloseTo(right / 33, 12);
    expect(confusion.flat().reduce((a, b) => a + b, 0)).toBe(33);
    expect(top5).toBeGreaterThanOrEqual(top1);
    expect(ece).toBeGreaterThanOrEqual(0);
    expect(perClass[0]!.accuracy).toBeCloseTo(confusion[0]![0]! / 11, 12);
    const text = await run('eval', 'ten.safetensors', '--data', 'only');
    expect(text.stdout).toMatch(/top-1 +\d+\.\d\d %/);
  });

  it('takes class folders by name, WordNet folders in their order, and lists of labels', async () => {
    const byName = await run('eval', 'three.safetensors', '--data', 'photos', '--json');
    const expected = JSON.parse(byName.stdout) as Printed;
    expect(expected).toMatchObject({ count: 27, perClass: [{ count: 9 }, { count: 9 }, { count: 9 }] });
    await drawFolder(join(folder, 'wnids'), 9);
    for (const [i, name] of drawnClasses.entries())
      await rename(join(folder, 'wnids', name), join(folder, `wnids/n0000000${i + 1}`));
    const byId = await run('eval', 'three.safetensors', '--data', 'wnids', '--json');
    expect((JSON.parse(byId.stdout) as Printed).confusion).toEqual(expected.confusion);
    await mkdir(join(folder, 'flat'));
    const rows: string[] = ['file,label'];
    for (const name of drawnClasses)
      for (let i = 0; i < 9; i++) {
        const file = `${name}-${i}.png`;
        await writeFile(
          join(folder, 'flat', file),
          await readFile(join(folder, `photos/${name}/00${i}.png`)),
        );
        rows.push(`${file},${i % 2 === 0 ? drawnClasses.indexOf(name) : name}`);
      }
    await writeFile(join(folder, 'labels.csv'), rows.join('\n'));
    const flat = ['eval', 'three.safetensors', '--data', 'flat', '--json'];
    const byList = await run(...flat, '--labels', 'labels.csv');
    expect((JSON.parse(byList.stdout) as Printed).confusion).toEqual(expected.confusion);
    expect((await run(...flat)).stderr).toMatch(/\[DATA_LABELS\].*give --labels FILE/);
    await writeFile(join(folder, 'labels.csv'), 'file,label\nwhat is this');
    expect((await run(...flat, '--labels', 'labels.csv')).stderr).toMatch(
      /\[DATA_LABELS\]: labels\.csv:2: given/,
    );
  });

  it('follows links to pictures and to class folders, and not round in circles', async () => {
    const plain = await run('eval', 'three.safetensors', '--data', 'photos', '--json');
    const [first, second, third] = drawnClasses as [string, string, string];
    await mkdir(join(folder, 'linked', third), { recursive: true });
    for (const name of [first, second])
      await symlink(join(folder, 'photos', name), join(folder, 'linked', name));
    for (let i = 0; i < 9; i++)
      await symlink(join(folder, `photos/${third}/00${i}.png`), join(folder, `linked/${third}/00${i}.png`));
    await symlink('.', join(folder, 'linked', third, 'itself'));
    const linked = await run('eval', 'three.safetensors', '--data', 'linked', '--json');
    expect(linked.stderr).toBe('');
    expect((JSON.parse(linked.stdout) as Printed).confusion).toEqual(
      (JSON.parse(plain.stdout) as Printed).confusion,
    );
  });

  it('says that a file states no preprocessing, and keeps states of different ones apart', async () => {
    const graph = tinyGraph(drawnClasses.length, 16);
    const bare = { ...graph, meta: { labels: drawnClasses } };
    await writeModelFile(join(folder, 'bare.safetensors'), bare, initializeWeights(graph, 3));
    await writeFile(join(folder, 'pre.json'), '{"mean":[0,0,0],"std":[1,1,1]}');
    const args = ['eval', 'bare.safetensors', '--data', 'photos', '--limit', '3', '--json'];
    const usual = await run(...args);
    expect(usual.code).toBe(0);
    expect(usual.stderr).toMatch(
      /^tiny from bare.*: it states no preprocessing; ImageNet's usual one is taken/,
    );
    const of = JSON.stringify(['bare.safetensors', 'photos', null, 3, null]);
    await writeFile(join(folder, 'other.json'), JSON.stringify({ of, next: 0 }));
    expect((await run(...args, '--preprocessing', 'pre.json')).stderr).toBe('');
    const mixed = await run(...args, '--preprocessing', 'pre.json', '--state', 'other.json');
    expect(mixed).toMatchObject({ code: 2, stderr: expect.stringMatching(/belongs to another evaluation/) });
  });

  it('leaves bad pictures out with a count, or stops', async () => {
    await writeFile(join(folder, 'photos/disc/zzz.png'), 'no picture');
    const stopped = await run('eval', 'three.safetensors', '--data', 'photos');
    expect(stopped).toMatchObject({ code: 1, stderr: expect.stringMatching(/\[NOT_A_PICTURE\]/) });
    const args = ['eval', 'three.safetensors', '--data', 'photos', '--bad-pictures', 'skip', '--json'];
    const skipped = await run(...args);
    expect(JSON.parse(skipped.stdout)).toMatchObject({ count: 27, skipped: 1 });
    expect(skipped.stderr).toMatch(/warning: disc.zzz\.png: /);
  });

  it('stops at Ctrl-C with its state and goes on to the same numbers', async () => {
    const args = ['eval', 'ten.safetensors', '--data', 'long.bin', '--json'];
    const batch = await readFile(join(folder, 'cifar/test_batch.bin'));
    await writeFile(join(folder, 'long.bin'), Buffer.concat(Array<Buffer>(300).fill(batch)));
    const whole = await run(...args);
    const stopped = await ghostnet([...args, '--state', 'state.json'], {
      cwd: folder,
      onStart: (child) => {
        setTimeout(() => child.kill('SIGINT'), 900);
      },
    });
    if (stopped.code === 130 && stopped.stderr.includes('goes on')) {
      const { next } = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8'));
      expect(next % 16).toBe(0);
    }
    const rest = JSON.parse((await run(...args, '--state', 'state.json')).stdout) as Printed;
    const { count, top1, confusion } = JSON.parse(whole.stdout) as Printed;
    expect(rest).toMatchObject({ count, top1, confusion });
  });
});

describe('ghostnet recalibrate', () => {
  it('changes the statistics of batch norm and nothing else', async () => {
    const { code, stdout } = await run(
      ...['recalibrate', 'ten.safetensors', '--data', 'cifar', '--out', 'r.safetensors'],
      ...['--pictures', '96', '--batch', '32', '--json'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ out: 'r.safetensors', layers: 3, pictures: 96 });
    const before = (await readModelFile(join(folder, 'ten.safetensors'))).weights;
    const { graph, weights: after } = await readModelFile(join(folder, 'r.safetensors'));
    for (const [name, { role }] of Object.entries(graph.parameters))
      if (role === 'statistic') expect(after.get(name)).not.toEqual(before.get(name));
      else expect(after.get(name)).toEqual(before.get(name));
  });
});

describe('fetching CIFAR-10', () => {
  const sums: Record<string, string> = {};
  let archive: Buffer;

  beforeAll(async () => {
    const inner = join(folder, 'cifar-10-batches-bin');
    await drawCifar10(inner, 4);
    for (const name of [...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), 'test_batch.bin'])
      sums[name] = createHash('sha256')
        .update(await readFile(join(inner, name)))
        .digest('hex');
    await create({ file: join(folder, 'a.tar.gz'), cwd: folder, gzip: true }, ['cifar-10-batches-bin']);
    archive = await readFile(join(folder, 'a.tar.gz'));
  });

  it('goes on with a download that broke off, unpacks, checks, and fetches nothing twice', async () => {
    const half = archive.length >> 1;
    const ranges: (string | undefined)[] = [];
    answer = (request, response) => {
      ranges.push(request.headers.range);
      if (request.headers.range) {
        response.writeHead(206, {
          etag: '"1"',
          'content-range': `bytes ${half}-${archive.length - 1}/${archive.length}`,
        });
        response.end(archive.subarray(half));
      } else {
        response.writeHead(200, { etag: '"1"', 'content-length': archive.length });
        response.write(archive.subarray(0, half), () => setTimeout(() => response.destroy(), 200));
      }
    };
    const target = join(folder, 'fetched');
    expect(await fetchCifar10(target, { url: address, sums, retryDelayMs: 1 })).toEqual({ cached: false });
    expect([ranges[0], ranges.at(-1)]).toEqual([undefined, `bytes=${half}-`]);
    const asked = ranges.length;
    expect(await readFile(join(target, 'test_batch.bin'))).toEqual(
      await readFile(join(folder, 'cifar-10-batches-bin/test_batch.bin')),
    );
    expect(await fetchCifar10(target, { url: address, sums })).toEqual({ cached: true });
    expect(ranges).toHaveLength(asked);
  });

  it('refuses what is not the official archive, in one line', async () => {
    answer = (_request, response) => response.end(archive);
    const wrong = await run('data', 'cifar10', 'wrong', '--url', address);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/\[CIFAR_CHECKSUM\]: data_batch_1\.bin of http.*expected ba5d63fa/);
    answer = (_request, response) => response.end('not an archive');
    expect((await run('data', 'cifar10', 'wrong', '--url', address)).stderr).toMatch(/\[CIFAR_ARCHIVE\]/);
    answer = (_request, response) => response.writeHead(404).end();
    expect((await run('data', 'cifar10', 'wrong', '--url', address)).stderr).toMatch(/\[PULL_NOT_FOUND\]/);
  });
});
