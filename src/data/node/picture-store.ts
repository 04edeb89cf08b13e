/**
 * Pictures that several threads read: all in one shared buffer, or files that are decoded when they are wanted.
 * A store is plain data, so that it can be sent to a worker; `openStore` makes it readable.
 */
import type { PictureSource } from '../batches.js';
import { readPictureForTraining } from './training-picture.js';

/** Decoded pictures one after the other, [height][width][3] bytes each. */
export interface MemoryStore {
  readonly kind: 'memory';
  readonly bytes: Uint8Array;
  readonly labels: Int32Array;
  readonly widths: Int32Array;
  readonly heights: Int32Array;
  /** First byte of each picture. */
  readonly offsets: Float64Array;
}

/** Files, decoded at each use; the short side is reduced to `keepSide` pixels. */
export interface FileStore {
  readonly kind: 'files';
  readonly files: readonly string[];
  readonly labels: Int32Array;
  readonly keepSide: number;
}

export type PictureStore = MemoryStore | FileStore;

/** Pictures of one size in shared memory. `pictures` is [count][side][side][3]. */
export function squareStore(pictures: Uint8Array, labels: ArrayLike<number>, side: number): MemoryStore {
  const count = labels.length;
  const bytes = new Uint8Array(new SharedArrayBuffer(pictures.length));
  bytes.set(pictures);
  return {
    kind: 'memory',
    bytes,
    labels: Int32Array.from(labels),
    widths: new Int32Array(count).fill(side),
    heights: new Int32Array(count).fill(side),
    offsets: Float64Array.from({ length: count }, (_, i) => i * side * side * 3),
  };
}

/** A store as a source of pictures. */
export function openStore(store: PictureStore): PictureSource {
  const { labels } = store;
  if (store.kind === 'files')
    return {
      count: labels.length,
      labels,
      picture: (index) => readPictureForTraining(store.files[index]!, store.keepSide),
    };
  const { bytes, widths, heights, offsets } = store;
  return {
    count: labels.length,
    labels,
    picture: (index) => {
      const width = widths[index]!;
      const height = heights[index]!;
      const from = offsets[index]!;
      return { width, height, data: bytes.subarray(from, from + width * height * 3) };
    },
  };
}
