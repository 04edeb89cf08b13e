/**
 * Golden records: what PyTorch said about a tensor, small enough to commit. A record holds some of the values (all of
 * them for small tensors), the largest absolute value, and two random projections of all values, which no wrong
 * value anywhere escapes. The Python that writes them is test/goldens/make.py; this file only reads and checks.
 */
import type { Tensor } from '../../src/graph/graph.js';
import { Random } from '../../src/models/random.js';

export interface GoldenTensor {
  readonly shape: readonly number[];
  /** Base64 of little-endian float32: the values at `samplePositions(count)`. */
  readonly samples: string;
  readonly largest: number;
  /** Sums of value * r with r uniform in [-1, 1), from the generator seeded 1 and 2. */
  readonly projections: readonly number[];
}

/** All positions up to 128 values, else 48 spread evenly. */
export function samplePositions(count: number): number[] {
  if (count <= 128) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: 48 }, (_, i) => Math.floor((i * count) / 48));
}

export function decodeFloats(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export function projection(values: Float32Array, seed: number): number {
  const random = new Random(seed);
  let sum = 0;
  for (const value of values) sum += value * (random.uniform() * 2 - 1);
  return sum;
}

/** Largest error relative to the golden's largest value, over samples and (per root of the count) projections. */
export function goldenError(actual: Tensor, golden: GoldenTensor): number {
  if (actual.shape.join() !== golden.shape.join()) return Number.POSITIVE_INFINITY;
  const scale = golden.largest === 0 ? 1 : golden.largest;
  const samples = decodeFloats(golden.samples);
  const errors = samplePositions(actual.data.length).map((position, i) =>
    Math.abs((actual.data[position] as number) - (samples[i] as number)),
  );
  golden.projections.forEach((expected, i) => {
    errors.push(Math.abs(projection(actual.data, i + 1) - expected) / Math.sqrt(actual.data.length));
  });
  const worst = errors.reduce((a, b) => (Number.isNaN(b) || b > a ? b : a), 0) / scale;
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
