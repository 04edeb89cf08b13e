/**
 * CIFAR-10 in its official binary form: batches of 10,000 records of 3,073 bytes, a label and three planes R, G, B of
 * 32x32. Reads bytes only; files, download and unpacking are in node/.
 *
 * Shape legend: a record is [1 + 3*32*32] bytes; pictures leave as [N][32][32][3] bytes (R, G, B interleaved).
 * Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
 */
import { FormatError } from '../errors.js';

export const cifar10Side = 32;
const pixels = cifar10Side * cifar10Side;
/** Bytes of one record. */
export const cifar10RecordBytes = 1 + 3 * pixels;
const classCount = 10;

/** File names of the training batches and the test batch. */
export const cifar10TrainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
export const cifar10TestFile = 'test_batch.bin';

/** Pictures of one size with their class indices. */
export interface LabelledPictures {
  readonly count: number;
  /** [count][32][32][3]. */
  readonly pictures: Uint8Array;
  /** [count], each in 0..9. */
  readonly labels: Uint8Array;
}

/**
 * Decodes one batch of any number of whole records. `file` names it in errors.
 * Throws FormatError `CIFAR_TORN` (empty, or not a whole number of records) or `CIFAR_LABEL` (a label above 9).
 */
export function readCifar10(bytes: Uint8Array, file: string): LabelledPictures {
  const count = Math.floor(bytes.length / cifar10RecordBytes);
  if (count === 0 || bytes.length !== count * cifar10RecordBytes)
    throw new FormatError(
      'CIFAR_TORN',
      `${file}: ${bytes.length} bytes are not a whole number of CIFAR-10 records of ${cifar10RecordBytes} bytes ` +
        '(an official batch has 30730000); fetch the file anew, e.g. with `ghostnet data cifar10`',
      { offset: count * cifar10RecordBytes },
    );
  const pictures = new Uint8Array(count * 3 * pixels);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const record = i * cifar10RecordBytes;
    const label = bytes[record]!;
    if (label >= classCount)
      throw new FormatError(
        'CIFAR_LABEL',
        `${file}: record ${i} has the label ${label}, expected 0 to ${classCount - 1}; is this CIFAR-10 in its binary form?`,
        { offset: record },
      );
    labels[i] = label;
    for (let c = 0; c < 3; c++) {
      const plane = record + 1 + c * pixels;
      const out = i * 3 * pixels + c;
      for (let p = 0; p < pixels; p++) pictures[out + p * 3] = bytes[plane + p]!;
    }
  }
  return { count, pictures, labels };
}

/** Several batches as one, in order. */
export function joinPictures(parts: readonly LabelledPictures[]): LabelledPictures {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const pictures = new Uint8Array(parts.reduce((sum, part) => sum + part.pictures.length, 0));
  const labels = new Uint8Array(count);
  let at = 0;
  let pixel = 0;
  for (const part of parts) {
    pictures.set(part.pictures, pixel);
    labels.set(part.labels, at);
    pixel += part.pictures.length;
    at += part.count;
  }
  return { count, pictures, labels };
}
