/**
 * A picture file for training: decoded (decode.ts), and reduced once so that random crops are cheap.
 */
import type { RgbPicture } from '../picture.js';
import { resizeShortSide } from '../preprocess.js';
import { decodePictureFile } from './decode.js';

/**
 * Decodes `file`; where the short side is above `keepSide` pixels it is reduced to that.
 * Throws what `decodePictureFile` throws.
 */
export async function readPictureForTraining(file: string, keepSide: number): Promise<RgbPicture> {
  const picture = await decodePictureFile(file);
  return Math.min(picture.width, picture.height) > keepSide ? resizeShortSide(picture, keepSide) : picture;
}
