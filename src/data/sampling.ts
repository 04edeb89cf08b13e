/**
 * Which pictures come when: seeded random streams, the order of an epoch, and stratified splits. Everything is a pure
 * function of (seed, epoch, index), so that a resumed run sees the same pictures as an unbroken one, whatever the
 * number of workers. Touches no pixels (augment.ts).
 */
import { rangeError } from '../errors.js';
import { Random } from '../models/random.js';

/** Mixes whole numbers into one 32-bit seed (the finaliser of MurmurHash3 after each). */
export function mixSeeds(...parts: readonly number[]): number {
  let hash = 0x9747b28c;
  for (const part of parts) {
    hash = Math.imul(hash ^ (part >>> 0), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 0;
}

/** The random stream of one picture in one epoch. */
export function sampleRandom(seed: number, epoch: number, index: number): Random {
  return new Random(mixSeeds(seed, epoch, index, 1));
}

/** A shuffled copy (Fisher and Yates), determined by the seeds. */
export function shuffled(values: Int32Array, ...seeds: readonly number[]): Int32Array {
  const random = new Random(mixSeeds(...seeds));
  const out = values.slice();
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const value = out[i]!;
    out[i] = out[j]!;
    out[j] = value;
  }
  return out;
}

/** The indices of each label, labels in the order of their first picture. */
function membersByClass(indices: Int32Array, labels: ArrayLike<number>): Map<number, number[]> {
  const byClass = new Map<number, number[]>();
  for (const index of indices) {
    const members = byClass.get(labels[index]!);
    if (members) members.push(index);
    else byClass.set(labels[index]!, [index]);
  }
  return byClass;
}

/** Two disjoint lists of indices, each in rising order. */
export interface Split {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/**
 * Puts `fraction` of every class aside for validation (at least one picture, and never a class's last one), so that
 * both parts have the classes in the same shares. Same labels, fraction and seed: same split.
 * Throws RangeError `SPLIT_FRACTION` (outside 0 to 0.9).
 */
export function stratifiedSplit(labels: ArrayLike<number>, fraction: number, seed: number): Split {
  if (!(fraction >= 0 && fraction <= 0.9))
    throw rangeError('SPLIT_FRACTION', `split: fraction: given ${fraction}, expected 0 to 0.9`);
  const byClass = membersByClass(
    Int32Array.from(labels, (_, i) => i),
    labels,
  );
  const validation: number[] = [];
  const train: number[] = [];
  for (const [label, members] of byClass) {
    const order = shuffled(Int32Array.from(members), seed, label, 2);
    const wanted = fraction === 0 ? 0 : Math.max(1, Math.round(members.length * fraction));
    const held = Math.min(wanted, members.length - 1);
    order.forEach((index, i) => {
      (i < held ? validation : train).push(index);
    });
  }
  return { train: Int32Array.from(train).sort(), validation: Int32Array.from(validation).sort() };
}

/**
 * At most `limit` of `indices`, of every class as many as of any other while they last (a small class gives all it has),
 * in rising order. Same labels, limit and seed: same pictures; a larger limit has all those of a smaller one.
 * Throws RangeError `LIMIT_TOO_SMALL` when not every class gets a picture.
 */
export function balancedSubset(
  indices: Int32Array,
  labels: ArrayLike<number>,
  limit: number,
  seed: number,
): Int32Array {
  if (limit >= indices.length) return indices;
  const classes = [...membersByClass(indices, labels)].map(([label, members]) =>
    shuffled(Int32Array.from(members), seed, label, 3),
  );
  if (limit < classes.length)
    throw rangeError(
      'LIMIT_TOO_SMALL',
      `limit: given ${limit} training pictures, expected at least one of each of the ${classes.length} classes`,
    );
  const chosen: number[] = [];
  for (let round = 0; chosen.length < limit; round++)
    for (const members of classes)
      if (round < members.length && chosen.length < limit) chosen.push(members[round]!);
  return Int32Array.from(chosen).sort();
}
