/** `ghostnet eval` on real pictures in ImageNet's form, against answers of onnxruntime for the same files. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTar } from '../read-tar.js';
import { sharedData } from '../shared-data.js';
import { ghostnet } from './run-command.js';

const archive = sharedData('imagenet-sample/imagenet-sample-1000-short256-q80.tar');
const labels = sharedData('imagenet-sample/labels.tsv');
const model = sharedData('models/onnx/mobilenetv1_0.25_128.onnx');
const answers = sharedData('models/onnx/expected_mobilenetv1_0.25_128.json');

describe.skipIf(!archive || !labels || !model || !answers)('ghostnet eval on ImageNet pictures', () => {
  it('counts as onnxruntime answers, 1001 classes and labels by WordNet id in the file names', async () => {
    const { images } = JSON.parse(await readFile(answers!, 'utf8')) as {
      images: Record<string, { label: number; top5: number[] }>;
    };
    const folder = await mkdtemp(join(tmpdir(), 'ghostnet-imagenet-'));
    try {
      for (const [name, bytes] of readTar(archive!, new Set(Object.keys(images))))
        await writeFile(join(folder, name), bytes);
      const half = 128 / 255;
      const preprocessing = { keepSize: true, cropRounding: 'down', shrink: 2 };
      const values = { mean: [half, half, half], std: [half, half, half] };
      await writeFile(join(folder, 'pre.json'), JSON.stringify({ ...preprocessing, ...values }));
      const { code, stdout, stderr } = await ghostnet([
        ...['eval', model!, '--data', folder, '--labels', labels!, '--json'],
        ...['--preprocessing', join(folder, 'pre.json')],
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      // the network's output 0 is "background"
      const all = Object.values(images);
      const top1 = all.filter(({ label, top5 }) => top5[0] === label + 1).length / all.length;
      const top5 = all.filter(({ label, top5: five }) => five.includes(label + 1)).length / all.length;
      expect(JSON.parse(stdout)).toMatchObject({ count: all.length, top1, top5, skipped: 0 });
      expect(top5).toBeGreaterThan(0.5);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
