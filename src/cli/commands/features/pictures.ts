/**
 * Feature maps as grey pictures: a grid of all maps of a layer, and pairs side by side. Bytes by sharp; which maps and
 * why is decided in features.ts.
 */
import sharp from 'sharp';
import type { Tensor } from '../../../graph/graph.js';

/** Grey bytes with their size. */
interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const gap = 2;
const background = 236;

/** Map `channel` of the first picture, darkest value black and brightest white. */
function mapPicture({ shape, data }: Tensor, channel: number): Grey {
  const [, , height = 1, width = 1] = shape;
  const values = data.subarray(channel * height * width, (channel + 1) * height * width);
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const scale = high > low ? 255 / (high - low) : 0;
  return { width, height, data: Uint8Array.from(values, (value) => Math.round((value - low) * scale)) };
}

/** Pictures of one size in rows of `columns`, each enlarged by the whole factor `zoom`. */
function gridOf(pictures: readonly Grey[], columns: number, zoom: number): Grey {
  const [{ width: w, height: h } = { width: 1, height: 1 }] = pictures;
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * (w * zoom + gap) + gap;
  const height = rows * (h * zoom + gap) + gap;
  const data = new Uint8Array(width * height).fill(background);
  pictures.forEach((picture, i) => {
    const left = gap + (i % columns) * (w * zoom + gap);
    const top = gap + Math.floor(i / columns) * (h * zoom + gap);
    for (let y = 0; y < h * zoom; y++)
      for (let x = 0; x < w * zoom; x++)
        data[(top + y) * width + left + x] =
          picture.data[Math.floor(y / zoom) * w + Math.floor(x / zoom)] ?? 0;
  });
  return { width, height, data };
}

function png({ width, height, data }: Grey): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 1 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/** All maps [N, C, H, W] of the first picture as a PNG, about square, at least `side` pixels wide. */
export function gridPng(maps: Tensor, side = 640): Promise<Buffer> {
  const [, channels = 1, height = 1, width = 1] = maps.shape;
  const columns = Math.max(1, Math.ceil(Math.sqrt((channels * height) / width)));
  const zoom = Math.max(1, Math.floor(side / (columns * (width + gap))));
  return png(
    gridOf(
      Array.from({ length: channels }, (_, channel) => mapPicture(maps, channel)),
      columns,
      zoom,
    ),
  );
}

/** Two maps side by side as a PNG. */
export function pairPng(maps: Tensor, a: number, b: number, side = 220): Promise<Buffer> {
  const zoom = Math.max(1, Math.floor(side / (2 * ((maps.shape[3] ?? 1) + gap))));
  return png(gridOf([mapPicture(maps, a), mapPicture(maps, b)], 2, zoom));
}
