/** Redundancy and ghost pairs of maps whose likeness is known. */
import { expect, it } from 'vitest';
import { ghostPairs, mapCorrelation, redundancy } from './feature-maps.js';

const pattern = [0, 1, 2, 5, 3, 8, 1, 1, 4];
const other = [5, 0, 0, 1, 7, 2, 2, 9, 1];
const maps = (rows: readonly (readonly number[])[]) => ({
  shape: [1, rows.length, 3, 3],
  data: Float32Array.from(rows.flat()),
});

it('finds copies, whatever their scale and offset, and leaves constant maps out', () => {
  const layer = maps([pattern, other, pattern.map((value) => 3 - 2 * value), Array<number>(9).fill(4)]);
  const found = redundancy(layer);
  expect(found.pairs[0]).toMatchObject({ a: 0, b: 2 });
  expect(found.pairs[0]?.correlation).toBeCloseTo(-1, 6);
  expect([found.live, found.channels]).toEqual([3, 4]);
  expect(found.twins).toBeCloseTo(2 / 3, 6);
  expect(found.score).toBeLessThan(1);
  expect(mapCorrelation(layer, 0, 3)).toBe(0);
});

it('is 1 for copies only and uses each map in one pair', () => {
  const found = redundancy(maps([pattern, pattern, other, other]));
  expect(found.score).toBeCloseTo(1, 6);
  expect(found.pairs.flatMap(({ a, b }) => [a, b]).sort()).toEqual([0, 1, 2, 3]);
});

it('pairs each ghost with its own intrinsic map', () => {
  const noisy = other.map((value, i) => value + (i % 3));
  // s = 3: two intrinsic maps, then two ghosts of each
  const pairs = ghostPairs(maps([pattern, other, pattern, noisy, noisy, other]), 2, 3);
  expect(pairs.map(({ a, b }) => `${a}-${b}`).sort()).toEqual(['0-2', '0-3', '1-4', '1-5']);
  expect(pairs[0]?.correlation).toBeCloseTo(1, 6);
  expect(pairs.at(-1)).toMatchObject({ a: 0, b: 3 });
});
