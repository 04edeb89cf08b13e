/**
 * Decoder and crop, byte for byte, against hashes that Pillow made of the first 32 pictures of the ImageNet sample; and
 * the order of the ImageNet labels. Both need the shared data and skip, saying so, without it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readTar } from '../../test/read-tar.js';
import { sharedData } from '../../test/shared-data.js';
import { imagenetLabels } from './imagenet-labels.js';
import { decodePicture } from './node/decode.js';
import { fitPicture } from './preprocess.js';

const archive = sharedData('imagenet-sample/imagenet-sample-1000-short256-q80.tar');
const labels = sharedData('imagenet-sample/labels.tsv');

describe.skipIf(!archive)('decoding and cropping the ImageNet sample', () => {
  it.each([
    ['squeezenet1_1', 227, 1],
    ['mobilenetv2_1.0_224', 224, 1],
    ['mobilenetv1_0.25_128', 128, 2],
  ] as const)('gives the crops of %s exactly', async (model, side, shrink) => {
    const path = sharedData(`models/onnx/expected_${model}.json`);
    const { images } = JSON.parse(readFileSync(path!, 'utf8')) as {
      images: Record<string, { crop_sha256: string }>;
    };
    const files = readTar(archive!, new Set(Object.keys(images)));
    expect(files.size).toBe(32);
    for (const [name, { crop_sha256 }] of Object.entries(images)) {
      const picture = await decodePicture(files.get(name)!, { name });
      const how = { keepSize: true, cropRounding: 'down', shrink, interpolation: 'bilinear' } as const;
      const bytes = fitPicture(picture, how, side, side).data;
      expect([name, createHash('sha256').update(bytes).digest('hex')]).toEqual([name, crop_sha256]);
    }
  });
});

describe('ImageNet labels', () => {
  it('are a thousand names', () => {
    expect(imagenetLabels.length).toBe(1000);
    expect([imagenetLabels[0], imagenetLabels[281], imagenetLabels[999]]).toEqual([
      'tench',
      'tabby',
      'toilet tissue',
    ]);
    expect(imagenetLabels.filter((label) => label.trim() !== label || label === '')).toEqual([]);
  });

  it.skipIf(!labels)('stand in the order of the sample’s list', () => {
    const rows = readFileSync(labels!, 'utf8').trim().split('\n').slice(1);
    expect(rows.length).toBe(1000);
    const same = (text: string) => text.replaceAll('_', ' ').toLowerCase();
    const different = rows
      .map((row) => row.split('\t'))
      .filter(([index, , name]) => same(name!) !== same(imagenetLabels[Number(index)]!))
      .map(([index, , name]) => [Number(index), name, imagenetLabels[Number(index)]]);
    // The list's short names leave out what tells these two from their namesakes.
    expect(different).toEqual([
      [134, 'crane', 'crane bird'],
      [639, 'maillot', 'maillot tank suit'],
    ]);
  });
});
