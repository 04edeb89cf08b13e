import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { ghostnet } from './run-command.js';
import { drawCifar10, drawFolder, drawnClasses, drawRecords, writeTiny } from './training-fixtures.js';

let folder: string;
const run = (...args: string[]) => ghostnet(args, { cwd: folder });
const bytes = (file: string) => readFile(join(folder, file));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ghostnet-train-'));
  await drawFolder(join(folder, 'photos'), 24);
  await drawCifar10(join(folder, 'cifar'), 24);
  await writeTiny(join(folder, 'tiny.safetensors'), 3, 16);
  await writeTiny(join(folder, 'tiny10.safetensors'), 10, 32);
  const settings = [
    'network: tiny.safetensors',
    'data: photos',
    'recipe: folder',
    'epochs: 12',
    'batch: 8',
    'learningRate: 0.1',
    'augment: { crop: { kind: pad, padding: 1 }, flip: random }',
  ];
  await writeFile(join(folder, 'photos.yaml'), settings.join('\n'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ghostnet train', () => {
  it('trains on a folder and leaves model, checkpoints, metrics and a report without outside references', async () => {
    const { code, stdout, stderr } = await run('train', '--config', 'photos.yaml', '--out', 'a.safetensors');
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('epoch  12') });
    expect(stdout).toMatch(/^a\.safetensors: (9\d|100)\.\d\d % of the validation pictures right\n/);
    expect((await readdir(join(folder, 'a-run'))).sort()).toEqual([
      'best.safetensors',
      'config.json',
      'evaluation.json',
      'last.safetensors',
      'metrics.csv',
      'report.html',
      'split.json',
    ]);
    const { graph } = await readModelFile(join(folder, 'a.safetensors'));
    expect(graph.meta.labels).toEqual(drawnClasses);
    const metrics = (await readFile(join(folder, 'a-run/metrics.csv'), 'utf8')).trim().split('\n');
    expect(metrics).toHaveLength(13);
    expect(metrics[12]).toMatch(/^12,84,/);
    const report = await readFile(join(folder, 'a-run/report.html'), 'utf8');
    expect(report.match(/<svg/g)).toHaveLength(4);
    expect(report).not.toMatch(/(src|href)="(?!data:)/);
    const { config, facts } = JSON.parse(await readFile(join(folder, 'a-run/config.json'), 'utf8'));
    expect(config).toMatchObject({ seed: 1, batch: 8, network: 'tiny.safetensors', recipe: 'folder' });
    expect(facts).toMatchObject({
      node: process.version,
      command: 'ghostnet train --config photos.yaml --out a.safetensors',
    });
    const answer = await run('classify', 'photos/disc/000.png', '--model', 'a.safetensors', '--json');
    expect(JSON.parse(answer.stdout)[0].predictions[0].label).toBe('disc');
  });

  it('goes on after Ctrl-C with the same bits as the unbroken run', async () => {
    const stopped = await ghostnet(['train', '--config', 'photos.yaml', '--out', 'b.safetensors'], {
      cwd: folder,
      interruptAt: 'epoch   3',
    });
    expect(stopped).toMatchObject({ code: 130, stdout: '' });
    expect(stopped.stderr).toMatch(/go on with: ghostnet train --resume b-run\n$/);
    expect(await run('train', '--config', 'photos.yaml', '--out', 'b.safetensors')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\[RUN_EXISTS\].*--resume/),
    });
    const resumed = await run('train', '--resume', 'b-run', '--json');
    expect(resumed).toMatchObject({ code: 0, stderr: expect.stringMatching(/going on in epoch 4/) });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ out: 'b.safetensors', of: 'validation', epochs: 12 });
    expect(await bytes('b.safetensors')).toEqual(await bytes('a.safetensors'));
    const columns = (text: Buffer) =>
      text
        .toString()
        .split('\n')
        .map((row) => row.split(',').slice(0, 7).join());
    expect(columns(await bytes('b-run/metrics.csv'))).toEqual(columns(await bytes('a-run/metrics.csv')));
  });

  it('goes on with another length when asked, and keeps a record of it', async () => {
    expect((await run('train', '--resume', 'b-run', '--epochs', '3')).stderr).toMatch(/\[RUN_LENGTH\]/);
    expect(await run('train', '--resume', 'b-run', '--epochs', '13')).toMatchObject({ code: 0 });
    const { config, changes } = JSON.parse(await readFile(join(folder, 'b-run/config.json'), 'utf8'));
    expect(config.epochs).toBe(13);
    expect(changes).toEqual([{ epoch: 12, step: 0, from: 12, to: 13 }]);
    expect((await bytes('b-run/metrics.csv')).toString().trim().split('\n')).toHaveLength(14);
  });

  it('says that a torn checkpoint is damaged and what to do', async () => {
    await truncate(join(folder, 'b-run/last.safetensors'), 3000);
    const torn = await run('train', '--resume', 'b-run');
    expect(torn).toMatchObject({ code: 1, stdout: '' });
    expect(torn.stderr).toMatch(/\[CHECKPOINT_DAMAGED\]: "b-run\/last\.safetensors".*best\.safetensors/);
    expect((await run('train', '--resume', 'nowhere')).stderr).toMatch(/\[RUN_MISSING\]/);
    expect(await run('train', '--resume', 'b-run', '--seed', '3')).toMatchObject({ code: 2 });
  });

  it('trains on CIFAR-10 records and reports the test batch', async () => {
    const { code, stdout } = await run(
      ...['train', 'tiny10.safetensors', '--data', 'cifar', '--out', 'c.safetensors', '--dtype', 'f16'],
      ...['--recipe', 'cifar-fast'],
      ...['--epochs', '3', '--batch', '16', '--validation', '0.2', '--seed', '2'],
      ...['--mixup', '0.4', '--cutout', '4', '--monochrome', '0.2', '--ema', '0.9', '--recompute', '--json'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ of: 'test', count: 24, epochs: 3 });
    const { config } = JSON.parse(await readFile(join(folder, 'c-run/config.json'), 'utf8'));
    expect(config).toMatchObject({
      recipe: 'cifar-fast',
      ema: 0.9,
      dtype: 'f16',
      validation: 0.2,
      recompute: true,
    });
    expect(config.augment).toMatchObject({ mixup: 0.4, cutout: 4, monochrome: 0.2 });
  });

  it('trains on a limited number of pictures with the validation pictures of a run without limit', async () => {
    const train = (out: string, ...args: string[]) =>
      run(
        'train',
        'tiny.safetensors',
        '--data',
        'photos',
        '--out',
        out,
        '--epochs',
        '1',
        '--batch',
        '8',
        ...args,
      );
    const [all, few, none] = await Promise.all([
      train('all.safetensors'),
      train('few.safetensors', '--limit', '10', '--json'),
      train('none.safetensors', '--limit', '2'),
    ]);
    expect(all.code).toBe(0);
    expect(few.stderr).toMatch(/10 training and 15 validation pictures/);
    expect(JSON.parse(few.stdout)).toMatchObject({ trainedOn: 10, count: 15 });
    const split = async (name: string) => JSON.parse((await bytes(`${name}-run/split.json`)).toString());
    const [unlimited, limited] = [await split('all'), await split('few')];
    expect(limited.validation).toEqual(unlimited.validation);
    expect(unlimited.train).toEqual(expect.arrayContaining(limited.train));
    const classes = limited.train.map((file: string) => file.split('/')[0]);
    const counts = drawnClasses.map((name) => classes.filter((found: string) => found === name).length);
    expect(counts.sort()).toEqual([3, 3, 4]);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/\[LIMIT_TOO_SMALL\].*3 classes/) });
  });

  it('fine-tunes a model file for other classes, frozen where asked, with a teacher', async () => {
    const { code, stderr } = await run(
      ...['train', 'tiny10.safetensors', '--data', 'photos', '--out', 'e.safetensors', '--epochs', '2'],
      ...['--batch', '8', '--freeze', 'stem*', '--learning-rates', 'ghost.*=0.5', '--input-size', '16'],
      ...['--teacher', 'a.safetensors', '--temperature', '3', '--teacher-weight', '0.5'],
    );
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('recipe fine-tune') });
    const { graph, weights } = await readModelFile(join(folder, 'e.safetensors'));
    const before = (await readModelFile(join(folder, 'tiny10.safetensors'))).weights;
    expect(graph.meta.labels).toEqual(drawnClasses);
    expect(weights.get('classifier.weight')?.shape).toEqual([3, 16]);
    expect(weights.get('stem.weight')).toEqual(before.get('stem.weight'));
    expect(weights.get('ghost.primary_conv.0.weight')).not.toEqual(before.get('ghost.primary_conv.0.weight'));
  });

  it('stops at a loss that is no number, naming step, layer and the checkpoint', async () => {
    const { code, stderr } = await run(
      ...['train', 'tiny10.safetensors', '--data', 'cifar', '--out', 'd.safetensors', '--epochs', '4'],
      ...['--batch', '16', '--learning-rate', '1e18', '--recipe', 'cifar-fast'],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /\[TRAINING_DIVERGED\]: the loss is (NaN|Infinity) at step \d+ \(epoch \d\); the first layer with such a value is "[\w.]+".*first checkpoint/,
    );
    await writeFile(
      join(folder, 'later.yaml'),
      'schedule: { kind: step, every: 1, factor: 1e+20 }\nlearningRate: 0.01\naugment: {}\n',
    );
    const later = await run(
      ...['train', 'tiny10.safetensors', '--data', 'cifar', '--out', 'later.safetensors', '--epochs', '4'],
      ...['--batch', '16', '--recipe', 'cifar-fast', '--config', 'later.yaml'],
    );
    expect(later.stderr).toMatch(
      /\(epoch 2\);.*the last good checkpoint is "later-run\/last\.safetensors"\n$/,
    );
  });

  it('gives one clear error for each kind of bad data', async () => {
    const train = (...args: string[]) =>
      run('train', 'tiny.safetensors', '--out', 'x.safetensors', '--epochs', '1', '--batch', '8', ...args);
    await drawFolder(join(folder, 'bad'), 8);
    await writeFile(join(folder, 'bad/disc/000.png'), (await bytes('bad/disc/001.png')).subarray(0, 300));
    await writeFile(join(folder, 'bad/down/zzz.jpg'), 'no picture');
    await mkdir(join(folder, 'bad-and-hollow/empty'), { recursive: true });
    await cp(join(folder, 'bad'), join(folder, 'bad-and-hollow'), { recursive: true });
    await writeFile(join(folder, 'label.bin'), drawRecords(20, 1).fill(200, 3073, 3074));
    await mkdir(join(folder, 'hollow/empty'), { recursive: true });
    await drawFolder(join(folder, 'hollow'), 8);
    const [skipped, ...stopped] = await Promise.all([
      train('--data', 'bad-and-hollow', '--bad-pictures', 'skip'),
      train('--data', 'bad', '--out', 'y1'),
      train('--data', 'label.bin', '--out', 'y2'),
      train('--data', 'photos/disc', '--out', 'y3'),
      train('--data', 'nowhere', '--out', 'y4'),
      train('--data', 'photos', '--freeze', 'nothing*', '--out', 'y5'),
      train('--data', 'photos', '--batch', '500', '--out', 'y6'),
      train('--data', 'hollow', '--out', 'y7'),
    ]);
    expect(skipped).toMatchObject({ code: 0, stderr: expect.stringContaining('left out: 2 pictures') });
    expect(skipped.stderr).toContain('left out: 1 class folder without pictures (empty)\n');
    expect(JSON.parse((await bytes('x-run/split.json')).toString())).toMatchObject({
      classes: drawnClasses,
      skipped: ['disc/000.png', 'down/zzz.jpg'],
      emptyClasses: ['empty'],
    });
    const messages = [
      /\[DATA_BAD_PICTURE\]: 2 of 25 pictures .*--bad-pictures skip\n$/,
      /\[CIFAR_LABEL\].*record 1 has the label 200/,
      /\[DATA_ONE_CLASS\]/,
      /\[DATA_FOLDER\]: nowhere: no such folder/,
      /matches no parameter/,
      /\[BATCH_TOO_LARGE\]/,
      /\[DATA_EMPTY_CLASS\].*empty/,
    ];
    stopped.forEach(({ code, stdout, stderr }, i) => {
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(messages[i]!),
      });
    });
  });

  it('says where a configuration is wrong, and what a command line lacks', async () => {
    await writeFile(join(folder, 'wrong.yaml'), 'network: tiny.safetensors\nepochs: many\nlearningrate: 1\n');
    await writeFile(
      join(folder, 'deep.yaml'),
      'augment: { flips: random }\noptimizer: { kind: sgd, decay: 1 }\n',
    );
    await writeFile(join(folder, 'list.yaml'), '- network: tiny.safetensors\n');
    const [deep, aList] = await Promise.all([
      run('train', '--config', 'deep.yaml'),
      run('train', '--config', 'list.yaml'),
    ]);
    expect(deep.stderr).toMatch(
      /deep\.yaml:1:\d+: unknown setting "augment\.flips"; known settings: crop, flip,/,
    );
    expect(deep.stderr).toMatch(/deep\.yaml:2:\d+: unknown setting "optimizer\.decay"(;|\n)/);
    expect(aList.stderr).toMatch(/\[CONFIG_INVALID\].*list\.yaml:1:1: given a list, expected settings/);
    const [wrong, nothing, withoutData, magic] = await Promise.all([
      run('train', '--config', 'wrong.yaml'),
      run('train'),
      run('train', 'ghostnet-32'),
      run('train', 'ghostnet-32', '--recipe', 'magic'),
    ]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/\[CONFIG_INVALID\].*wrong\.yaml:2:9: epochs.*wrong\.yaml:3:\d+: unknown/);
    expect(nothing).toMatchObject({ code: 2 });
    expect(withoutData.stderr).toMatch(/--data is missing/);
    expect(magic).toMatchObject({ code: 2 });
  });
});
