import { describe, expect, it } from 'vitest';
import {
  chainNarrowing,
  narrowed,
  narrowedEighths,
  narrowing,
  narrowShift,
  productNarrowing,
  residualNarrowing,
} from './narrow.js';

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
    const whole = narrow ?? expect.fail('no narrowing');
    for (let sum = -40_000; sum <= 40_000; sum += 7) {
      const half = (1 << whole.shift) >> 1;
      const exact = Math.min(127, Math.max(0, sum / 127 + 3));
      expect(Math.abs(narrowed(sum + half, whole, 0, 3) - exact)).toBeLessThan(0.7);
    }
  });

  it('is refused where a sum that saturates could show', () => {
    // the second output counts little and reaches far
    const multipliers = Float32Array.of(0.1, 1e-4);
    expect(narrowing(multipliers, Float64Array.of(1000, 30_000))).toBeDefined();
    expect(narrowing(multipliers, Float64Array.of(1000, 40_000))).toBeUndefined();
  });

  it('of products needs factors below one', () => {
    expect(productNarrowing(Float32Array.of(1 / 127))?.factors[0]).toBe(258);
    expect(productNarrowing(Float32Array.of(1 / 127, 1))).toBeUndefined();
  });

  it('adds residuals in eighths of a step', () => {
    const zeroPoint = Int32Array.of(20);
    const residual = Float32Array.of(0.73);
    const narrow =
      residualNarrowing(Float32Array.of(1 / 150), Float64Array.of(32_000), residual, zeroPoint) ??
      expect.fail('no narrowing');
    const half = (1 << narrow.shift) >> 1;
    for (let sum = -16_000; sum <= 16_000; sum += 101)
      for (const r of [0, 1, 63, 127]) {
        const exact = Math.min(127, Math.max(0, sum / 150 + r * 0.73 + 20));
        expect(Math.abs(narrowedEighths(sum + half, narrow, 0, r) - exact)).toBeLessThan(0.75);
      }
    expect(
      residualNarrowing(Float32Array.of(0.1), Float64Array.of(40_000), residual, zeroPoint),
    ).toBeUndefined();
  });

  it('rescales intrinsic maps in eighths of a step', () => {
    const one = (value: number): Float32Array => Float32Array.of(value);
    const narrow =
      chainNarrowing(one(-0.6), one(70.3), one(0.4), Int32Array.of(5)) ?? expect.fail('no narrowing');
    for (let x = 0; x < 128; x++)
      for (const r of [0, 40, 127]) {
        const exact = Math.min(127, Math.max(0, -0.6 * x + 70.3 + 0.4 * r + 5));
        expect(Math.abs(narrowedEighths(x * 256, narrow, 0, r) - exact)).toBeLessThan(0.75);
      }
    expect(chainNarrowing(one(9), one(0), one(0), Int32Array.of(0))).toBeUndefined();
  });
});
