/** Feature maps as pictures: one map, and all maps of a layer in a sheet with the pairs framed, as figure 1 has them. */
import sharp from 'sharp';
import type { MapStack } from '../../passes/ghostify/ghost-pairs.js';
import type { Rgb } from './pair-colors.js';

/** Side of a drawn map. */
const tile = 112;
const frame = 4;

/** A map (0..1 is black to white; beyond is cut) as PNG. */
export function mapPicture(map: ArrayLike<number>, width: number, height: number): Promise<Buffer> {
  const bytes = Buffer.from(
    Uint8Array.from({ length: width * height }, (_, k) =>
      Math.round(255 * Math.min(1, Math.max(0, map[k] as number))),
    ),
  );
  return sharp(bytes, { raw: { width, height, channels: 1 } })
    .resize(tile, tile, { kernel: 'nearest', fit: 'fill' })
    .png()
    .toBuffer();
}

/** All maps of the stack, eight a row, some framed. */
export async function mapSheet(maps: MapStack, frames: ReadonlyMap<number, Rgb>): Promise<Buffer> {
  const columns = Math.min(8, maps.channels);
  const cell = tile + 2 * frame;
  const size = maps.height * maps.width;
  const tiles = [];
  for (let c = 0; c < maps.channels; c++) {
    const [left, top] = [(c % columns) * cell, Math.floor(c / columns) * cell];
    const color = frames.get(c);
    if (color) {
      const [r, g, b] = color;
      const background = { r, g, b };
      const input = await sharp({ create: { width: cell, height: cell, channels: 3, background } })
        .png()
        .toBuffer();
      tiles.push({ input, left, top });
    }
    const map = maps.data.subarray(c * size, (c + 1) * size);
    const input = await mapPicture(map, maps.width, maps.height);
    tiles.push({ input, left: left + frame, top: top + frame });
  }
  const background = { r: 255, g: 255, b: 255 };
  const height = Math.ceil(maps.channels / columns) * cell;
  return sharp({ create: { width: columns * cell, height, channels: 3, background } })
    .composite(tiles)
    .png()
    .toBuffer();
}

/** Maps side by side: the one that is filtered, the one wanted, and what each filter gives. */
export function pairStrip(pictures: readonly Buffer[]): Promise<Buffer> {
  const width = pictures.length * (tile + frame) - frame;
  const background = { r: 255, g: 255, b: 255 };
  return sharp({ create: { width, height: tile, channels: 3, background } })
    .composite(pictures.map((input, k) => ({ input, left: k * (tile + frame), top: 0 })))
    .png()
    .toBuffer();
}
