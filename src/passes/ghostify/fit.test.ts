/** The numbers under the pass: least squares is least, the assignment exact, the choice no worse than the naive one. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../models/random.js';
import { pivotedColumns, rowProducts, solveSymmetric } from '../linear-algebra.js';
import { assign } from './assignment.js';
import { fitGhost, surrogate } from './fit.js';
import { hermiteSeries, nonlinearity } from './nonlinearity.js';
import { type PairCosts, selectWiring, wiringCost } from './select.js';
import type { PairSamples } from './statistics.js';

function pair(seed: number, regressors: number, samples = 300): PairSamples {
  const random = new Random(seed);
  const rows = Float64Array.from({ length: regressors * samples }, () => Math.max(0, random.normal()));
  const target = Float64Array.from({ length: samples }, (_, k) => {
    let sum = -0.4;
    for (let r = 0; r < regressors; r++)
      sum += (rows[r * samples + k] as number) * (r % 2 === 0 ? 0.7 : -0.5);
    return 2 * (sum + 0.3 * random.normal());
  });
  return { rows, target, regressors, samples };
}

describe('fitGhost', () => {
  it.each(['none', 'relu', 'relu6', 'silu'] as const)(
    'no small change of the filter is better: %s',
    (name) => {
      const f = nonlinearity(name === 'none' ? null : name);
      for (let seed = 1; seed <= 5; seed++) {
        const samples = pair(seed, 9);
        const fit = fitGhost(samples, f);
        const mean = samples.target.reduce((a, b) => a + b) / samples.samples;
        const brake = 1e-3 * samples.target.reduce((sum, v) => sum + (v - mean) ** 2, 0);
        const objective = (factors: Float64Array, bias: number): number =>
          surrogate(samples, factors, bias, f) + brake * factors.reduce((sum, v) => sum + v * v, 0);
        const least = objective(fit.factors, fit.bias);
        const random = new Random(seed);
        for (let trial = 0; trial < 40; trial++) {
          const factors = fit.factors.map((factor) => factor + 0.02 * random.normal());
          expect(objective(factors, fit.bias + 0.02 * random.normal())).toBeGreaterThan(least * 0.9999);
        }
      }
    },
  );

  it('through ReLU does not spend itself on what the activation throws away', () => {
    const relu = nonlinearity('relu');
    const drawn = pair(3, 9);
    const samples = { ...drawn, target: drawn.target.map((v) => (v < 0 ? 10 * v : v)) };
    const linear = fitGhost(samples, nonlinearity(null));
    const error = (factors: Float64Array, bias: number): number => {
      let sum = 0;
      for (let k = 0; k < samples.samples; k++) {
        let p = bias;
        for (let r = 0; r < 9; r++)
          p += (factors[r] as number) * (samples.rows[r * samples.samples + k] as number);
        sum += (relu.value(p) - relu.value(samples.target[k] as number)) ** 2;
      }
      return sum / samples.samples;
    };
    const fit = fitGhost(samples, relu);
    expect(fit.error).toBeCloseTo(error(fit.factors, fit.bias), 10);
    expect(fit.error).toBeLessThan(error(linear.factors, linear.bias));
  });
});

describe('linear algebra', () => {
  it('solves, and finds the columns that span the rest', () => {
    const random = new Random(2);
    const [n, length] = [6, 20];
    const a = Float64Array.from({ length: n * length }, () => random.normal());
    // rows 3, 4 and 5 are mixtures of the first three
    for (let k = 0; k < length; k++)
      for (let r = 3; r < 6; r++)
        a[r * length + k] = 0.3 * (a[k] as number) + (r - 3) * 0.2 * (a[(r - 3) * length + k] as number);
    const gram = rowProducts(a, a, n, length);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < length; k++) sum += (a[i * length + k] as number) * (a[j * length + k] as number);
        expect(gram[i * n + j]).toBeCloseTo(sum, 10);
      }
    expect(pivotedColumns(gram, n, 3).sort()).toEqual([0, 1, 2]);
    const x = Float64Array.of(1, -2, 3);
    const spd = Float64Array.of(4, 1, 0, 1, 3, 1, 0, 1, 2);
    const b = Float64Array.from([0, 1, 2], (i) =>
      [0, 1, 2].reduce((s, j) => s + (spd[i * 3 + j] as number) * (x[j] as number), 0),
    );
    solveSymmetric(spd, 3, b, 0).forEach((value, i) => {
      expect(value).toBeCloseTo(x[i] as number, 10);
    });
  });

  it('assigns at the least cost of all permutations', () => {
    const random = new Random(5);
    const permutations = (list: number[]): number[][] =>
      list.length === 0
        ? [[]]
        : list.flatMap((x) => permutations(list.filter((y) => y !== x)).map((rest) => [x, ...rest]));
    for (let trial = 0; trial < 20; trial++) {
      const n = 5;
      const cost = Float64Array.from({ length: n * n }, () => random.uniform());
      const total = (columns: ArrayLike<number>): number =>
        Array.from(columns).reduce((sum, column, row) => sum + (cost[row * n + column] as number), 0);
      const best = Math.min(...permutations([0, 1, 2, 3, 4]).map(total));
      expect(total(assign(cost, n, n))).toBeCloseTo(best, 12);
    }
  });

  it('Hermite series of the identity and of ReLU', () => {
    const identity = hermiteSeries((x) => x, 0.3, 2);
    expect(identity[0]).toBeCloseTo(0.3, 5);
    expect(identity[1]).toBeCloseTo(2, 5);
    // E[relu(t)] = 1 / sqrt(2 pi), E[t relu(t)] = 1/2
    const relu = hermiteSeries((x) => Math.max(0, x), 0, 1);
    expect(relu[0]).toBeCloseTo(1 / Math.sqrt(2 * Math.PI), 3);
    expect(relu[1]).toBeCloseTo(0.5, 3);
  });
});

describe('selectWiring', () => {
  const costs = (n: number, seed: number): PairCosts => {
    const random = new Random(seed);
    const table = Float64Array.from({ length: n * n }, (_, at) =>
      Math.floor(at / n) === at % n ? 0 : random.uniform(),
    );
    const targets = Float64Array.from({ length: n * n }, (_, at) =>
      Math.floor(at / n) === at % n ? 1 : 0.1 * random.uniform(),
    );
    return { costs: table, targets, targetVariance: new Float64Array(n).fill(1) };
  };
  it.each([
    [2, 12],
    [3, 13],
    [4, 10],
  ])('s=%d: every channel once, grouping no worse than the others', (ratio, n) => {
    for (let seed = 1; seed < 6; seed++) {
      const pairs = costs(n, seed);
      const norms = Float64Array.from({ length: n }, (_, c) => (c * 7) % n);
      const shape = { intrinsic: Math.ceil(n / ratio), ratio };
      const cost = (how: 'first' | 'norm' | 'pivoted' | 'grouping'): number => {
        const wiring = selectWiring(how, pairs, norms, shape);
        expect([...wiring.intrinsic, ...wiring.ghosts].sort((a, b) => a - b)).toEqual(
          Array.from({ length: n }, (_, c) => c),
        );
        expect(wiring.intrinsic).toHaveLength(shape.intrinsic);
        return wiringCost(wiring, pairs.costs, n, ratio);
      };
      const others = Math.min(cost('first'), cost('norm'), cost('pivoted'));
      expect(cost('grouping')).toBeLessThanOrEqual(others + 1e-12);
      expect(selectWiring('first', pairs, norms, shape).intrinsic[0]).toBe(0);
    }
  });
});
