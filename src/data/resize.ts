/**
 * Resizing with antialias, bit for bit as Pillow does it (and so torchvision on PIL pictures): a separable filter
 * whose support grows with the reduction, 22-bit fixed-point coefficients, and an 8-bit picture between the two
 * passes. Not a general image library: 8-bit RGB in, 8-bit RGB out.
 *
 * Source: Pillow's `Image.resize` with `BILINEAR` (triangle) or `BICUBIC` (Keys' kernel, a = -0.5); "Cubic convolution
 * interpolation for digital image processing", Keys 1981, equation 4.
 */
import { rangeError } from '../errors.js';
import type { RgbPicture } from './picture.js';

export type Interpolation = 'bilinear' | 'bicubic';

/** For every output position: the first input position and `count` coefficients (stored `taps` apart). */
export interface Coefficients {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** Scaled by 2^22 and rounded half away from zero. */
  readonly values: Int32Array;
}

/** 32 bits less 8 of the pixel and 2 of headroom for kernels that overshoot. */
const fractionBits = 22;
const half = 1 << (fractionBits - 1);

const filters: Record<Interpolation, { support: number; weight: (x: number) => number }> = {
  bilinear: { support: 1, weight: triangle },
  bicubic: { support: 2, weight: keys },
};

function triangle(x: number): number {
  const distance = Math.abs(x);
  return distance < 1 ? 1 - distance : 0;
}

function keys(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/**
 * Resizes to exactly `width` x `height` pixels. A side that keeps its size is not filtered.
 * Throws RangeError `RESIZE_SIZE` when a side is not a whole number above 0.
 */
export function resizePicture(
  picture: RgbPicture,
  width: number,
  height: number,
  interpolation: Interpolation = 'bilinear',
): RgbPicture {
  for (const side of [width, height])
    if (!Number.isInteger(side) || side < 1)
      throw rangeError('RESIZE_SIZE', `resize: sides must be whole numbers above 0, got ${width}x${height}`);
  let result = picture;
  if (width !== picture.width) result = resizeRows(result, coefficients(picture.width, width, interpolation));
  if (height !== picture.height)
    result = resizeColumns(result, coefficients(picture.height, height, interpolation));
  return result === picture ? { ...picture, data: picture.data.slice() } : result;
}

/** The filter of one side: `inSize` pixels to `outSize`. */
export function coefficients(inSize: number, outSize: number, interpolation: Interpolation): Coefficients {
  const { support: unitSupport, weight } = filters[interpolation];
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = unitSupport * filterScale;
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const values = new Int32Array(outSize * taps);
  const exact = new Float64Array(taps);
  const inverse = 1 / filterScale;
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const length = Math.min(Math.trunc(center + support + 0.5), inSize) - start;
    let total = 0;
    for (let k = 0; k < length; k++) {
      exact[k] = weight((k + start - center + 0.5) * inverse);
      total += exact[k]!;
    }
    for (let k = 0; k < length; k++) {
      const value = (total === 0 ? exact[k]! : exact[k]! / total) * (1 << fractionBits);
      values[out * taps + k] = Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
    }
    first[out] = start;
    count[out] = length;
  }
  return { taps, first, count, values };
}

function clip(sum: number): number {
  const value = sum >> fractionBits;
  return Math.min(Math.max(value, 0), 255);
}

function resizeRows(picture: RgbPicture, { taps, first, count, values }: Coefficients): RgbPicture {
  const { height, data } = picture;
  const width = first.length;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * picture.width * 3;
    for (let x = 0; x < width; x++, to += 3) {
      let from = row + first[x]! * 3;
      let r = half;
      let g = half;
      let b = half;
      for (let k = x * taps, end = k + count[x]!; k < end; k++, from += 3) {
        const value = values[k]!;
        r += data[from]! * value;
        g += data[from + 1]! * value;
        b += data[from + 2]! * value;
      }
      out[to] = clip(r);
      out[to + 1] = clip(g);
      out[to + 2] = clip(b);
    }
  }
  return { width, height, data: out };
}

/** Whole rows are summed at a time, so that memory is read in order. */
function resizeColumns(picture: RgbPicture, { taps, first, count, values }: Coefficients): RgbPicture {
  const { width, data } = picture;
  const height = first.length;
  const stride = width * 3;
  const out = new Uint8Array(stride * height);
  const sums = new Int32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    for (let k = 0; k < count[y]!; k++) {
      const value = values[y * taps + k]!;
      const row = (first[y]! + k) * stride;
      for (let i = 0; i < stride; i++) sums[i]! += data[row + i]! * value;
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = clip(sums[i]!);
  }
  return { width, height, data: out };
}
