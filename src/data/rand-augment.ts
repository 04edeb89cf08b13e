/**
 * RandAugment (Cubuk et al. 2019): some operations drawn at random from a fixed list, all with one strength. The list
 * and the ranges are those of the paper's appendix; geometry samples bilinearly and fills with grey.
 * Other augmentations are in augment.ts.
 *
 * Layout legend: [H][W][3] bytes in and out, the size stays.
 */
import { rangeError } from '../errors.js';
import type { Random } from '../models/random.js';
import type { RgbPicture } from './picture.js';

const fill = 128;
const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value));

/** Every value through a table of 256. */
function mapped(picture: RgbPicture, table: (value: number, channel: number) => number): RgbPicture {
  const tables = [0, 1, 2].map((c) => Uint8Array.from({ length: 256 }, (_, value) => clamp(table(value, c))));
  const data = new Uint8Array(picture.data.length);
  for (let i = 0; i < data.length; i++) data[i] = tables[i % 3]![picture.data[i]!]!;
  return { ...picture, data };
}

/** out = other + (picture - other) * factor, value by value. */
function blended(
  picture: RgbPicture,
  factor: number,
  other: (i: number, picture: RgbPicture) => number,
): RgbPicture {
  const data = new Uint8Array(picture.data.length);
  for (let i = 0; i < data.length; i++) {
    const base = other(i, picture);
    data[i] = clamp(base + (picture.data[i]! - base) * factor);
  }
  return { ...picture, data };
}

function greyAt({ data }: RgbPicture, pixel: number): number {
  return 0.299 * data[pixel]! + 0.587 * data[pixel + 1]! + 0.114 * data[pixel + 2]!;
}

function meanGrey(picture: RgbPicture): number {
  let sum = 0;
  for (let i = 0; i < picture.data.length; i += 3) sum += greyAt(picture, i);
  return sum / (picture.data.length / 3);
}

/** Reads the source at (a x + b y + c, d x + e y + f), coordinates from the centre. */
function affine(picture: RgbPicture, [a, b, c, d, e, f]: readonly number[]): RgbPicture {
  const { width, height, data } = picture;
  const out = new Uint8Array(data.length).fill(fill);
  const cx = (width - 1) / 2;
  const cy = (height - 1) / 2;
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 3) {
      const u = a! * (x - cx) + b! * (y - cy) + c! + cx;
      const v = d! * (x - cx) + e! * (y - cy) + f! + cy;
      const x0 = Math.floor(u);
      const y0 = Math.floor(v);
      if (x0 < -1 || y0 < -1 || x0 >= width || y0 >= height) continue;
      const fx = u - x0;
      const fy = v - y0;
      for (let channel = 0; channel < 3; channel++) {
        const read = (px: number, py: number): number =>
          px < 0 || py < 0 || px >= width || py >= height ? fill : data[(py * width + px) * 3 + channel]!;
        const top = read(x0, y0) * (1 - fx) + read(x0 + 1, y0) * fx;
        const bottom = read(x0, y0 + 1) * (1 - fx) + read(x0 + 1, y0 + 1) * fx;
        out[to + channel] = clamp(top * (1 - fy) + bottom * fy);
      }
    }
  return { ...picture, data: out };
}

function autoContrast(picture: RgbPicture): RgbPicture {
  const low = [255, 255, 255];
  const high = [0, 0, 0];
  picture.data.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3]!, value);
    high[i % 3] = Math.max(high[i % 3]!, value);
  });
  return mapped(picture, (value, c) =>
    high[c]! > low[c]! ? ((value - low[c]!) * 255) / (high[c]! - low[c]!) : value,
  );
}

function equalize(picture: RgbPicture): RgbPicture {
  const counts = [0, 1, 2].map(() => new Float64Array(256));
  picture.data.forEach((value, i) => {
    counts[i % 3]![value]! += 1;
  });
  const total = picture.data.length / 3;
  const ranks = counts.map((count) => {
    let below = 0;
    return count.map((n) => {
      const rank = ((below + n / 2) * 255) / total;
      below += n;
      return rank;
    });
  });
  return mapped(picture, (value, c) => ranks[c]![value]!);
}

/** Difference from a 3x3 smoothing (centre weight 5 of 13, as Pillow's SMOOTH), inside the border. */
function smoothAt(i: number, { width, height, data }: RgbPicture): number {
  const pixel = Math.floor(i / 3);
  const x = pixel % width;
  const y = Math.floor(pixel / width);
  if (x === 0 || y === 0 || x === width - 1 || y === height - 1) return data[i]!;
  let sum = 4 * data[i]!;
  for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) sum += data[i + (dy * width + dx) * 3]!;
  return sum / 13;
}

type Operation = (picture: RgbPicture, strength: number, sign: number) => RgbPicture;

/** By name; strength in 0..1, sign -1 or 1. */
export const randAugmentOperations: Readonly<Record<string, Operation>> = {
  identity: (picture) => picture,
  autoContrast,
  equalize,
  rotate: (picture, strength, sign) => {
    const angle = (sign * strength * Math.PI) / 6;
    return affine(picture, [Math.cos(angle), -Math.sin(angle), 0, Math.sin(angle), Math.cos(angle), 0]);
  },
  solarize: (picture, strength) =>
    mapped(picture, (value) => (value >= 256 * (1 - strength) ? 255 - value : value)),
  posterize: (picture, strength) => {
    const mask = (0xff << Math.round(4 * strength)) & 0xff;
    return mapped(picture, (value) => value & mask);
  },
  color: (picture, strength, sign) =>
    blended(picture, 1 + sign * 0.9 * strength, (i, from) => greyAt(from, i - (i % 3))),
  contrast: (picture, strength, sign) => {
    const mean = meanGrey(picture);
    return blended(picture, 1 + sign * 0.9 * strength, () => mean);
  },
  brightness: (picture, strength, sign) => blended(picture, 1 + sign * 0.9 * strength, () => 0),
  sharpness: (picture, strength, sign) => blended(picture, 1 + sign * 0.9 * strength, smoothAt),
  shearX: (picture, strength, sign) => affine(picture, [1, sign * 0.3 * strength, 0, 0, 1, 0]),
  shearY: (picture, strength, sign) => affine(picture, [1, 0, 0, sign * 0.3 * strength, 1, 0]),
  translateX: (picture, strength, sign) =>
    affine(picture, [1, 0, sign * 0.3 * strength * picture.width, 0, 1, 0]),
  translateY: (picture, strength, sign) =>
    affine(picture, [1, 0, 0, 0, 1, sign * 0.3 * strength * picture.height]),
};

const operationList = Object.values(randAugmentOperations);

/** `operations` random operations in turn, each with strength `magnitude` / 10. Throws RangeError `AUGMENT`. */
export function randAugment(
  picture: RgbPicture,
  options: { readonly operations: number; readonly magnitude: number },
  random: Random,
): RgbPicture {
  const { operations, magnitude } = options;
  if (!Number.isInteger(operations) || operations < 0 || !(magnitude >= 0 && magnitude <= 10))
    throw rangeError(
      'AUGMENT',
      `randAugment: given ${operations} operations of magnitude ${magnitude}, expected a whole number and 0 to 10`,
    );
  let out = picture;
  for (let i = 0; i < operations; i++) {
    const operation = operationList[random.below(operationList.length)]!;
    const sign = random.uniform() < 0.5 ? -1 : 1;
    out = operation(out, magnitude / 10, sign);
  }
  return out;
}
