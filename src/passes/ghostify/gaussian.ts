/**
 * Statistics of a layer from its weights alone: the inputs are taken as white noise, so that two filters' outputs
 * correlate as their taps overlap, and what batch norm puts out as Gaussian with its shift as mean and its scale as
 * deviation (without batch norm: the bias, and the filter's norm). Correlations pass through the activation by Mehler's
 * formula. Knows no pictures; borders are ignored.
 */

import type { Conv2dNode } from '../../graph/nodes.js';
import { Random } from '../../models/random.js';
import { choleskyFactor, forwardSubstitute, rowProducts } from '../linear-algebra.js';
import { hermiteSeries, hermiteTerms } from './nonlinearity.js';
import type { Covariances, LayerStatistics, PairSamples, Taps } from './statistics.js';

export interface GaussianLayer {
  readonly conv: Conv2dNode;
  /** [n, c, kh, kw]. */
  readonly weight: Float32Array;
  /** Of v: [n]. A negative deviation turns the sign of correlations. */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
  readonly inner: (x: number) => number;
  readonly outer: (x: number) => number;
  readonly taps: Taps;
  /** Mean and deviation of what goes into `inner`; default those of v. */
  readonly innerMean?: Float64Array;
  readonly innerDeviation?: Float64Array;
}

const sampleCount = 2048;

export class GaussianStatistics implements LayerStatistics {
  readonly channels: number;
  readonly #layer: GaussianLayer;
  readonly #norms: Float64Array;
  readonly #innerSeries: Float64Array[];
  readonly #outerSeries: Float64Array[];
  readonly #innerMean: Float64Array;
  readonly #innerDeviation: Float64Array;
  #draws: Float64Array = new Float64Array(0);

  constructor(layer: GaussianLayer) {
    this.#layer = layer;
    const n = layer.conv.outChannels;
    this.channels = n;
    const length = layer.weight.length / n;
    this.#norms = Float64Array.from({ length: n }, (_, o) => {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += (layer.weight[o * length + k] as number) ** 2;
      return Math.sqrt(sum);
    });
    this.#innerMean = layer.innerMean ?? layer.mean;
    this.#innerDeviation = layer.innerDeviation ?? layer.deviation;
    const series = (f: (x: number) => number, mean: Float64Array, deviation: Float64Array): Float64Array[] =>
      Array.from({ length: n }, (_, c) => hermiteSeries(f, mean[c] as number, deviation[c] as number));
    this.#innerSeries = series(layer.inner, this.#innerMean, this.#innerDeviation);
    this.#outerSeries = series(layer.outer, layer.mean, layer.deviation);
  }

  /** Correlation of filter a at [dy, dx] with filter b at [0, 0], in output pixels. */
  #correlation(a: number, b: number, dy: number, dx: number): number {
    const { conv, weight } = this.#layer;
    const [kh, kw] = conv.kernel;
    const down = (dy * conv.stride[0]) / conv.dilation[0];
    const right = (dx * conv.stride[1]) / conv.dilation[1];
    if (!Number.isInteger(down) || !Number.isInteger(right)) return 0;
    const plane = kh * kw;
    const length = conv.inChannels * plane;
    let sum = 0;
    for (let y = Math.max(0, -down); y < Math.min(kh, kh - down); y++)
      for (let x = Math.max(0, -right); x < Math.min(kw, kw - right); x++) {
        const first = a * length + y * kw + x;
        const second = b * length + (y + down) * kw + x + right;
        for (let c = 0; c < conv.inChannels; c++)
          sum += (weight[first + c * plane] as number) * (weight[second + c * plane] as number);
      }
    const norm = (this.#norms[a] as number) * (this.#norms[b] as number);
    return norm === 0 ? 0 : sum / norm;
  }

  covariances(): Covariances {
    const n = this.channels;
    const { weight } = this.#layer;
    const length = weight.length / n;
    const filters = Float64Array.from(weight);
    const products = rowProducts(filters, filters, n, length);
    const pass = (a: Float64Array[], b: Float64Array[]): Float64Array =>
      products.map((product, at) => {
        const [i, o] = [Math.floor(at / n), at % n];
        const norm = (this.#norms[i] as number) * (this.#norms[o] as number);
        return norm === 0 ? 0 : mehler(a[i] as Float64Array, b[o] as Float64Array, product / norm);
      });
    const variances = (series: Float64Array[]): Float64Array =>
      Float64Array.from(series, (one) => mehler(one, one, 1));
    return {
      cross: pass(this.#innerSeries, this.#outerSeries),
      targets: pass(this.#outerSeries, this.#outerSeries),
      inputVariance: variances(this.#innerSeries),
      targetVariance: variances(this.#outerSeries),
    };
  }

  residuals(i: number, candidates: readonly number[]): Float64Array {
    const { taps } = this.#layer;
    const count = taps.length;
    const inner = this.#innerSeries[i] as Float64Array;
    const l = choleskyFactor(
      this.#between(taps, (dy, dx) => mehler(inner, inner, this.#correlation(i, i, dy, dx))),
      count,
      1e-6,
    );
    return Float64Array.from(candidates, (o) => {
      const outer = this.#outerSeries[o] as Float64Array;
      const cross = Float64Array.from(taps, (tap) =>
        tap.reduce(
          (sum, [dy, dx, factor]) => sum + factor * mehler(inner, outer, this.#correlation(i, o, dy, dx)),
          0,
        ),
      );
      forwardSubstitute(l, count, cross);
      const total = mehler(outer, outer, 1);
      return Math.max(0, total - cross.reduce((sum, value) => sum + value * value, 0));
    });
  }

  /** A matrix [R, R] over pairs of regressors from a function of their offset. */
  #between(taps: Taps, f: (dy: number, dx: number) => number): Float64Array {
    const known = new Map<string, number>();
    const at = (dy: number, dx: number): number => {
      const key = `${dy},${dx}`;
      const value = known.get(key) ?? f(dy, dx);
      known.set(key, value);
      return value;
    };
    const out = new Float64Array(taps.length ** 2);
    taps.forEach((a, row) => {
      taps.forEach((b, column) => {
        let sum = 0;
        for (const [ay, ax, p] of a) for (const [by, bx, q] of b) sum += p * q * at(ay - by, ax - bx);
        out[row * taps.length + column] = sum;
      });
    });
    return out;
  }

  /** Draws Gaussian pixels and target with these correlations, and passes them through the activation. */
  pair(i: number, o: number, taps: Taps): PairSamples {
    const pixels = [...new Map(taps.flat().map(([dy, dx]) => [`${dy},${dx}`, [dy, dx] as const])).values()];
    const single: Taps = pixels.map(([dy, dx]) => [[dy, dx, 1] as const]);
    const size = pixels.length + 1;
    const correlation = new Float64Array(size * size);
    const among = this.#between(single, (dy, dx) => this.#correlation(i, i, dy, dx));
    for (let r = 0; r < size - 1; r++) {
      for (let c = 0; c < size - 1; c++) correlation[r * size + c] = among[r * (size - 1) + c] as number;
      const [dy, dx] = pixels[r] as readonly [number, number];
      const cross = this.#correlation(i, o, dy, dx);
      correlation[r * size + size - 1] = cross;
      correlation[(size - 1) * size + r] = cross;
    }
    correlation[size * size - 1] = 1;
    const l = choleskyFactor(correlation, size, 1e-9);
    const draws = this.#normals(size);
    const values = Array.from({ length: size }, () => new Float64Array(sampleCount));
    for (let r = 0; r < size; r++)
      for (let c = 0; c <= r; c++) {
        const factor = l[r * size + c] as number;
        const row = values[r] as Float64Array;
        for (let k = 0; k < sampleCount; k++)
          row[k] = (row[k] as number) + factor * (draws[c * sampleCount + k] as number);
      }
    const { inner, mean, deviation } = this.#layer;
    const where = new Map(pixels.map(([dy, dx], r) => [`${dy},${dx}`, r]));
    const rows = new Float64Array(taps.length * sampleCount);
    const [m, s] = [this.#innerMean[i] as number, this.#innerDeviation[i] as number];
    taps.forEach((tap, r) => {
      for (const [dy, dx, factor] of tap) {
        const pixel = values[where.get(`${dy},${dx}`) as number] as Float64Array;
        for (let k = 0; k < sampleCount; k++)
          rows[r * sampleCount + k] =
            (rows[r * sampleCount + k] as number) + factor * inner(m + s * (pixel[k] as number));
      }
    });
    const target = (values[size - 1] as Float64Array).map(
      (value) => (mean[o] as number) + (deviation[o] as number) * value,
    );
    return { rows, target, regressors: taps.length, samples: sampleCount };
  }

  /** Standard normal numbers [size, B], the same for every pair. */
  #normals(size: number): Float64Array {
    if (this.#draws.length < size * sampleCount) {
      const random = new Random(1);
      this.#draws = Float64Array.from({ length: size * sampleCount }, () => random.normal());
    }
    return this.#draws;
  }
}

/** Covariance of f(a) and g(b) for standard normal a, b of correlation r, from both Hermite series. */
function mehler(f: Float64Array, g: Float64Array, r: number): number {
  let sum = 0;
  let power = 1;
  for (let k = 1; k < hermiteTerms; k++) {
    power *= r;
    sum += (f[k] as number) * (g[k] as number) * power;
  }
  return sum;
}
