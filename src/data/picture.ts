/**
 * A decoded picture as 8-bit RGB, and the ways into it from RGBA (a canvas) and grey bytes.
 * Decodes no files (see node/decode.ts) and scales nothing (see resize.ts).
 *
 * Layout legend: H rows from top to bottom, W pixels from left to right, C = R, G, B interleaved: data[(y * W + x) * 3 + c].
 */
import { rangeError } from '../errors.js';

/** 8-bit RGB, rows from top to bottom, three bytes a pixel. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** `width * height * 3` bytes. */
  readonly data: Uint8Array;
}

/**
 * Wraps RGB bytes as a picture, without a copy.
 * Throws RangeError `PICTURE_SIZE` when a side is not a whole number above 0 or the byte count does not fit.
 */
export function rgbPicture(width: number, height: number, data: Uint8Array): RgbPicture {
  checkBytes('rgbPicture', width, height, 3, data.length);
  return { width, height, data };
}

/**
 * RGBA bytes (a canvas' ImageData) to RGB: what is transparent shows `background`, white unless told.
 * Alpha is straight, not premultiplied. Throws RangeError `PICTURE_SIZE`.
 */
export function rgbaToRgb(
  width: number,
  height: number,
  rgba: Uint8Array | Uint8ClampedArray,
  background: readonly [number, number, number] = [255, 255, 255],
): RgbPicture {
  checkBytes('rgbaToRgb', width, height, 4, rgba.length);
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const alpha = rgba[from + 3]!;
    for (let c = 0; c < 3; c++)
      data[to + c] = Math.round((rgba[from + c]! * alpha + background[c]! * (255 - alpha)) / 255);
  }
  return { width, height, data };
}

/** Grey bytes, one a pixel, to RGB with three equal channels. Throws RangeError `PICTURE_SIZE`. */
export function greyToRgb(width: number, height: number, grey: Uint8Array | Uint8ClampedArray): RgbPicture {
  checkBytes('greyToRgb', width, height, 1, grey.length);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < grey.length; i++) data.fill(grey[i]!, i * 3, i * 3 + 3);
  return { width, height, data };
}

function checkBytes(what: string, width: number, height: number, channels: number, bytes: number): void {
  for (const side of [width, height])
    if (!Number.isInteger(side) || side < 1)
      throw rangeError(
        'PICTURE_SIZE',
        `${what}: width and height must be whole numbers above 0, got ${width}x${height}`,
      );
  if (bytes !== width * height * channels)
    throw rangeError(
      'PICTURE_SIZE',
      `${what}: ${width}x${height} needs ${width * height * channels} bytes (${channels} a pixel), got ${bytes}`,
    );
}
