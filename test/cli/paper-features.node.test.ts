/** The paper and features commands, as a user runs them. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCsv } from '../../src/paper/csv.js';
import { ghostnet } from './run-command.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-paper-'));
  const pixels = Buffer.from(Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * 37 + (i >> 5) * 11) % 256));
  await sharp(pixels, { raw: { width: 48, height: 40, channels: 3 } })
    .png()
    .toFile(join(folder, 'a.png'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ghostnet paper', () => {
  it('prints a table with our counts beside the printed ones', async () => {
    const { code, stdout, stderr } = await run('paper', 'table', '6');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /Ghost-ResNet-50 \(s=2\).*13,953,512\s+13\.0 M\s+differs\s+2,151,023,360\s+2\.2 B\s+printed digits/,
    );
    const words = ['table', '1', 'table', '5', 'table', '5', 'table', '8', 'figure', '6'];
    const { tables, figures } = JSON.parse((await run('paper', ...words, '--json')).stdout);
    expect(Object.keys(tables)).toEqual(['1', '5', '8']);
    expect(tables['1']).toHaveLength(21);
    expect(tables['5']).toHaveLength(12);
    expect(tables['8'][2]).toMatchObject({
      model: 'ghostnet-1.1x',
      macs: 164_355_184,
      paper: { map: '26.6' },
    });
    expect(figures['6'].points).toContainEqual({
      name: 'GhostNet 1.0x',
      model: 'ghostnet-1.0x',
      x: 141.2,
      top1: 73.9,
    });
  });

  it('prints the points of a plot, also of latencies from a file', async () => {
    const saved = await run('paper', 'figure', '7');
    expect(saved.stdout).toMatch(/row +network +milliseconds +top-1, paper\n/);
    await writeFile(
      join(folder, 'latency.csv'),
      'model,medianMs,p90Ms,rounds,cpu,node,date\nghostnet-1.0x,1.5,1.6,3,a processor,24.0.0,2026-01-01\n',
    );
    const own = await run('paper', 'figure', '7', '--latency', 'latency.csv');
    expect(own.stdout).toMatch(
      /\nGhostNet 1\.0x +ghostnet-1\.0x +1\.5 +73\.9\n.*median of 3 rounds\. a processor, Node/,
    );
    await writeFile(join(folder, 'wrong.csv'), 'a,b\n1,2\n');
    const wrong = await run('paper', 'figure', '7', '--latency', 'wrong.csv');
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/\[LATENCY_COLUMNS\].*no model/) });
    const none = await run('paper', 'figure', '6', '--measure');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/--measure measures figure 7/) });
  });

  it('has the accuracies that the kept runs and sweeps say', async () => {
    const root = join(import.meta.dirname, '../..');
    const trained = readCsv(await readFile(join(root, 'data/paper/trained.csv'), 'utf8'));
    expect(trained.length).toBeGreaterThan(4);
    for (const { id, source = '', top1, pictures } of trained) {
      const kept = source.endsWith('.yaml')
        ? readCsv(await readFile(join(root, source.replace('.yaml', '.results.csv')), 'utf8')).find(
            (row) => row['id'] === id,
          )
        : JSON.parse(await readFile(join(root, source, 'evaluation.json'), 'utf8'));
      const share = source.endsWith('.yaml') ? Number(kept.top1) : 100 * kept.top1;
      expect({ id, top1, pictures }).toEqual({
        id,
        top1: share.toFixed(2),
        pictures: String(kept.count ?? kept.pictures),
      });
    }
  });

  it("takes accuracies from a sweep's results, and no others", async () => {
    await writeFile(
      join(folder, 'results.csv'),
      'id,model,ratio,cheapKernel,seed,recipe,epochs,trainedOn,top1,pictures,of\n' +
        'x,ghost-vgg16-cifar,4,3,1,cifar-fast,4,8000,61.50,10000,test\n',
    );
    const { stdout } = await run('paper', 'table', '4', '--trained', 'results.csv');
    expect(stdout).toMatch(/s=4, d=3.* 61\.50 % \(4 epochs of 8,000 pictures\)\n/);
    expect(stdout).toMatch(/s=5, d=3.* needs training\n/);
    await writeFile(join(folder, 'other.csv'), 'a,b\n1,2\n');
    const other = await run('paper', 'table', '4', '--trained', 'other.csv');
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\[TRAINED_COLUMNS\].*no model, ratio/),
    });
  });

  it('writes page, Markdown and figures', async () => {
    const { code, stdout } = await run('paper', '--out', 'paper');
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('index.html') });
    expect((await readdir(join(folder, 'paper'))).sort()).toEqual([
      'figure-6.svg',
      'figure-7.svg',
      'index.html',
      'paper.md',
    ]);
    const svg = await readFile(join(folder, 'paper/figure-6.svg'), 'utf8');
    expect(svg.match(/<title>/g)).toHaveLength(19);
    const page = await readFile(join(folder, 'paper/index.html'), 'utf8');
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
  });

  it('leaves a folder as it was when a file cannot take its place', async () => {
    await mkdir(join(folder, 'taken/paper.md'), { recursive: true });
    const { code, stderr } = await run('paper', '--out', 'taken');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/\[FILE_UNWRITABLE\].*paper\.md/),
    });
    expect(await readdir(join(folder, 'taken'))).toEqual(['paper.md']);
  });

  it('makes table 2 and figures 1 and 4 of a picture', async () => {
    const { code, stderr } = await run(
      ...[
        'paper',
        'table',
        '2',
        'table',
        '8',
        'figure',
        '1',
        'figure',
        '4',
        '--picture',
        'a.png',
        '--out',
        'own',
      ],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const text = await readFile(join(folder, 'own/paper.md'), 'utf8');
    const errors = /^\| red \|(.*)\|$/m.exec(text)?.[1]?.split('|').slice(2).map(Number) ?? [];
    expect(errors).toHaveLength(4);
    expect([...errors].sort((a, b) => b - a)).toEqual(errors);
    expect(text).toMatch(/ghostnet-1\.1x \| 164,355,184 \| 164 M \| 26\.6 \| no detectors/);
    for (const file of ['own/figure-1.svg', 'own/figure-4.svg']) {
      const { width = 0 } = await sharp(join(folder, file)).metadata();
      expect(width).toBeGreaterThan(300);
    }
  });

  it.each([
    [['table', '2'], /--picture/],
    [['table', '9'], /expected "table N"/],
    [['figure', '4'], /--picture/],
  ])('%j is a wrong command line', async (words, message) => {
    const { code, stderr } = await run('paper', ...words);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});

describe('ghostnet features', () => {
  it('writes a grid and pairs of each layer, a CSV and a page', async () => {
    const { code, stdout } = await run(
      ...['features', 'default', 'a.png', '--out', 'maps', '--layer', 'stages.0.*ghost1', '--pairs', '2'],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/stages\.0\.0\.ghost1\s+64x16x16\s+0\.\d{3}/);
    expect((await readdir(join(folder, 'maps'))).sort()).toEqual([
      'features.csv',
      'index.html',
      'stages.0.0.ghost1-pair-1.png',
      'stages.0.0.ghost1-pair-2.png',
      'stages.0.0.ghost1.png',
    ]);
    const csv = (await readFile(join(folder, 'maps/features.csv'), 'utf8')).trim().split('\n');
    expect(csv[1]).toMatch(/^stages\.0\.0\.ghost1,\d+,\d+,-?[01]\.\d{6},ghost$/);
    const { width = 0 } = await sharp(join(folder, 'maps/stages.0.0.ghost1.png')).metadata();
    expect(width).toBeGreaterThan(300);
  });

  it('says when weights are random and when no layer fits', async () => {
    const random = await run(
      'features',
      'resnet20-cifar',
      'a.png',
      '--out',
      'random',
      '--layers',
      '2',
      '--json',
    );
    expect(random).toMatchObject({ code: 0, stderr: expect.stringContaining('random weights') });
    expect(JSON.parse(random.stdout)).toHaveLength(2);
    const none = await run('features', 'default', 'a.png', '--out', 'none', '--layer', 'nothing');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no feature map') });
  });
});
