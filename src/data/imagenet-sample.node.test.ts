/**
 * Decoder and crop, byte for byte, against hashes that Pillow made of the first 32 pictures of the ImageNet sample; and
 * the order of the ImageNet labels. Both need the shared data and skip, saying so, without it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../test/shared-data.js';
import { imagenetLabels } from './imagenet-labels.js';
import { decodePicture } from './node/decode.js';
import type { RgbPicture } from './picture.js';
import { centreCrop } from './preprocess.js';

const archive = sharedData('imagenet-sample/imagenet-sample-1000-short256-q80.tar');
const labels = sharedData('imagenet-sample/labels.tsv');

/** The named files of a plain tar archive. */
function readTar(path: string, wanted: ReadonlySet<string>): Map<string, Uint8Array> {
  const bytes = readFileSync(path);
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const name = bytes.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    if (wanted.has(name)) files.set(name, bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** Each 2x2 block to its rounded mean, as the smallest MobileNet's preprocessing has it. */
function halve({ width, height, data }: RgbPicture): Uint8Array {
  const out = new Uint8Array((width / 2) * (height / 2) * 3);
  for (let y = 0, to = 0; y < height; y += 2)
    for (let x = 0; x < width; x += 2)
      for (let c = 0; c < 3; c++, to++) {
        const at = (y * width + x) * 3 + c;
        out[to] = (data[at]! + data[at + 3]! + data[at + width * 3]! + data[at + width * 3 + 3]! + 2) >> 2;
      }
  return out;
}

describe.skipIf(!archive)('decoding and cropping the ImageNet sample', () => {
  it.each([
    ['squeezenet1_1', 227, false],
    ['mobilenetv2_1.0_224', 224, false],
    ['mobilenetv1_0.25_128', 256, true],
  ] as const)('gives the crops of %s exactly', async (model, side, halved) => {
    const path = sharedData(`models/onnx/expected_${model}.json`);
    const { images } = JSON.parse(readFileSync(path!, 'utf8')) as {
      images: Record<string, { crop_sha256: string }>;
    };
    const files = readTar(archive!, new Set(Object.keys(images)));
    expect(files.size).toBe(32);
    for (const [name, { crop_sha256 }] of Object.entries(images)) {
      const picture = await decodePicture(files.get(name)!, { name });
      // Their crop starts at (size - side) >> 1; torchvision's rounds halves to even, so take the even excess.
      const left = (picture.width - side) >> 1;
      const top = (picture.height - side) >> 1;
      const crop = centreCrop(evened(picture, left, top, side), side, side);
      const bytes = halved ? halve(crop) : crop.data;
      expect([name, createHash('sha256').update(bytes).digest('hex')]).toEqual([name, crop_sha256]);
    }
  });
});

/** The picture less its last column or row where the excess over `side` is odd. */
function evened(picture: RgbPicture, left: number, top: number, side: number): RgbPicture {
  const width = side + 2 * left;
  const height = side + 2 * top;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    data.set(picture.data.subarray(y * picture.width * 3, (y * picture.width + width) * 3), y * width * 3);
  return { width, height, data };
}

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
