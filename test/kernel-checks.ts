/**
 * A kernel on every instruction set that the engine has, with its units in one range and in two, whose bits must not
 * depend on the split; and what its results are compared by. Test code only.
 */
import { expect } from 'vitest';
import type { Isa } from '../src/compiler/kernels/kernel.js';
import type { KernelSpec } from '../src/compiler/kernels/registry.js';
import { Random } from '../src/models/random.js';
import { isas, runKernel } from './kernel-harness.js';

const random = new Random(5);

/** Normal numbers from a fixed seed. */
export function floats(count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Runs a kernel on copies of the given arrays; the copy of the array at `output` is returned as it is afterwards. */
function run(
  spec: KernelSpec,
  isa: Isa,
  args: readonly (Float32Array | Int32Array | number)[],
  output: number,
  ranges: readonly (readonly [number, number])[],
): Float32Array {
  const copies = args.map((arg) => (typeof arg === 'number' ? null : arg.slice()));
  runKernel(spec, isa, copies, ranges);
  return copies[output] as Float32Array;
}

/** Runs in one range and in two; both must give the same bits. Returns the result of each isa. */
export function runAll(
  spec: KernelSpec,
  args: readonly (Float32Array | Int32Array | number)[],
  output: number,
  units: number,
): readonly Float32Array[] {
  return isas.map((isa) => {
    const ranged = (ranges: readonly (readonly [number, number])[]): Float32Array => {
      const lengths = [...new Set(ranges.map(([from, to]) => to - from))];
      return run('ranges' in spec ? { ...spec, ranges: lengths } : spec, isa, args, output, ranges);
    };
    const whole = ranged([[0, units]]);
    if (units > 1) {
      const cut = Math.ceil(units / 2);
      expect(
        ranged([
          [cut, units],
          [0, cut],
        ]),
      ).toEqual(whole);
    }
    return whole;
  });
}

/** What each activation does to one number. */
export const scalar: Record<string, (x: number) => number> = {
  null: (x) => x,
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  hardSigmoid: (x) => Math.min(6, Math.max(0, x + 3)) / 6,
  hardSwish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** Equal but for rounding: every error within `tolerance` of 1 + |expected|. */
export function close(actual: Float32Array, expected: ArrayLike<number>, tolerance = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs((actual[i] as number) - (expected[i] as number));
    worst = Math.max(
      worst,
      Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / (1 + Math.abs(expected[i] as number)),
    );
  }
  expect(worst).toBeLessThan(tolerance);
}

/** Index of channel c, pixel p in quads. */
export const quadIndex = (c: number, p: number, P: number): number => ((c >> 2) * P + p) * 4 + (c & 3);
