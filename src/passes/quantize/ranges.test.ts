/** Ranges from statistics: how far `tail` reaches. */
import { describe, expect, it } from 'vitest';
import { chooseInterval, tailReach } from './ranges.js';

describe('ranges by tail', () => {
  it('reach less far than the greatest of many values, further than that of few', () => {
    expect(tailReach(100 * 112 ** 2)).toBeLessThan(0.8);
    expect(tailReach(100 * 7 ** 2)).toBeGreaterThan(1.2);
    expect(tailReach(36_000)).toBeCloseTo(1, 2);
    expect(tailReach(1)).toBe(1.5);
    expect(tailReach(1e12)).toBe(0.65);
  });

  it('end where one in 36,000 of exponential values lies outside', () => {
    // the greatest of N values is ln N
    const of = (count: number) => ({
      min: Float64Array.of(-0.5 * Math.log(count)),
      max: Float64Array.of(Math.log(count)),
      count,
      samples: [],
    });
    for (const count of [5_000, 100_000, 1_000_000]) {
      const { low, high } = chooseInterval(of(count), 0, 1, 'tail');
      expect(high).toBeCloseTo(10.5, 6);
      expect(low).toBeCloseTo(-5.25, 6);
    }
  });
});
