import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawPicture } from '../drawn-picture.js';
import type { RgbPicture } from '../picture.js';
import { decodePicture, decodePictureFile, sniffPictureFormat } from './decode.js';

const width = 30;
const height = 20;
const drawn = drawPicture(width, height);
const encode = (picture: RgbPicture = drawn) =>
  sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } });

function meanDifference(got: RgbPicture, expected: RgbPicture): number {
  expect([got.width, got.height]).toEqual([expected.width, expected.height]);
  const sum = got.data.reduce((total, value, i) => total + Math.abs(value - expected.data[i]!), 0);
  return sum / got.data.length;
}

/** A soft picture, which lossy formats keep nearly as it is. */
const soft: RgbPicture = {
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return 60 + (pixel % width) * 4 + Math.floor(pixel / width) * (1 + (i % 3));
  }),
};

describe('formats', () => {
  it('reads lossless PNG, palette PNG, WebP, AVIF and a still GIF exactly', async () => {
    for (const bytes of [
      await encode().png().toBuffer(),
      await encode().webp({ lossless: true }).toBuffer(),
      await encode().avif({ lossless: true }).toBuffer(),
    ])
      expect(meanDifference(await decodePicture(bytes), drawn)).toBe(0);
    for (const bytes of [
      await encode(soft).gif().toBuffer(),
      await encode(soft).png({ palette: true }).toBuffer(),
    ])
      expect(meanDifference(await decodePicture(bytes), soft)).toBeLessThan(2);
  });

  it('reads JPEG (baseline and progressive) and lossy WebP and AVIF closely', async () => {
    for (const bytes of [
      await encode(soft).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer(),
      await encode(soft).jpeg({ quality: 95, progressive: true }).toBuffer(),
      await encode(soft).webp({ quality: 95 }).toBuffer(),
      await encode(soft).avif({ quality: 90 }).toBuffer(),
    ])
      expect(meanDifference(await decodePicture(bytes), soft)).toBeLessThan(2);
  });

  it('takes the first frame of an animated GIF and WebP', async () => {
    const frame = (r: number, g: number, b: number) =>
      Buffer.from(Array.from({ length: 16 * 16 }, () => [r, g, b]).flat());
    const frames = Buffer.concat([frame(250, 10, 20), frame(10, 250, 20), frame(10, 20, 250)]);
    const animation = () => sharp(frames, { raw: { width: 16, height: 48, channels: 3, pageHeight: 16 } });
    for (const bytes of [
      await animation().gif().toBuffer(),
      await animation().webp({ lossless: true }).toBuffer(),
    ]) {
      expect((await sharp(bytes).metadata()).pages).toBe(3);
      const got = await decodePicture(bytes);
      expect([got.width, got.height]).toEqual([16, 16]);
      expect(got.data[0]).toBeGreaterThan(240);
      expect(got.data[1]).toBeLessThan(20);
    }
  });

  it('makes grey pictures three equal channels, 8 and 16 bits', async () => {
    for (const bytes of [
      await encode().greyscale().jpeg().toBuffer(),
      await encode().greyscale().png().toBuffer(),
      await encode().toColourspace('grey16').png().toBuffer(),
    ]) {
      const { data } = await decodePicture(bytes);
      expect(data.length).toBe(width * height * 3);
      expect(new Set(data).size).toBeGreaterThan(50);
      for (let i = 0; i < data.length; i += 3) expect([data[i + 1], data[i + 2]]).toEqual([data[i], data[i]]);
    }
  });

  it('reads 16-bit RGB and 16-bit grey at their right brightness', async () => {
    expect(
      meanDifference(await decodePicture(await encode().toColourspace('rgb16').png().toBuffer()), drawn),
    ).toBe(0);
    const grey = sharp(Buffer.alloc(16, 0x80), { raw: { width: 4, height: 4, channels: 1 } });
    const { data } = await decodePicture(await grey.toColourspace('grey16').png().toBuffer());
    for (const value of data) expect(Math.abs(value - 0x80)).toBeLessThanOrEqual(1);
  });

  it('reads CMYK JPEG as the colours that it shows', async () => {
    const patch = (r: number, g: number, b: number) => ({
      width: 16,
      height: 16,
      data: Uint8Array.from({ length: 768 }, (_, i) => [r, g, b][i % 3]!),
    });
    for (const [r, g, b] of [
      [250, 250, 250],
      [10, 10, 10],
      [200, 60, 50],
      [60, 110, 170],
    ] as const) {
      const bytes = await encode(patch(r, g, b))
        .toColourspace('cmyk')
        .jpeg({ quality: 100 })
        .toBuffer();
      expect((await sharp(bytes).metadata()).space).toBe('cmyk');
      expect(meanDifference(await decodePicture(bytes), patch(r, g, b))).toBeLessThan(30);
    }
  });

  it('shows white where a picture is transparent', async () => {
    const rgba = Buffer.from([10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128, 255, 0, 0, 0]);
    const image = () => sharp(rgba, { raw: { width: 4, height: 1, channels: 4 } });
    for (const bytes of [
      await image().png().toBuffer(),
      await image().webp({ lossless: true, exact: true }).toBuffer(),
    ]) {
      const { data } = await decodePicture(bytes);
      expect([...data.slice(0, 6)]).toEqual([10, 20, 30, 255, 255, 255]);
      expect([...data.slice(9)]).toEqual([255, 255, 255]);
      for (const [c, value] of [127, 177, 227].entries())
        expect(Math.abs(data[6 + c]! - value)).toBeLessThanOrEqual(1);
    }
    const greyAlpha = sharp(rgba.subarray(0, 4), { raw: { width: 2, height: 1, channels: 2 } });
    const { data } = await decodePicture(await greyAlpha.toColourspace('b-w').png().toBuffer());
    expect(data.length).toBe(6);
  });

  it('keeps the colours of a picture with an sRGB profile', async () => {
    const bytes = await encode().withIccProfile('srgb').png().toBuffer();
    expect((await sharp(bytes).metadata()).icc).toBeDefined();
    expect(meanDifference(await decodePicture(bytes), drawn)).toBeLessThan(1);
  });
});

describe('EXIF orientation', () => {
  /** Where the upright pixel (x, y) is stored, for a stored picture of w x h: the EXIF standard's table. */
  const stored: Record<number, (x: number, y: number, w: number, h: number) => [number, number]> = {
    1: (x, y) => [x, y],
    2: (x, y, w) => [w - 1 - x, y],
    3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
    4: (x, y, _, h) => [x, h - 1 - y],
    5: (x, y) => [y, x],
    6: (x, y, _, h) => [y, h - 1 - x],
    7: (x, y, w, h) => [w - 1 - y, h - 1 - x],
    8: (x, y, w) => [w - 1 - y, x],
  };

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i stands upright, in PNG, WebP and JPEG', async (orientation) => {
    const [w, h] = orientation > 4 ? [height, width] : [width, height];
    const upright = (picture: RgbPicture): RgbPicture => {
      const data = new Uint8Array(w * h * 3);
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++) {
          const [fromX, fromY] = stored[orientation]!(x, y, width, height);
          const from = (fromY * width + fromX) * 3;
          data.set(picture.data.subarray(from, from + 3), (y * w + x) * 3);
        }
      return { width: w, height: h, data };
    };
    const tagged = (picture: RgbPicture) => encode(picture).withMetadata({ orientation });
    for (const bytes of [
      await tagged(drawn).png().toBuffer(),
      await tagged(drawn).webp({ lossless: true }).toBuffer(),
    ])
      expect(meanDifference(await decodePicture(bytes), upright(drawn))).toBeLessThan(1);
    const jpeg = await tagged(soft).jpeg({ quality: 95 }).toBuffer();
    expect(meanDifference(await decodePicture(jpeg), upright(soft))).toBeLessThan(2);
  });
});

describe('bad pictures', () => {
  const refused = (code: string, message: RegExp) =>
    expect.objectContaining({ code, message: expect.stringMatching(message) });

  it('says which: empty, not a picture, another format, torn, too large', async () => {
    const png = await encode().png().toBuffer();
    const jpeg = await encode().jpeg().toBuffer();
    const cases: [Uint8Array, string, RegExp][] = [
      [new Uint8Array(0), 'PICTURE_EMPTY', /^a\.jpg: the file is empty$/],
      [Buffer.from('hello, I am text\n'), 'NOT_A_PICTURE', /^a\.jpg: not a JPEG, PNG/],
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'NOT_A_PICTURE', /not a JPEG/],
      [await encode().tiff().toBuffer(), 'NOT_A_PICTURE', /not a JPEG/],
      [png.subarray(0, png.length / 2), 'PICTURE_CORRUPT', /^a\.jpg: damaged or cut short PNG/],
      [jpeg.subarray(0, jpeg.length / 2), 'PICTURE_CORRUPT', /damaged or cut short JPEG/],
      [jpeg.subarray(0, 3), 'PICTURE_CORRUPT', /JPEG/],
      [(await encode().webp().toBuffer()).subarray(0, 60), 'PICTURE_CORRUPT', /WEBP/],
      [(await encode().avif().toBuffer()).subarray(0, 200), 'PICTURE_CORRUPT', /AVIF/],
      [(await encode().gif().toBuffer()).subarray(0, 40), 'PICTURE_CORRUPT', /GIF/],
    ];
    for (const [bytes, code, message] of cases)
      await expect(decodePicture(bytes, { name: 'a.jpg' })).rejects.toThrow(refused(code, message));
    await expect(decodePicture(png, { name: 'a.png', maxPixels: 599 })).rejects.toThrow(
      refused('PICTURE_TOO_LARGE', /^a\.png: 30x20 is 600 pixels; at most 599/),
    );
    await expect(decodePicture(png, { maxBytes: 20 })).rejects.toThrow(
      refused('PICTURE_TOO_LARGE', /at most 20 are read/),
    );
    await expect(decodePicture(png, { maxPixels: 0 })).rejects.toThrow(
      refused('DECODE_OPTIONS', /maxPixels/),
    );
  });

  it('refuses a decompression bomb by its header, before it takes memory', async () => {
    const bomb = await sharp({ create: { width: 6000, height: 6000, channels: 3, background: '#000' } })
      .png({ compressionLevel: 6 })
      .toBuffer();
    expect(bomb.length).toBeLessThan(2 ** 18);
    const before = process.memoryUsage().rss;
    await expect(decodePicture(bomb, { maxPixels: 2 ** 24 })).rejects.toThrow(
      refused('PICTURE_TOO_LARGE', /6000x6000 is 36000000 pixels; at most 16777216/),
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 25);
  });

  it('names missing files, folders, and unreadable and large ones', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ghostnet-decode-'));
    try {
      const file = join(folder, 'a.png');
      await writeFile(file, await encode().png().toBuffer());
      expect((await decodePictureFile(file)).width).toBe(width);
      await expect(decodePictureFile(join(folder, 'b.png'))).rejects.toThrow(
        refused('PICTURE_NOT_FOUND', /b\.png/),
      );
      await expect(decodePictureFile(folder)).rejects.toThrow(refused('PICTURE_UNREADABLE', /folder/));
      await expect(decodePictureFile(file, { maxBytes: 10 })).rejects.toThrow(
        refused('PICTURE_TOO_LARGE', /bytes/),
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('knows a format by its first bytes only', () => {
    expect(sniffPictureFormat(Buffer.from('GIF89a'))).toBe('gif');
    expect(sniffPictureFormat(Buffer.from('RIFF\0\0\0\0WEBPVP8 '))).toBe('webp');
    expect(sniffPictureFormat(Buffer.from('RIFF\0\0\0\0WAVEfmt '))).toBeUndefined();
    expect(sniffPictureFormat(Buffer.from('\0\0\0\x1cftypheic'))).toBeUndefined();
    expect(sniffPictureFormat(Buffer.from('GIF'))).toBeUndefined();
  });
});
