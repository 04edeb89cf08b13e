/**
 * Four trained networks as ONNX files, on real pictures, through the import and the compiled module: the logits and top
 * classes that onnxruntime gave, and the share of right answers. 32 pictures each in the suite; GHOSTNET_LONG=1 takes all
 * 1,000 (10,000 for CIFAR-10) and compares the shares. Skips, saying so, where the data is absent.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createNetwork } from '../../src/create-network.js';
import { decodePicture } from '../../src/data/node/decode.js';
import { type RgbPicture, rgbPicture } from '../../src/data/picture.js';
import { fitPicture, normaliseInto } from '../../src/data/preprocess.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { inputNodes, type Preprocessing } from '../../src/graph/graph.js';
import { readTestBatch } from '../cifar10-test-batch.js';
import { readTar } from '../read-tar.js';
import { sharedData } from '../shared-data.js';

const long = process.env['GHOSTNET_LONG'] === '1';

interface Expected {
  readonly top1: number;
  readonly top5: number;
  readonly images: Readonly<
    Record<
      string,
      { label: number; top5: number[]; logits: number[]; crop_sha256?: string; record_sha256?: string }
    >
  >;
}

const cut = { keepSize: true, cropRounding: 'down', interpolation: 'bilinear' } as const;
const networks: Readonly<Record<string, Preprocessing>> = {
  squeezenet1_1: { ...cut, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
  'mobilenetv2_1.0_224': { ...cut, mean: Array(3).fill(128 / 255), std: Array(3).fill(128 / 255) },
  'mobilenetv1_0.25_128': {
    ...cut,
    shrink: 2,
    mean: Array(3).fill(128 / 255),
    std: Array(3).fill(128 / 255),
  },
  ghost_resnet56_cifar10: {
    keepSize: true,
    interpolation: 'bilinear',
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
  },
};

interface Picture {
  readonly name: string;
  readonly label: number;
  readonly read: () => Promise<RgbPicture>;
}

const archive = sharedData('imagenet-sample/imagenet-sample-1000-short256-q80.tar');
const labelFile = sharedData('imagenet-sample/labels.tsv');
const batch = sharedData('cifar10/test_batch.bin.med.br');

/** The wanted pictures of the ImageNet sample, labels 0 to 999. */
function imagenet(wanted: { has(name: string): boolean }): Picture[] {
  const rows = readFileSync(labelFile!, 'utf8').trim().split('\n').slice(1);
  const index = new Map(rows.map((row) => [row.split('\t')[1]!, Number(row.split('\t')[0])]));
  return [...readTar(archive!, wanted)].map(([name, bytes]) => ({
    name,
    label: index.get(name.slice(0, 9))!,
    read: () => decodePicture(bytes, { name }),
  }));
}

/** The first `count` records of CIFAR-10's test batch: a label and planes R, G, B. */
async function cifar(count: number): Promise<Picture[]> {
  const bytes = await readTestBatch(batch!);
  return Array.from({ length: count }, (_, i) => {
    const record = bytes.subarray(i * 3073, (i + 1) * 3073);
    return {
      name: `test_batch/${i}`,
      label: record[0]!,
      read: async () =>
        rgbPicture(
          32,
          32,
          Uint8Array.from({ length: 3072 }, (_, k) => record[1 + (k % 3) * 1024 + Math.floor(k / 3)]!),
        ),
    };
  });
}

describe.each(Object.entries(networks))('%s', (name, preprocessing) => {
  const file = sharedData(`models/onnx/${name}.onnx`);
  const expectedFile = sharedData(`models/onnx/expected_${name}.json`);
  const isCifar = name.endsWith('cifar10');
  const there = file && expectedFile && (isCifar ? batch : archive && labelFile);

  it.skipIf(!there)('gives the logits and the answers stated', { timeout: 900_000 }, async () => {
    const expected = JSON.parse(readFileSync(expectedFile!, 'utf8')) as Expected;
    const { graph, weights } = await readModelFile(file!);
    const network = await createNetwork(graph, weights);
    const [, height = 0, width = 0] = inputNodes(graph)[0]!.shape;
    const wanted = long ? { has: () => true } : new Set(Object.keys(expected.images));
    // output 0 of a network of 1,001 classes is the background
    const background = network.outputs[0]!.shape[1] === 1001 ? 1 : 0;
    const pictures = isCifar ? await cifar(long ? 10_000 : 32) : imagenet(wanted);
    const input = new Float32Array(3 * height * width);
    let [top1, top5, compared] = [0, 0, 0];
    for (const { name: pictureName, label, read } of pictures) {
      const fitted = fitPicture(await read(), preprocessing, width, height);
      normaliseInto(fitted, preprocessing.mean, preprocessing.std, input);
      const logits = await network.run(input);
      const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, 5);
      if (best[0] === label + background) top1++;
      if (best.includes(label + background)) top5++;
      const known = expected.images[pictureName];
      if (!known) continue;
      compared++;
      expect([pictureName, label, best]).toEqual([pictureName, known.label, known.top5]);
      for (const [i, index] of known.top5.entries())
        expect(Math.abs(logits[index]! - known.logits[i]!), `${pictureName}, output ${index}`).toBeLessThan(
          1e-4 * Math.max(1, Math.abs(known.logits[i]!)) + 5e-5,
        );
      if (known.crop_sha256)
        expect(createHash('sha256').update(fitted.data).digest('hex')).toBe(known.crop_sha256);
    }
    await network.dispose();
    expect(compared).toBe(32);
    if (!long) return;
    const share = (count: number): number => Number((count / pictures.length).toFixed(4));
    console.log(`${name}: ${pictures.length} pictures, top-1 ${share(top1)}, top-5 ${share(top5)}`);
    expect([share(top1), share(top5)]).toEqual([expected.top1, expected.top5]);
  });
});
