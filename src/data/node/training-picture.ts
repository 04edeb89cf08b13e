/**
 * A picture file for training: decoded, turned upright, reduced while decoding (fast, close to but not bit for bit
 * Pillow's resize). For inference and evaluation see decode.ts with preprocess.ts, which are exact.
 */
import sharp from 'sharp';
import { FormatError } from '../../errors.js';
import type { RgbPicture } from '../picture.js';

/**
 * Decodes `file`; where the short side is above `keepSide` pixels it is reduced to that.
 * Throws FormatError `PICTURE_UNREADABLE` naming the file.
 */
export async function readPictureForTraining(file: string, keepSide: number): Promise<RgbPicture> {
  try {
    const { data, info } = await sharp(file, { failOn: 'error' })
      .rotate()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .resize({ width: keepSide, height: keepSide, fit: 'outside', withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const rgb = info.channels === 3 ? new Uint8Array(data) : fromGrey(data, info.channels);
    return { width: info.width, height: info.height, data: rgb };
  } catch (cause) {
    throw new FormatError(
      'PICTURE_UNREADABLE',
      `${file}: cannot be decoded as a picture: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

function fromGrey(data: Uint8Array, channels: number): Uint8Array {
  const out = new Uint8Array((data.length / channels) * 3);
  for (let i = 0, to = 0; i < data.length; i += channels, to += 3) out.fill(data[i]!, to, to + 3);
  return out;
}
