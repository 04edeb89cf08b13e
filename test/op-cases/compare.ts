/**
 * How two tensors are compared: the largest difference over the largest absolute value of the expected tensor, and
 * a report that says where it is. A value that is not finite is always a difference.
 */
import type { Tensor } from '../../src/graph/graph.js';

export interface Difference {
  /** Largest |actual - expected| over largest |expected|; infinite for wrong shapes or values that are not finite. */
  readonly relative: number;
  /** Where and how, for people. */
  readonly report: string;
}

function coordinates(index: number, shape: readonly number[]): string {
  const at: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    at.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${at.join(', ')}]`;
}

/**
 * Compares two tensors of (as it should be) one shape. Differences are taken relative to at least `floor`, for values
 * that are small only because larger ones cancelled or were cut off.
 */
export function difference(actual: Tensor, expected: Tensor, floor = 0): Difference {
  if (actual.shape.join() !== expected.shape.join() || actual.data.length !== expected.data.length)
    return {
      relative: Number.POSITIVE_INFINITY,
      report: `shape [${actual.shape.join(', ')}] with ${actual.data.length} values, expected [${expected.shape.join(', ')}]`,
    };
  let largest = floor;
  let worst = 0;
  let worstIndex = 0;
  let wrong = 0;
  for (const value of expected.data) largest = Math.max(largest, Math.abs(value));
  const scale = largest === 0 ? 1 : largest;
  expected.data.forEach((value, i) => {
    const error = Math.abs((actual.data[i] as number) - value) / scale;
    if (!(error <= 1e-4)) wrong++;
    if (!(error <= worst)) {
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
      worstIndex = i;
    }
  });
  return {
    relative: worst,
    report:
      `relative error ${worst.toExponential(2)} at ${coordinates(worstIndex, expected.shape)} of [${expected.shape.join(', ')}]: ` +
      `${actual.data[worstIndex]}, expected ${expected.data[worstIndex]}; ${wrong} of ${expected.data.length} values are off by more than 1e-4`,
  };
}
