import { describe, expect, it } from 'vitest';
import { planSums, restOfBias, rowTiles, tapUnits } from './depthwise-plan.js';
import { elementOf } from './element.js';

const [bytes, words] = [elementOf({ relaxed: true }), elementOf({ relaxed: false })];
const shape = {
  height: 7,
  width: 7,
  kernel: [3, 3],
  stride: [1, 1],
  padding: [1, 1, 1, 1],
  dilation: [1, 1],
  outHeight: 7,
  outWidth: 7,
} as const;

/** Ends of every group's sum with all steps 0 or 127, whichever is worse. */
function extremes(
  values: readonly number[],
  units: number,
  perUnit: number,
  groups: readonly number[],
): number {
  let worst = 0;
  let unit = 0;
  expect(groups.reduce((a, b) => a + b)).toBe(units);
  for (const length of groups) {
    const part = values.slice(unit * perUnit, (unit + length) * perUnit);
    unit += length;
    for (const sign of [1, -1])
      worst = Math.max(worst, 127 * part.reduce((sum, value) => sum + Math.max(0, value * sign), 0));
  }
  return worst;
}

describe('sums of 16 bits', () => {
  it('take the bias in where it fits', () => {
    const plan = planSums(Int8Array.of(10, -20, 30, 0, 50, 5, -5, 1, 1), 9, Int32Array.of(-1234), bytes);
    expect(plan).toEqual({ groups: [5], addsBias: false, start: Int16Array.of(-1234) });
  });

  it('start in the middle where the bias does not fit', () => {
    const values = Int8Array.of(50, 50, 50, 50, 50, 50, 50, 50, 50);
    const plan = planSums(values, 9, Int32Array.of(0), words);
    expect(plan.groups).toEqual([9]);
    expect(plan.addsBias).toBe(true);
    const start = plan.start[0] as number;
    expect(start).toBe(-28575);
    expect(start + 127 * 450).toBeLessThan(2 ** 15);
    const epilogue = restOfBias({ bias: Int32Array.of(7) } as never, plan);
    expect(epilogue.bias[0]).toBe(7 - start);
  });

  it.each([
    ['relaxed', bytes, 2],
    ['plain', words, 1],
  ] as const)('are cut into groups that fit, %s', (_, element, perUnit) => {
    const values = Array.from({ length: 25 }, (_, t) => (t % 3 === 0 ? -127 : 127));
    const plan = planSums(Int8Array.from(values), 25, Int32Array.of(40_000), element);
    expect(plan.groups.length).toBeGreaterThan(1);
    expect(plan.addsBias).toBe(true);
    const units = Math.ceil(25 / perUnit);
    expect(extremes(values, units, perUnit, plan.groups)).toBeLessThan(2 ** 15);
  });
});

describe('tiles of a row', () => {
  it('cover it, with taps two by two where bytes are multiplied', () => {
    expect(tapUnits(shape, bytes).map((unit) => unit.length)).toEqual([2, 2, 2, 2, 1]);
    expect(tapUnits(shape, words)).toHaveLength(9);
    expect(rowTiles(shape, 1, bytes)).toEqual([
      { x: 0, vectors: 1, pixels: 4, clipped: true },
      { x: 4, vectors: 1, pixels: 3, clipped: true },
    ]);
    const wide = { ...shape, width: 30, outWidth: 30 };
    const tiles = rowTiles(wide, 2, words);
    expect(tiles.filter(({ clipped }) => clipped).map(({ x }) => x)).toEqual([0, 28]);
    expect(tiles.reduce((sum, { pixels }) => sum + pixels, 0)).toBe(30);
  });
});
