import { describe, expect, it } from 'vitest';
import { balancedSubset, stratifiedSplit } from './sampling.js';

/** 50 pictures of class 0, 30 of class 1, 4 of class 2, in turns as far as they last. */
const labels = Int32Array.from({ length: 84 }, (_, i) => (i % 21 === 20 ? 2 : i % 21 < 12 ? 0 : 1)).map(
  (label, i) => (label === 1 && i >= 80 ? 0 : label),
);
const all = labels.map((_, i) => i);
const countsOf = (indices: Int32Array) => [0, 1, 2].map((c) => indices.filter((i) => labels[i] === c).length);

describe('balancedSubset', () => {
  it('takes as many of each class while they last', () => {
    expect(countsOf(balancedSubset(all, labels, 9, 1))).toEqual([3, 3, 3]);
    expect(countsOf(balancedSubset(all, labels, 24, 1))).toEqual([10, 10, 4]);
    expect(balancedSubset(all, labels, 24, 1)).toEqual(balancedSubset(all, labels, 24, 1).slice().sort());
  });

  it('is the same for the same seed, another for another, and grows with the limit', () => {
    const ten = balancedSubset(all, labels, 10, 1);
    expect(balancedSubset(all, labels, 10, 1)).toEqual(ten);
    expect(balancedSubset(all, labels, 10, 2)).not.toEqual(ten);
    expect([...balancedSubset(all, labels, 20, 1)]).toEqual(expect.arrayContaining([...ten]));
  });

  it('gives everything where the limit is larger, and refuses one below the number of classes', () => {
    expect(balancedSubset(all, labels, 84, 1)).toEqual(all);
    expect(balancedSubset(all, labels, 1e9, 1)).toEqual(all);
    expect(() => balancedSubset(all, labels, 2, 1)).toThrow(
      expect.objectContaining({
        code: 'LIMIT_TOO_SMALL',
        message: expect.stringMatching(/given 2 .* 3 classes/),
      }),
    );
  });

  it('takes nothing from the validation split', () => {
    const { train, validation } = stratifiedSplit(labels, 0.2, 1);
    const chosen = balancedSubset(train, labels, 12, 1);
    expect(chosen.filter((i) => validation.includes(i))).toHaveLength(0);
  });
});
