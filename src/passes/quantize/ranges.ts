/** From statistics to a scale and a zero point: the range that calibration chooses, and what it costs. */
import type { ActivationName } from '../../graph/nodes.js';
import { levels, type ScaleRun } from './network.js';
import type { ValueStatistics } from './statistics.js';

/**
 * `tail` reaches to what one value in some 36,000 exceeds, told from the greatest; `minmax` takes all values in; `percentile` leaves 1 in 10,000 out on each side; `mse` has the
 * least squared error.
 */
export const rangeMethods = ['tail', 'minmax', 'percentile', 'mse'] as const;
export type RangeMethod = (typeof rangeMethods)[number];

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Natural logarithm of how many values there are to one that may lie outside. */
const outside = 10.5;
const [leastTail, mostTail] = [0.65, 1.5];

/**
 * How far ranges reach, by the greatest of `count` values: the greatest of many is further out than is worth its steps,
 * the greatest of few is soon passed by new pictures. Of an exponential tail, the greatest of N values grows as ln N.
 */
export function tailReach(count: number): number {
  return Math.min(mostTail, Math.max(leastTail, outside / Math.log(Math.max(count, 2))));
}

/** Zero is always inside and has a step of its own, so that padding and ReLU are exact. Scale 0: nothing but zeros. */
function stepsOf({ low, high }: Interval): { readonly scale: number; readonly zeroPoint: number } {
  const [from, to] = [Math.min(0, low), Math.max(0, high)];
  const scale = Math.fround((to - from) / levels);
  if (!(scale > 1e-30)) return { scale: 0, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(levels, Math.max(0, Math.round(-from / scale))) };
}

/** Mean squared difference of values and their steps. */
export function squaredError(values: Float32Array, scale: number, zeroPoint: number): number {
  let sum = 0;
  for (const value of values) {
    const steps = Math.min(levels, Math.max(0, Math.round(value / scale) + zeroPoint));
    sum += (value - (steps - zeroPoint) * scale) ** 2;
  }
  return sum / Math.max(1, values.length);
}

function joined(statistics: ValueStatistics, from: number, to: number): Float32Array {
  const parts = statistics.samples.slice(from, to);
  const most = 16384;
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const step = Math.max(1, Math.ceil(total / most));
  const all = new Float32Array(Math.ceil(total / step));
  let seen = 0;
  let at = 0;
  for (const part of parts) for (const value of part) if (seen++ % step === 0) all[at++] = value;
  return all.subarray(0, at);
}

export function chooseInterval(
  statistics: ValueStatistics,
  from: number,
  to: number,
  method: RangeMethod,
): Interval {
  const low = Math.min(0, ...statistics.min.subarray(from, to));
  const high = Math.max(0, ...statistics.max.subarray(from, to));
  if (method === 'minmax') return { low, high };
  if (method === 'tail') {
    const reach = tailReach(statistics.count);
    return { low: low * reach, high: high * reach };
  }
  const samples = joined(statistics, from, to);
  if (samples.length === 0) return { low, high };
  if (method === 'percentile') {
    const sorted = samples.slice().sort();
    const cut = Math.floor(samples.length / 10_000);
    return {
      low: Math.min(0, Math.max(low, sorted[cut] as number)),
      high: Math.max(0, Math.min(high, sorted[sorted.length - 1 - cut] as number)),
    };
  }
  let best: Interval = { low, high };
  let least = Number.POSITIVE_INFINITY;
  if (!(stepsOf(best).scale > 0)) return best;
  for (let percent = 100; percent >= 30; percent -= 4) {
    const candidate = { low: (low * percent) / 100, high: (high * percent) / 100 };
    const { scale, zeroPoint } = stepsOf(candidate);
    const error = squaredError(samples, scale, zeroPoint);
    if (error >= least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

/**
 * The run of channels [from, to) of a value whose last activation is given; its range has at least `least` in it. Scale
 * 0 where all are zero (`enliven`).
 */
export function chooseRun(
  statistics: ValueStatistics,
  from: number,
  to: number,
  activation: ActivationName | null,
  method: RangeMethod,
  least: Interval = { low: 0, high: 0 },
): ScaleRun {
  const own = chooseInterval(statistics, from, to, method);
  const interval = { low: Math.min(own.low, least.low), high: Math.max(own.high, least.high) };
  const rectified = activation === 'relu' || activation === 'relu6';
  const { scale, zeroPoint } = stepsOf(rectified ? { low: 0, high: interval.high } : interval);
  // saturation at the last step is then never above 6
  const limit = activation === 'relu6' ? Math.min(scale, Math.fround(6 / levels)) : scale;
  return { channels: to - from, scale: limit, zeroPoint: rectified ? 0 : zeroPoint };
}

/**
 * The runs of one value, with a scale for those that were zero in all calibration pictures: that of the coarsest of the
 * others. A filter's integers hold the scales of its inputs: one that is far too coarse for a channel that is never used
 * would leave no precision to the others, and one that is too fine would cut off what new pictures bring.
 */
export function enliven(runs: readonly ScaleRun[]): readonly ScaleRun[] {
  const coarsest = Math.max(...runs.map(({ scale }) => scale));
  const scale = coarsest > 0 ? coarsest : Math.fround(1 / levels);
  return runs.map((run) => (run.scale > 0 ? run : { ...run, scale }));
}

/** Signal to quantisation noise of the channels [from, to) in their runs, in decibels; runs may reach out of them. */
export function signalToNoise(
  statistics: ValueStatistics,
  runs: readonly ScaleRun[],
  from: number,
  to: number,
): number {
  let power = 0;
  let noise = 0;
  let first = 0;
  for (const run of runs) {
    const [start, end] = [Math.max(first, from), Math.min(first + run.channels, to)];
    first += run.channels;
    if (end <= start) continue;
    const samples = joined(statistics, start, end);
    const mean = samples.reduce((sum, value) => sum + value ** 2, 0) / Math.max(1, samples.length);
    power += mean * (end - start);
    noise += squaredError(samples, run.scale, run.zeroPoint) * (end - start);
  }
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(power / noise);
}
