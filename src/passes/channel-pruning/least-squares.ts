/**
 * Least squares from sums over samples: weights and bias that say y from x, pulled towards given weights. Nothing here
 * knows layers or pictures.
 *
 * Shape legend: x [K]; y [O]; weights [O, K].
 */
import { choleskyFactor } from '../linear-algebra.js';
import { solveRows } from '../solve-rows.js';
import { Moments } from './samples.js';

/** All that least squares needs of the samples. */
export class Sums {
  readonly moments: Moments;
  /** Sum of y xᵀ, [O, K]. */
  readonly cross: Float64Array;
  readonly sumY: Float64Array;
  /** Sum of |y|². */
  squaresY = 0;

  constructor(inputs: number, outputs: number) {
    this.moments = new Moments(inputs);
    this.cross = new Float64Array(outputs * inputs);
    this.sumY = new Float64Array(outputs);
  }

  get count(): number {
    return this.moments.count;
  }

  add(x: Float64Array, y: Float32Array): void {
    const { moments, cross, sumY } = this;
    moments.add(x);
    const size = x.length;
    for (let o = 0; o < y.length; o++) {
      const value = y[o] as number;
      sumY[o] = (sumY[o] as number) + value;
      this.squaresY += value * value;
      const row = o * size;
      for (let k = 0; k < size; k++) cross[row + k] = (cross[row + k] as number) + value * (x[k] as number);
    }
  }

  /** Adds the other's samples to these. */
  join(other: Sums): void {
    const into = (a: Float64Array, b: Float64Array): void => {
      for (let i = 0; i < a.length; i++) a[i] = (a[i] as number) + (b[i] as number);
    };
    into(this.moments.products, other.moments.products);
    into(this.moments.sum, other.moments.sum);
    into(this.cross, other.cross);
    into(this.sumY, other.sumY);
    this.moments.count += other.moments.count;
    this.squaresY += other.squaresY;
  }
}

export interface Solution {
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/** W C for W [O, K] and C [K, K] of which the lower triangle is given. */
function timesSymmetric(weight: Float64Array, lower: Float64Array, size: number): Float64Array {
  const product = new Float64Array(weight.length);
  for (let row = 0; row < weight.length; row += size)
    for (let i = 0; i < size; i++) {
      const w = weight[row + i] as number;
      let sum = w * (lower[i * size + i] as number);
      for (let j = 0; j < i; j++) {
        const c = lower[i * size + j] as number;
        sum += (weight[row + j] as number) * c;
        product[row + j] = (product[row + j] as number) + w * c;
      }
      product[row + i] = (product[row + i] as number) + sum;
    }
  return product;
}

/**
 * The W and b that minimise the squared error plus `ridge` (a share of the inputs' mean variance) times the distance of
 * W from `prior`: W = P + (M - P C)(C + r I)^-1 with C = cov(x, x), M = cov(y, x). A large ridge leaves the prior.
 */
export function solve(sums: Sums, prior: Float64Array, ridge: number): Solution {
  const { moments, cross, sumY } = sums;
  const { count, inputs: size, products, sum } = moments;
  const covariance = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j <= i; j++) {
      const value = (products[i * size + j] as number) - ((sum[i] as number) * (sum[j] as number)) / count;
      covariance[i * size + j] = value;
    }
  const said = timesSymmetric(prior, covariance, size);
  const gap = said.map((value, at) => {
    const [o, k] = [Math.floor(at / size), at % size];
    return (cross[at] as number) - ((sumY[o] as number) * (sum[k] as number)) / count - value;
  });
  // at least a hair: inputs that are always the same have no variance at all
  const change = solveRows(choleskyFactor(covariance, size, Math.max(ridge, 1e-10)), size, gap, sumY.length);
  const weight = change.map((value, i) => value + (prior[i] as number));
  const bias = sumY.map((total, o) => {
    let mean = total;
    for (let k = 0; k < size; k++) mean -= (weight[o * size + k] as number) * (sum[k] as number);
    return mean / count;
  });
  return { weight, bias };
}

/** Mean |y - W x - b|² over the variance of y, on any samples. */
export function errorOf({ weight, bias }: Solution, sums: Sums): number {
  const { moments, cross, sumY, squaresY } = sums;
  const { count, inputs: size, sum, products } = moments;
  const through = timesSymmetric(weight, products, size);
  let [left, variance] = [squaresY, squaresY];
  for (let o = 0; o < sumY.length; o++) {
    const [b, total] = [bias[o] as number, sumY[o] as number];
    variance -= total ** 2 / count;
    left += count * b * b - 2 * b * total;
    for (let k = 0; k < size; k++) {
      const w = weight[o * size + k] as number;
      left +=
        w *
        ((through[o * size + k] as number) -
          2 * (cross[o * size + k] as number) +
          2 * b * (sum[k] as number));
    }
  }
  return variance > 0 ? Math.max(left, 0) / variance : 0;
}
