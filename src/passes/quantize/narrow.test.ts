import { describe, expect, it } from 'vitest';
import { narrowed, narrowing, narrowShift, productNarrowing } from './narrow.js';

describe('rounding in 16 bits', () => {
  it('chooses the largest shift whose factors stay at 4096 or less', () => {
    expect(narrowShift([1 / 127, 1 / 500])).toBe(3);
    expect(narrowShift([0.125])).toBe(0);
    expect(narrowShift([4096 / 2 ** 19])).toBe(4);
    expect(narrowShift([0.5, 0.001])).toBe(0);
    expect(narrowShift([1])).toBeUndefined();
  });

  it('is within a step of rounding the product', () => {
    const multiplier = Float32Array.of(1 / 127);
    const narrow = narrowing(multiplier, Float64Array.of(40_000));
    const { shift, factors } = narrow ?? expect.fail('no narrowing');
    for (let sum = -40_000; sum <= 40_000; sum += 7) {
      const half = (1 << shift) >> 1;
      const exact = Math.min(127, Math.max(0, sum / 127 + 3));
      expect(Math.abs(narrowed(sum + half, shift, factors[0] as number, 3) - exact)).toBeLessThan(0.7);
    }
  });

  it('is refused where a sum that saturates could show', () => {
    // the second output counts little and reaches far
    const multipliers = Float32Array.of(0.1, 1e-4);
    expect(narrowing(multipliers, Float64Array.of(1000, 30_000))).toBeDefined();
    expect(narrowing(multipliers, Float64Array.of(1000, 40_000))).toBeUndefined();
  });

  it('of products needs factors fine enough', () => {
    expect(productNarrowing(Float32Array.of(1 / 127))?.factors[0]).toBe(258);
    expect(productNarrowing(Float32Array.of(1 / 127, 1 / 1000))).toBeUndefined();
  });
});
