/**
 * Learning rates over a run: warm-up, then constant, steps, cosine, linear or one-cycle. A schedule is data; the rate is
 * a pure function of the step, so a resumed run goes on where it was. Knows no optimiser.
 */
import { rangeError, unreachable } from '../errors.js';

/** What happens after the warm-up. Milestones and `every` count epochs from the start of the run. */
export type Schedule =
  | { readonly kind: 'constant'; readonly warmup?: number }
  /** Times `factor` after each `every` epochs. */
  | { readonly kind: 'step'; readonly every: number; readonly factor?: number; readonly warmup?: number }
  /** Times `factor` at each milestone. */
  | {
      readonly kind: 'multiStep';
      readonly milestones: readonly number[];
      readonly factor?: number;
      readonly warmup?: number;
    }
  /** Half a cosine from the peak down to `final` times the peak (Loshchilov and Hutter 2016). */
  | { readonly kind: 'cosine'; readonly final?: number; readonly warmup?: number }
  | { readonly kind: 'linear'; readonly final?: number; readonly warmup?: number }
  /** Up from peak / 25 over the first `up` of the run, then down in a line to `final` times the peak (Smith 2018). */
  | { readonly kind: 'oneCycle'; readonly up?: number; readonly final?: number };

export interface RunLength {
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

/**
 * The learning rate of a step (counted from 0). `warmup` epochs rise linearly from peak / steps to the peak.
 * Defaults: factor 0.1, warmup 0, final 0 (one-cycle 0.001), up 0.25. Throws RangeError `SCHEDULE` for a step outside the run.
 */
export function learningRateAt(schedule: Schedule, peak: number, step: number, run: RunLength): number {
  const total = run.epochs * run.stepsPerEpoch;
  if (!(step >= 0 && step < total))
    throw rangeError('SCHEDULE', `schedule: step ${step} is outside the run of ${total} steps`);
  if (schedule.kind === 'oneCycle') {
    const { up = 0.25, final = 0.001 } = schedule;
    const top = Math.max(1, Math.round(total * up));
    if (step < top) return peak * (1 / 25 + (1 - 1 / 25) * (step / top));
    return peak * (1 + (final - 1) * ((step - top) / Math.max(1, total - 1 - top)));
  }
  const warm = Math.round((schedule.warmup ?? 0) * run.stepsPerEpoch);
  if (step < warm) return (peak * (step + 1)) / warm;
  const epoch = Math.floor(step / run.stepsPerEpoch);
  const progress = (step - warm) / Math.max(1, total - 1 - warm);
  switch (schedule.kind) {
    case 'constant':
      return peak;
    case 'step':
      return peak * (schedule.factor ?? 0.1) ** Math.floor(epoch / schedule.every);
    case 'multiStep':
      return (
        peak *
        (schedule.factor ?? 0.1) ** schedule.milestones.filter((milestone) => epoch >= milestone).length
      );
    case 'cosine': {
      const final = schedule.final ?? 0;
      return peak * (final + (1 - final) * 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
    case 'linear':
      return peak * (1 + ((schedule.final ?? 0) - 1) * progress);
    default:
      return unreachable(schedule);
  }
}
