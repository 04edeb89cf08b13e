import { describe, expect, it } from 'vitest';
import { finish } from '../../reference/quantized-ops.js';
import { narrowed } from './narrow.js';
import { hardNarrowing } from './narrow-hard.js';

const activations = ['hardSwish', 'hardSigmoid'] as const;
type Activation = (typeof activations)[number];

const exact: Record<Activation, (v: number) => number> = {
  hardSwish: (v) => (v * Math.min(6, Math.max(0, v + 3))) / 6,
  hardSigmoid: (v) => Math.min(6, Math.max(0, v + 3)) / 6,
};

/** Largest errors of one output, in steps: against the real value, and against rounding in floats. */
function errors(activation: Activation, multiplier: number, scale: number, zeroPoint: number, reach: number) {
  const lift = activation === 'hardSigmoid' ? Math.round(3 / multiplier) : 0;
  const multipliers = Float32Array.of(multiplier);
  const narrow =
    hardNarrowing(activation, multipliers, Float32Array.of(scale), Float64Array.of(reach + lift)) ??
    expect.fail(`${activation} of ${multiplier} in steps of ${scale} is not narrow`);
  let [real, floats] = [0, 0];
  const stride = Math.max(1, Math.floor(reach / 5000));
  for (let sum = -reach; sum <= reach; sum += stride) {
    const q = narrowed(sum + lift + ((1 << narrow.shift) >> 1), narrow, 0, zeroPoint);
    const v = Math.fround(sum * Math.fround(multiplier));
    const steps = Math.min(127, Math.max(0, exact[activation](v) / scale + zeroPoint));
    real = Math.max(real, Math.abs(q - steps));
    floats = Math.max(floats, Math.abs(q - finish(v, activation, Math.fround(1 / scale), zeroPoint)));
  }
  return { real, floats };
}

describe('hard activations in 16 bits', () => {
  const ranges = [0.001, 0.01, 0.05, 0.2, 1, 12];
  it.each(activations)('%s is less than a step off, at any scale and zero point', (activation) => {
    for (const scale of activation === 'hardSwish' ? ranges : [1 / 10_000, 1 / 400, 1 / 127, 1 / 50])
      for (const fineness of [3, 20, 90, 700])
        for (const zeroPoint of [0, 8, 64, 127])
          for (const reach of [9, 40, 600]) {
            // units of a sum for each unit in which hard-swish is computed
            const unit = activation === 'hardSwish' ? Math.sqrt(scale / 5461) : scale;
            const multiplier = Math.fround(unit / fineness);
            const { real, floats } = errors(
              activation,
              multiplier,
              scale,
              zeroPoint,
              Math.min(2 ** 26, Math.ceil(reach / multiplier)),
            );
            const what = `scale ${scale}, zero point ${zeroPoint}, 1/${fineness}, reach ${reach}`;
            expect(real, what).toBeLessThan(1);
            expect(floats, what).toBeLessThanOrEqual(1);
          }
  });

  it('has a gate in a unit of its own where steps are fine, as long as sums do not reach its bends', () => {
    for (const scale of [1e-6, 1e-5, 1e-4, 5e-4])
      for (const zeroPoint of [0, 64, 127])
        for (const times of [1, 10, 40]) {
          const multiplier = Math.fround(scale / 5);
          const reach = Math.ceil((times * 127 * scale) / multiplier);
          const { real, floats } = errors('hardSwish', multiplier, scale, zeroPoint, reach);
          const what = `scale ${scale}, zero point ${zeroPoint}, reach ${times}`;
          expect(real, what).toBeLessThan(1);
          expect(floats, what).toBeLessThanOrEqual(1);
        }
    const far = Float64Array.of(50 / 1e-6);
    expect(hardNarrowing('hardSwish', Float32Array.of(1e-6), Float32Array.of(1e-5), far)).toBeUndefined();
  });

  it('is within 0.7 steps where ranges are those of a network', () => {
    expect(errors('hardSwish', 1 / 5000, 0.05, 8, 80_000).real).toBeLessThan(0.7);
    expect(errors('hardSigmoid', 1 / 5000, 1 / 127, 0, 80_000).real).toBeLessThan(0.7);
  });

  it('is refused where 16 bits do not do', () => {
    const of = (activation: Activation, multiplier: number, scale: number, reach: number) =>
      hardNarrowing(activation, Float32Array.of(multiplier), Float32Array.of(scale), Float64Array.of(reach));
    expect(of('hardSwish', 1e-3, 0.05, 30_000)).toBeDefined();
    // steps too fine, sums too coarse, a range that nobody needs
    expect(of('hardSwish', 1e-6, 1e-8, 30_000)).toBeUndefined();
    expect(of('hardSwish', 1e-2, 0.05, 30_000)).toBeUndefined();
    expect(of('hardSwish', 1e-3, 1e4, 30_000)).toBeUndefined();
    expect(of('hardSigmoid', 1, 1 / 127, 30_000)).toBeUndefined();
  });

  it('is refused where a sum that saturates could show', () => {
    // the second output's factor is small, so that its sums reach far
    const both = (reach: number) =>
      hardNarrowing(
        'hardSwish',
        Float32Array.of(1e-3, 3e-5),
        Float32Array.of(0.05, 0.05),
        Float64Array.of(100, reach),
      );
    expect(both(30_000)).toBeDefined();
    expect(both(300_000)).toBeUndefined();
  });
});
