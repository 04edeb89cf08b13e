/**
 * Activations as the fit needs them: value, slope, the ends at which they are flat, and their Hermite coefficients,
 * which say how correlations of Gaussian values pass through them. Scalars only.
 */
import type { ActivationName } from '../../graph/nodes.js';

export interface Nonlinearity {
  readonly value: (x: number) => number;
  readonly slope: (x: number) => number;
  /** Outputs at which it is flat: at or below `low`, at or above `high`; between them slope 1 when `clips`. */
  readonly low: number;
  readonly high: number;
  /** Whether it is the identity between its flat ends, as ReLU and ReLU6 are. */
  readonly clips: boolean;
}

const infinite = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function clip(low: number, high: number): Nonlinearity {
  return {
    value: (x) => clamp(x, low, high),
    slope: (x) => (x > low && x < high ? 1 : 0),
    low,
    high,
    clips: true,
  };
}

const table: Readonly<Record<ActivationName | 'none', Nonlinearity>> = {
  none: { value: (x) => x, slope: () => 1, ...infinite, clips: true },
  relu: clip(0, Number.POSITIVE_INFINITY),
  relu6: clip(0, 6),
  hardSwish: {
    value: (x) => (x * clamp(x + 3, 0, 6)) / 6,
    slope: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6),
    ...infinite,
    clips: false,
  },
  hardSigmoid: {
    value: (x) => clamp(x + 3, 0, 6) / 6,
    slope: (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
    ...infinite,
    clips: false,
  },
  sigmoid: {
    value: sigmoid,
    slope: (x) => sigmoid(x) * (1 - sigmoid(x)),
    ...infinite,
    clips: false,
  },
  silu: {
    value: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    ...infinite,
    clips: false,
  },
};

export function nonlinearity(name: ActivationName | null): Nonlinearity {
  return table[name ?? 'none'];
}

/** Terms kept of a Hermite series. */
export const hermiteTerms = 12;

const nodes = 400;
const reach = 6;
/** Weights of a fine midpoint rule for the standard normal, and the normalised Hermite polynomials at its points. */
const rule = (() => {
  const points = new Float64Array(nodes);
  const weights = new Float64Array(nodes);
  const polynomials: Float64Array[] = Array.from({ length: hermiteTerms }, () => new Float64Array(nodes));
  let total = 0;
  for (let i = 0; i < nodes; i++) {
    const t = -reach + ((i + 0.5) * 2 * reach) / nodes;
    points[i] = t;
    weights[i] = Math.exp((-t * t) / 2);
    total += weights[i] as number;
    let [previous, current] = [0, 1];
    for (let k = 0; k < hermiteTerms; k++) {
      (polynomials[k] as Float64Array)[i] = current;
      // He_k / sqrt(k!), by the three-term recurrence
      const next = (t * current - Math.sqrt(k) * previous) / Math.sqrt(k + 1);
      previous = current;
      current = next;
    }
  }
  for (let i = 0; i < nodes; i++) weights[i] = (weights[i] as number) / total;
  return { points, weights, polynomials };
})();

/**
 * c_k = E[f(mean + deviation t) He_k(t) / sqrt(k!)] for a standard normal t: then for two such values with correlation
 * r, cov(f(a), g(b)) = sum over k >= 1 of c_k(f) c_k(g) r^k (Mehler's formula).
 */
export function hermiteSeries(f: (x: number) => number, mean: number, deviation: number): Float64Array {
  const series = new Float64Array(hermiteTerms);
  for (let i = 0; i < nodes; i++) {
    const value = f(mean + deviation * (rule.points[i] as number)) * (rule.weights[i] as number);
    for (let k = 0; k < hermiteTerms; k++)
      series[k] = (series[k] as number) + value * ((rule.polynomials[k] as Float64Array)[i] as number);
  }
  return series;
}
