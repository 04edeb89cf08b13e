/**
 * From a decoded picture to a network's input: resize, centre crop, normalise, planes. Every step equals
 * torchvision's on PIL pictures (`Resize`, `CenterCrop`, `ToTensor`, `Normalize`), so that weights trained there see
 * what they were trained on. Not augmentation and not file decoding.
 *
 * Shape legend: pictures are [H][W][3] bytes; the network's input is [N, 3, H, W] floats (NCHW).
 */
import { rangeError } from '../errors.js';
import type { Preprocessing } from '../graph/graph.js';
import type { RgbPicture } from './picture.js';
import { type Interpolation, resizePicture } from './resize.js';

/**
 * Resizes so that the short side has `size` pixels; the long side is cut to a whole pixel, as torchvision does.
 * Throws RangeError `RESIZE_SIZE`.
 */
export function resizeShortSide(
  picture: RgbPicture,
  size: number,
  interpolation: Interpolation = 'bilinear',
): RgbPicture {
  const [width, height] = shortSideSize(picture.width, picture.height, size);
  return resizePicture(picture, width, height, interpolation);
}

/** Width and height after a resize of the short side to `size`. */
export function shortSideSize(width: number, height: number, size: number): [width: number, height: number] {
  const short = Math.min(width, height);
  const long = Math.max(Math.trunc((size * Math.max(width, height)) / short), 1);
  return width <= height ? [size, long] : [long, size];
}

/**
 * Where a centre crop of `to` pixels begins in a side of `from` pixels; below zero where the crop is larger. Padding
 * comes first (floor of half the lack before), then the crop of what was padded.
 */
export function cropStart(from: number, to: number, rounding: 'even' | 'down' = 'even'): number {
  const before = to > from ? (to - from) >> 1 : 0;
  const round = rounding === 'even' ? roundHalfEven : Math.floor;
  return round((Math.max(from, to) - to) / 2) - before;
}

/** Rounds halves to the even neighbour, as Python does. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * The middle `width` x `height` pixels. Where the picture is smaller than that, black fills the rest (the odd pixel
 * goes right and below), as torchvision's `CenterCrop` does. With an odd excess the crop begins at half of it rounded to
 * even, as torchvision has it, or rounded down. Throws RangeError `CROP_SIZE`.
 */
export function centreCrop(
  picture: RgbPicture,
  width: number,
  height: number,
  rounding: 'even' | 'down' = 'even',
): RgbPicture {
  for (const side of [width, height])
    if (!Number.isInteger(side) || side < 1)
      throw rangeError(
        'CROP_SIZE',
        `centreCrop: sides must be whole numbers above 0, got ${width}x${height}`,
      );
  const left = cropStart(picture.width, width, rounding);
  const top = cropStart(picture.height, height, rounding);
  const data = new Uint8Array(width * height * 3);
  const fromX = Math.max(left, 0);
  const toX = Math.min(left + width, picture.width);
  for (let y = Math.max(-top, 0); y < height && y + top < picture.height; y++) {
    const row = (y + top) * picture.width;
    data.set(picture.data.subarray((row + fromX) * 3, (row + toX) * 3), (y * width + fromX - left) * 3);
  }
  return { width, height, data };
}

/**
 * Writes (value / 255 - mean) / std as planes R, G, B into `target` from `offset` on: [3, H, W] floats. Rounded to
 * 32 bits after each step, as PyTorch does. Throws RangeError `NORMALISE` when mean or std does not have three
 * values, a std is not above 0, or the target is too short.
 */
export function normaliseInto(
  picture: RgbPicture,
  mean: readonly number[],
  std: readonly number[],
  target: Float32Array,
  offset = 0,
): void {
  if (mean.length !== 3 || std.length !== 3 || std.some((value) => !(value > 0)))
    throw rangeError(
      'NORMALISE',
      `normalise: mean and std need three values each and std > 0, got [${mean}] and [${std}]`,
    );
  const plane = picture.width * picture.height;
  if (offset < 0 || offset + plane * 3 > target.length)
    throw rangeError(
      'NORMALISE',
      `normalise: ${plane * 3} values do not fit at ${offset} of ${target.length}`,
    );
  for (let c = 0; c < 3; c++) {
    const table = normalisedLevels(mean[c]!, std[c]!);
    for (let i = 0, at = offset + c * plane; i < plane; i++)
      target[at + i] = table[picture.data[i * 3 + c]!]!;
  }
}

/** What the 256 grey levels of a channel become: (value / 255 - mean) / std, in 32 bits after each step. */
export function normalisedLevels(mean: number, std: number): Float32Array {
  const [m, s] = [Math.fround(mean), Math.fround(std)];
  return Float32Array.from({ length: 256 }, (_, value) => Math.fround(Math.fround(value / 255) - m) / s);
}

/**
 * Each block of `factor` x `factor` pixels to its mean, halves rounded up. Throws RangeError `SHRINK` when the sides are
 * no multiple of it.
 */
export function shrinkPicture(picture: RgbPicture, factor: number): RgbPicture {
  if (factor === 1) return picture;
  const [width, height] = [picture.width / factor, picture.height / factor];
  if (![factor, width, height].every((size) => Number.isInteger(size) && size >= 1))
    throw rangeError(
      'SHRINK',
      `shrinkPicture: ${picture.width}x${picture.height} cannot be cut into blocks of ${factor}`,
    );
  const data = new Uint8Array(width * height * 3);
  const area = factor * factor;
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++, to++) {
        let sum = area >> 1;
        for (let i = 0; i < factor; i++) {
          const row = ((y * factor + i) * picture.width + x * factor) * 3 + c;
          for (let j = 0; j < factor; j++) sum += picture.data[row + j * 3]!;
        }
        data[to] = Math.floor(sum / area);
      }
  return { width, height, data };
}

/** Resize, crop and shrink only: the bytes that the network would see before normalisation, `width` x `height`. */
export function fitPicture(
  picture: RgbPicture,
  preprocessing: Omit<Preprocessing, 'mean' | 'std'>,
  width: number,
  height: number,
): RgbPicture {
  const { resizeShortSide: size, interpolation, keepSize, cropRounding, shrink = 1 } = preprocessing;
  const [wide, high] = [width * shrink, height * shrink];
  const fitted =
    size === undefined && !keepSize
      ? resizePicture(picture, wide, high, interpolation)
      : centreCrop(
          size === undefined ? picture : resizeShortSide(picture, size, interpolation),
          wide,
          high,
          cropRounding,
        );
  return shrinkPicture(fitted, shrink);
}

/**
 * Pictures to one batch: [N, 3, height, width] floats, N pictures in order. With `resizeShortSide` the middle of the
 * picture is kept and its sides' ratio too; with `keepSize` the middle is cut out as it is; without either the whole
 * picture is resized straight to the input's size.
 * Throws what `fitPicture` and `normaliseInto` throw.
 */
export function preprocess(
  pictures: RgbPicture | readonly RgbPicture[],
  preprocessing: Preprocessing,
  width: number,
  height: number,
): Float32Array {
  const list = 'data' in pictures ? [pictures] : pictures;
  const size = 3 * width * height;
  const batch = new Float32Array(list.length * size);
  list.forEach((picture, index) => {
    const fitted = fitPicture(picture, preprocessing, width, height);
    normaliseInto(fitted, preprocessing.mean, preprocessing.std, batch, index * size);
  });
  return batch;
}
