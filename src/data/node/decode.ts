/**
 * Picture files to 8-bit RGB, by sharp (libvips): JPEG, PNG, WebP, AVIF, and the first frame of a GIF or of an animated
 * WebP. EXIF orientation is applied; grey, CMYK and 16-bit pictures and embedded colour profiles become sRGB; what is
 * transparent shows white. Not for the browser (there a canvas decodes; see picture.ts) and no resizing.
 *
 * The format is told by the file's first bytes before anything is decoded: other formats that libvips could read (SVG,
 * PDF, TIFF, ...) are refused, whatever the file is called.
 */
import { open, readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { EnvironmentError, errorCode, FormatError, rangeError } from '../../errors.js';
import type { RgbPicture } from '../picture.js';

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif';

/** File name extensions (lower case, with dot) under which folders are searched for pictures. */
export const pictureExtensions: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.png',
  '.webp',
  '.avif',
  '.gif',
]);

export interface DecodeOptions {
  /** Pictures with more pixels are refused before decoding (decompression bombs). Default 134,217,728 (2^27). */
  readonly maxPixels?: number;
  /** Files with more bytes are refused unread. Default 268,435,456 (256 MiB). */
  readonly maxBytes?: number;
  /** What messages call the picture. Default: the file's path, or "picture" for bytes. */
  readonly name?: string;
}

export const defaultMaxPixels = 2 ** 27;
export const defaultMaxBytes = 2 ** 28;

/** The format that the first bytes say, or undefined. 16 bytes are enough. */
export function sniffPictureFormat(bytes: Uint8Array): PictureFormat | undefined {
  const at = (offset: number, text: string): boolean =>
    bytes.length >= offset + text.length &&
    [...text].every((character, i) => bytes[offset + i] === character.charCodeAt(0));
  if (at(0, '\xff\xd8\xff')) return 'jpeg';
  if (at(0, '\x89PNG\r\n\x1a\n')) return 'png';
  if (at(0, 'GIF87a') || at(0, 'GIF89a')) return 'gif';
  if (at(0, 'RIFF') && at(8, 'WEBP')) return 'webp';
  if (at(4, 'ftyp') && ['avif', 'avis', 'mif1', 'miaf'].some((brand) => at(8, brand))) return 'avif';
  return undefined;
}

/**
 * Decodes one picture file to upright 8-bit sRGB.
 *
 * Throws EnvironmentError `PICTURE_NOT_FOUND` or `PICTURE_UNREADABLE`, and what `decodePicture` throws.
 */
export async function decodePictureFile(path: string, options: DecodeOptions = {}): Promise<RgbPicture> {
  const { name = path, maxBytes = defaultMaxBytes } = options;
  return decodePicture(await readLimited(path, name, maxBytes), { ...options, name });
}

async function readLimited(path: string, name: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const handle = await open(path);
    try {
      const stat = await handle.stat();
      if (stat.isDirectory())
        throw new EnvironmentError('PICTURE_UNREADABLE', `${name}: is a folder; expected a picture file`);
      if (stat.size > maxBytes) throw tooManyBytes(name, stat.size, maxBytes);
      return await readFile(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof FormatError || error instanceof EnvironmentError) throw error;
    if (errorCode(error) === 'ENOENT')
      throw new EnvironmentError('PICTURE_NOT_FOUND', `${name}: no such file`, { cause: error });
    const reason = errorCode(error) ?? String(error);
    throw new EnvironmentError('PICTURE_UNREADABLE', `${name}: cannot be read (${reason})`, { cause: error });
  }
}

/**
 * Decodes the bytes of one picture file to upright 8-bit sRGB.
 *
 * Throws FormatError `PICTURE_EMPTY` (no bytes), `NOT_A_PICTURE` (none of the five formats), `PICTURE_TOO_LARGE` (more
 * pixels or bytes than allowed) or `PICTURE_CORRUPT` (cut short or damaged); RangeError `DECODE_OPTIONS`.
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbPicture> {
  const { name = 'picture', maxPixels = defaultMaxPixels, maxBytes = defaultMaxBytes } = options;
  for (const [key, value] of Object.entries({ maxPixels, maxBytes }))
    if (!Number.isInteger(value) || value < 1)
      throw rangeError('DECODE_OPTIONS', `decode: ${key} must be a whole number above 0, got ${value}`);
  if (bytes.length === 0) throw new FormatError('PICTURE_EMPTY', `${name}: the file is empty`);
  if (bytes.length > maxBytes) throw tooManyBytes(name, bytes.length, maxBytes);
  const format = sniffPictureFormat(bytes);
  if (!format)
    throw new FormatError(
      'NOT_A_PICTURE',
      `${name}: not a JPEG, PNG, WebP, AVIF or GIF picture (by its first bytes)`,
    );
  try {
    const image = sharp(bytes, { failOn: 'error', limitInputPixels: false, pages: 1 });
    const header = await image.metadata();
    const pixels = header.width * (header.pageHeight ?? header.height);
    if (pixels > maxPixels)
      throw new FormatError(
        'PICTURE_TOO_LARGE',
        `${name}: ${header.width}x${header.pageHeight ?? header.height} is ${pixels} pixels; at most ${maxPixels} are decoded`,
      );
    const { data, info } = await image
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: threeChannels(data, info.channels) };
  } catch (error) {
    if (error instanceof FormatError) throw error;
    const reason = error instanceof Error ? firstLine(error.message) : String(error);
    throw new FormatError(
      'PICTURE_CORRUPT',
      `${name}: damaged or cut short ${format.toUpperCase()} (${reason})`,
      {
        cause: error,
      },
    );
  }
}

function threeChannels(data: Buffer, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = data[i * channels + (channels > 2 ? c : 0)]!;
  return rgb;
}

function tooManyBytes(name: string, size: number, maxBytes: number): FormatError {
  return new FormatError('PICTURE_TOO_LARGE', `${name}: ${size} bytes; at most ${maxBytes} are read`);
}

/** sharp joins several complaints by line breaks; the first one says it. */
function firstLine(message: string): string {
  return message.split('\n')[0]!.trim();
}
