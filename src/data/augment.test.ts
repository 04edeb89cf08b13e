import { describe, expect, it } from 'vitest';
import { Random } from '../models/random.js';
import { type AugmentOptions, augmentPicture } from './augment.js';
import { assembleBatch, epochBatches } from './batches.js';
import { drawPicture } from './drawn-picture.js';
import type { RgbPicture } from './picture.js';
import { stratifiedSplit } from './sampling.js';

const picture = drawPicture(24, 20);
const augment = (options: AugmentOptions, seed = 1, epoch = 0, of: RgbPicture = picture) =>
  augmentPicture(of, 16, options, new Random(seed), { epoch, firstFlip: true, mean: [0.5, 0.5, 0.5] });

describe('augmentPicture', () => {
  it.each<[string, AugmentOptions]>([
    ['middle', {}],
    ['pad', { crop: { kind: 'pad', padding: 3 } }],
    ['resized', { crop: { kind: 'resized' }, flip: 'random' }],
    ['colours', { colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 } }],
    ['RandAugment', { randAugment: { operations: 2, magnitude: 9 } }],
    ['old photograph', { monochrome: 1, soften: 1 }],
    ['cut-out', { cutout: 8 }],
  ])('%s: the size asked for, the same bits for the same seed, the picture as it was', (_, options) => {
    const before = picture.data.slice();
    const out = augment(options);
    expect([out.width, out.height, out.data.length]).toEqual([16, 16, 768]);
    expect(augment(options)).toEqual(out);
    expect(picture.data).toEqual(before);
  });

  it('takes colours away, to grey or to brown', () => {
    let toned = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { data } = augment({ monochrome: 1 }, seed);
      let grey = true;
      for (let i = 0; i < data.length; i += 3) {
        expect(data[i]).toBeGreaterThanOrEqual(data[i + 1]!);
        expect(data[i + 1]).toBeGreaterThanOrEqual(data[i + 2]!);
        if (data[i] !== data[i + 2]) grey = false;
      }
      if (!grey) toned++;
    }
    expect(toned).toBeGreaterThan(4);
    expect(toned).toBeLessThan(16);
    expect(augment({ monochrome: 0 })).toEqual(augment({}));
  });

  it('softens by the binomial kernel', () => {
    const spot = { width: 16, height: 16, data: new Uint8Array(768) };
    spot.data.fill(160, (5 * 16 + 7) * 3, (5 * 16 + 7) * 3 + 3);
    const { data } = augment({ soften: 1 }, 1, 0, spot);
    const at = (x: number, y: number) => data[(y * 16 + x) * 3];
    expect([at(7, 5), at(6, 5), at(7, 4), at(6, 4), at(5, 5)]).toEqual([40, 20, 20, 10, 0]);
  });

  it('shows every picture both ways in two epochs', () => {
    const rows = ({ data }: RgbPicture) =>
      Array.from({ length: 16 }, (_, y) => Array.from({ length: 16 }, (__, x) => data[(y * 16 + x) * 3]!));
    const first = rows(augment({ flip: 'alternating' }, 1, 0));
    const second = rows(augment({ flip: 'alternating' }, 1, 1));
    expect(second).toEqual(first.map((row) => row.toReversed()));
  });
});

describe('batches', () => {
  const source = {
    count: 40,
    labels: Array.from({ length: 40 }, (_, i) => i % 4),
    picture: () => picture,
  };
  const recipe = { size: 16, classes: 4, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], seed: 3 };

  it('hold every picture once an epoch, in another order each time', () => {
    const indices = Int32Array.from({ length: 40 }, (_, i) => i);
    const orders = [0, 1].map((epoch) =>
      epochBatches(indices, 8, 3, epoch).flatMap((request) => [...request.indices]),
    );
    for (const order of orders) expect(order.toSorted((a, b) => a - b)).toEqual([...indices]);
    expect(orders[0]).not.toEqual(orders[1]);
    expect(() => epochBatches(indices, 41, 3, 0)).toThrow(/only 40 training pictures/);
  });

  it('mix pictures and targets by the same share', async () => {
    const request = { epoch: 0, indices: Int32Array.from([0, 1, 2, 3]) };
    const { shares, images } = await assembleBatch(source, { ...recipe, augment: { mixup: 0.4 } }, request);
    for (let i = 0; i < 4; i++) {
      const row = shares!.subarray(i * 4, i * 4 + 4);
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      expect(row[i]).toBeGreaterThanOrEqual(0.5);
    }
    expect(images.every(Number.isFinite)).toBe(true);
  });

  it('split classes in the same shares', () => {
    const { train, validation } = stratifiedSplit(source.labels, 0.2, 1);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    for (let label = 0; label < 4; label++)
      expect([...validation].filter((i) => source.labels[i] === label)).toHaveLength(2);
  });
});
