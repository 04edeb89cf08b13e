import { describe, expect, it } from 'vitest';
import { groupsOf, largestGroup } from './products.js';

describe('groups of products', () => {
  it('are cut from steps that follow each other', () => {
    expect(groupsOf(7, 4)).toEqual([4, 3]);
    expect(groupsOf(3, 1)).toEqual([1, 1, 1]);
  });

  it('are as long as the sums of 16 bits allow', () => {
    const row = (value: number): Int8Array => new Int8Array(16).fill(value);
    // a run of four steps has eight weights of one sign in a lane: at most 258
    expect(largestGroup(row(32), 1, 16, 1, 4)).toBe(8);
    expect(largestGroup(row(33), 1, 16, 1, 4)).toBe(2);
    expect(largestGroup(row(-65), 1, 16, 1, 4)).toBe(1);
    // signs by turns: half of them count
    expect(
      largestGroup(
        Int8Array.from({ length: 16 }, (_, c) => (c % 2 ? 64 : -64)),
        1,
        16,
        1,
        4,
      ),
    ).toBe(8);
  });

  it('of kernels stay in a row of taps', () => {
    const taps = 9;
    const values = new Int8Array(4 * taps).fill(43);
    expect(largestGroup(values, 1, 4, taps, 3)).toBe(8);
    expect(
      largestGroup(
        values.map(() => 44),
        1,
        4,
        taps,
        3,
      ),
    ).toBe(2);
  });
});
