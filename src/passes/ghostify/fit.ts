/**
 * The filter of one ghost, by least squares: p = f . u + b shall give, after the activation, what the old channel gave.
 *
 * Through ReLU (and ReLU6) least squares on the old value before the activation would spend most of the filter on
 * values that the activation throws away. What is minimised instead is convex: (p - v)^2 where the old channel is
 * active, and only the part of p beyond the flat end where it is not. It bounds the error after the activation from
 * above, and Newton's method ends after a few solves of the normal equations of the samples that count. Smooth
 * activations weigh samples by the square of their slope.
 */
import { solveSymmetric } from '../linear-algebra.js';
import type { Nonlinearity } from './nonlinearity.js';
import type { PairSamples } from './statistics.js';

export interface GhostFit {
  /** One factor a regressor. */
  readonly factors: Float64Array;
  readonly bias: number;
  /** Mean and variance of f . u over the samples, without the bias. */
  readonly mean: number;
  readonly variance: number;
  /** Mean squared error after the activation. */
  readonly error: number;
}

/** p for every sample. */
function predict(pair: PairSamples, factors: Float64Array, bias: number): Float64Array {
  const out = new Float64Array(pair.samples).fill(bias);
  for (let r = 0; r < pair.regressors; r++) {
    const factor = factors[r] as number;
    const from = r * pair.samples;
    for (let k = 0; k < out.length; k++)
      out[k] = (out[k] as number) + factor * (pair.rows[from + k] as number);
  }
  return out;
}

/** For each sample whether it counts and what p should be there, given the present p. */
function goalOf(target: number, p: number, f: Nonlinearity): number | undefined {
  if (target <= f.low) return p > f.low ? f.low : undefined;
  if (target >= f.high) return p < f.high ? f.high : undefined;
  return target;
}

/** The convex objective, a sum over samples. */
export function surrogate(pair: PairSamples, factors: Float64Array, bias: number, f: Nonlinearity): number {
  const p = predict(pair, factors, bias);
  let sum = 0;
  for (let k = 0; k < p.length; k++) {
    const target = pair.target[k] as number;
    if (f.clips) {
      const goal = goalOf(target, p[k] as number, f);
      if (goal !== undefined) sum += ((p[k] as number) - goal) ** 2;
    } else sum += weightOf(target, f) * ((p[k] as number) - target) ** 2;
  }
  return sum;
}

function weightOf(target: number, f: Nonlinearity): number {
  return f.slope(target) ** 2 + 1e-3;
}

/** Sum of squares about the mean. */
function spreadOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
}

/** One solve of the weighted normal equations; the bias is the last unknown. */
function solve(
  pair: PairSamples,
  goals: Float64Array,
  weights: Float64Array,
): { factors: Float64Array; bias: number } {
  const { regressors, samples, rows } = pair;
  const size = regressors + 1;
  const row = (r: number, k: number): number => (r < regressors ? (rows[r * samples + k] as number) : 1);
  const normal = new Float64Array(size * size);
  const right = new Float64Array(size);
  for (let a = 0; a < size; a++) {
    const weighted = new Float64Array(samples);
    for (let k = 0; k < samples; k++) weighted[k] = row(a, k) * (weights[k] as number);
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      if (b < regressors) {
        const from = b * samples;
        for (let k = 0; k < samples; k++) sum += (weighted[k] as number) * (rows[from + k] as number);
      } else for (let k = 0; k < samples; k++) sum += weighted[k] as number;
      normal[a * size + b] = sum;
      normal[b * size + a] = sum;
    }
    let sum = 0;
    for (let k = 0; k < samples; k++) sum += (weighted[k] as number) * (goals[k] as number);
    right[a] = sum;
  }
  // a filter of more than about thirty times the scale is the sign of a map that is hardly ever active
  const brake = 1e-3 * spreadOf(pair.target);
  for (let r = 0; r < regressors; r++) normal[r * size + r] = (normal[r * size + r] as number) + brake;
  const solution = solveSymmetric(normal, size, right, 1e-10);
  return { factors: solution.slice(0, regressors), bias: solution[regressors] as number };
}

/** The best filter and bias of a ghost. */
export function fitGhost(pair: PairSamples, f: Nonlinearity): GhostFit {
  const weights = new Float64Array(pair.samples).fill(1);
  const goals = pair.target.map((value) => (f.clips ? f.value(value) : value));
  if (!f.clips)
    pair.target.forEach((value, k) => {
      weights[k] = weightOf(value, f);
    });
  let best = solve(pair, goals, weights);
  if (f.clips && (Number.isFinite(f.low) || Number.isFinite(f.high))) {
    let least = surrogate(pair, best.factors, best.bias, f);
    for (let step = 0; step < 25; step++) {
      const p = predict(pair, best.factors, best.bias);
      for (let k = 0; k < pair.samples; k++) {
        const goal = goalOf(pair.target[k] as number, p[k] as number, f);
        weights[k] = goal === undefined ? 0 : 1;
        goals[k] = goal ?? 0;
      }
      const next = solve(pair, goals, weights);
      // a full Newton step may overshoot: halve it until the objective falls
      let share = 1;
      let moved = best;
      let value = least;
      for (; share > 1e-3; share /= 2) {
        const between = (a: number, b: number): number => a + share * (b - a);
        moved = {
          factors: best.factors.map((factor, r) => between(factor, next.factors[r] as number)),
          bias: between(best.bias, next.bias),
        };
        value = surrogate(pair, moved.factors, moved.bias, f);
        if (value < least) break;
      }
      if (value >= least) break;
      const done = least - value < 1e-9 * least;
      best = moved;
      least = value;
      if (done) break;
    }
  }
  return describe(pair, best.factors, best.bias, f);
}

/** A given filter and bias as a fit, with its error. */
export function describe(pair: PairSamples, factors: Float64Array, bias: number, f: Nonlinearity): GhostFit {
  const p = predict(pair, factors, bias);
  let [sum, squares, error] = [0, 0, 0];
  for (let k = 0; k < p.length; k++) {
    const raw = (p[k] as number) - bias;
    sum += raw;
    squares += raw * raw;
    error += (f.value(p[k] as number) - f.value(pair.target[k] as number)) ** 2;
  }
  const mean = sum / p.length;
  return {
    factors,
    bias,
    mean,
    variance: Math.max(0, squares / p.length - mean * mean),
    error: error / p.length,
  };
}
