/**
 * Batches for training and validation: which pictures, how they are changed, and their targets, as the flat arrays
 * that a compiled network takes. Where the batches are made (this thread or workers) is not this file's concern.
 *
 * Shape legend: images [N, 3, size, size] floats, normalised; targets [N] class indices, or [N, classes] shares (mixup).
 */
import { rangeError } from '../errors.js';
import type { Preprocessing } from '../graph/graph.js';
import { type AugmentOptions, augmentPicture, betaShare, fitSquare } from './augment.js';
import type { RgbPicture } from './picture.js';
import { fitPicture, normaliseInto } from './preprocess.js';
import { mixSeeds, sampleRandom, shuffled } from './sampling.js';

/** Pictures by index with their classes. */
export interface PictureSource {
  readonly count: number;
  readonly labels: ArrayLike<number>;
  picture(index: number): RgbPicture | Promise<RgbPicture>;
}

export interface BatchRecipe {
  /** Side of the square input. */
  readonly size: number;
  readonly classes: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly seed: number;
  /** Absent: the pictures unchanged, prepared as for inference. */
  readonly augment?: AugmentOptions;
  /** How pictures are prepared without augmentation; absent: the middle at `size`. */
  readonly preprocessing?: Preprocessing;
}

/** The indices of one batch and the epoch they are drawn in. */
export interface BatchRequest {
  readonly epoch: number;
  readonly indices: Int32Array;
}

export interface Batch {
  readonly images: Float32Array;
  /** Class of each picture (with mixup that of the larger share). */
  readonly labels: Int32Array;
  /** [N, classes], rows that sum to 1; only with mixup. */
  readonly shares?: Float32Array;
}

/**
 * The batches of one epoch: all indices once, in an order that (seed, epoch) determines, the last part batch dropped.
 * Throws RangeError `BATCH_TOO_LARGE` when there are fewer pictures than a batch has.
 */
export function epochBatches(
  indices: Int32Array,
  batch: number,
  seed: number,
  epoch: number,
): BatchRequest[] {
  if (indices.length < batch)
    throw rangeError(
      'BATCH_TOO_LARGE',
      `batch: given ${batch}, but there are only ${indices.length} training pictures; choose a batch of at most ${indices.length}`,
    );
  const order = shuffled(indices, seed, epoch, 3);
  return Array.from({ length: Math.floor(order.length / batch) }, (_, i) => ({
    epoch,
    indices: order.slice(i * batch, (i + 1) * batch),
  }));
}

/** Makes one batch. Same source, recipe and request: same bits. */
export async function assembleBatch(
  source: PictureSource,
  recipe: BatchRecipe,
  request: BatchRequest,
): Promise<Batch> {
  const { size, classes, mean, std, seed, augment, preprocessing } = recipe;
  const { epoch, indices } = request;
  const length = 3 * size * size;
  const images = new Float32Array(indices.length * length);
  const labels = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    const picture = await source.picture(index);
    const fitted = augment
      ? augmentPicture(picture, size, augment, sampleRandom(seed, epoch, index), {
          epoch,
          firstFlip: (mixSeeds(seed, index, 4) & 1) === 1,
          mean,
        })
      : preprocessing
        ? fitPicture(picture, preprocessing, size, size)
        : fitSquare(picture, size);
    normaliseInto(fitted, mean, std, images, i * length);
    labels[i] = source.labels[index]!;
  }
  if (!augment?.mixup) return { images, labels };
  return mixup(
    images,
    labels,
    classes,
    sampleRandom(mixSeeds(seed, 5), epoch, indices[0] ?? 0),
    augment.mixup,
  );
}

/** Mixes each picture i with picture N-1-i by one share for the batch, and the targets alike (Zhang et al. 2017). */
function mixup(
  images: Float32Array,
  labels: Int32Array,
  classes: number,
  random: Parameters<typeof betaShare>[1],
  alpha: number,
): Batch {
  const count = labels.length;
  const length = images.length / count;
  const drawn = betaShare(alpha, random);
  const share = Math.max(drawn, 1 - drawn);
  const mixed = new Float32Array(images.length);
  const shares = new Float32Array(count * classes);
  for (let i = 0; i < count; i++) {
    const other = count - 1 - i;
    for (let k = 0; k < length; k++)
      mixed[i * length + k] = share * images[i * length + k]! + (1 - share) * images[other * length + k]!;
    shares[i * classes + labels[i]!]! += share;
    shares[i * classes + labels[other]!]! += 1 - share;
  }
  return { images: mixed, labels, shares };
}
