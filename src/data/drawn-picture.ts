/**
 * A test picture drawn by an integer formula: ramps, a checkerboard, a disc and noise. The script that makes the
 * preprocessing goldens repeats the formula, so the goldens store results only. Test material, in no entry point.
 */
import type { RgbPicture } from './picture.js';

/** The drawn picture of that size; the same bytes on every machine. */
export function drawPicture(width: number, height: number): RgbPicture {
  const data = new Uint8Array(width * height * 3);
  const radius = Math.floor(Math.min(width, height) / 2);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++, at++) {
        const ramp = Math.floor((x * (3 + c) + y * (5 - c)) / 2);
        const checker = (((x >> 2) ^ (y >> 2)) & 1) * 90;
        const disc = (2 * x - width) ** 2 + (2 * y - height) ** 2 < radius ** 2 * 2 ? 120 : 0;
        const noise = (x * 7919 + y * 104729 + c * 1299709 + x * y * 31) % 61;
        const value = (ramp + checker + disc + noise) % 511;
        data[at] = value > 255 ? 510 - value : value;
      }
  return { width, height, data };
}
