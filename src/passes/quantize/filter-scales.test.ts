import { describe, expect, it } from 'vitest';
import { leastScale, reachOf, sumsFit, wholeFactors } from './filter-scales.js';
import { narrowShift, plainUnits } from './narrow.js';

const scaleTo = (weights: Float64Array, scale: number): number[] =>
  Array.from(weights, (w) => Math.round(w / scale));

describe('scales of filters', () => {
  it('are as fine as 8 bits allow where sums are small', () => {
    const weights = Float64Array.of(1, -0.1, 0.1, 0.2, -0.1, 0.1, 0, 0, 0.1);
    expect(leastScale(weights, 0, { columns: 1, taps: 9, kernelWidth: 3 })).toBeCloseTo(1 / 127, 8);
  });

  it('keep a depthwise filter and its bias in 16 bits', () => {
    const weights = new Float64Array(25).fill(0.5);
    const bias = -20;
    const scale = leastScale(weights, bias, { columns: 1, taps: 25, kernelWidth: 5 });
    const steps = scaleTo(weights, scale).reduce((sum, value) => sum + value, 0);
    expect(127 * steps + Math.round(bias / scale)).toBeLessThan(2 ** 15);
    expect(reachOf(weights, bias)).toBeCloseTo(127 * 12.5 - 20, 6);
  });

  it('keep groups of eight quads in 16 bits, channels two by two', () => {
    const weights = Float64Array.from({ length: 64 }, (_, c) => (c % 4 < 2 ? 1 : -0.25));
    const scale = leastScale(weights, 0, { columns: 64, taps: 1, kernelWidth: 1 });
    const steps = scaleTo(weights, scale);
    const lane = steps.slice(0, 32).reduce((sum, value, c) => sum + (c % 4 < 2 ? value : 0), 0);
    expect(127 * lane).toBeLessThan(2 ** 15);
    expect(lane).toBeGreaterThan(230);
  });

  it('are too fine for weights whose sums leave 16 bits', () => {
    const [depthwise, pointwise] = [
      { columns: 1, taps: 9, kernelWidth: 3 },
      { columns: 64, taps: 1, kernelWidth: 1 },
    ];
    const nine = (value: number): Int8Array => new Int8Array(9).fill(value);
    expect(sumsFit(nine(28), 600, depthwise)).toBe(true);
    expect(sumsFit(nine(28), 800, depthwise)).toBe(false);
    expect(sumsFit(nine(-29), 0, depthwise)).toBe(false);
    const many = (value: number): Int8Array => Int8Array.from({ length: 64 }, (_, c) => (c < 32 ? value : 0));
    expect(sumsFit(many(16), 0, pointwise)).toBe(true);
    expect(sumsFit(many(-17), 0, pointwise)).toBe(false);
  });

  it('give whole factors, at least what saturation needs', () => {
    const steps = [0.05, 0.05, 0.05];
    const least = Float32Array.of(0.05 / 130.3, 0.05 / 977.7, 0.05 / 1e6);
    const scales = wholeFactors(least, plainUnits(Float64Array.from(steps)), Float64Array.of(6, 2, 0.1));
    const shift =
      narrowShift(scales.map((scale, o) => scale / (steps[o] as number))) ?? expect.fail('no shift');
    scales.forEach((scale, o) => {
      expect(scale).toBeGreaterThanOrEqual((least[o] as number) * 0.999);
      const factor = (scale / (steps[o] as number)) * 2 ** (15 + shift);
      expect(Math.abs(factor - Math.round(factor))).toBeLessThan(1e-3);
      expect(factor).toBeGreaterThan(3);
    });
  });
});
