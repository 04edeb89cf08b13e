/**
 * Statistics of a layer from calibration pictures: windows of its maps are kept, and second moments are summed over
 * their pixels in float64. Takes what `Calibration.run` shows; runs nothing itself.
 *
 * Shape legend: a window is [n, side + 2 reach, side + 2 reach] around [side, side] sampled pixels; NaN marks what lies
 * outside the map, where the cheap operation will see zeros. B samples in all.
 */
import type { Tensor } from '../../graph/graph.js';
import { hashText, Random } from '../../models/random.js';
import { choleskyFactor, forwardSubstitute, rowProducts } from '../linear-algebra.js';
import type { Covariances, LayerStatistics, PairSamples, Taps } from './statistics.js';

export interface WindowOptions {
  /** Samples wanted in all. */
  readonly samples: number;
  readonly pictures: number;
  readonly reach: number;
  readonly seed: number;
}

/** Windows of one layer's maps, at places that depend on seed, layer and picture only. */
export class MapWindows {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly reach: number;
  readonly #random: Random;
  readonly windows: Float32Array[] = [];

  constructor(layer: string, map: readonly number[], options: WindowOptions) {
    const [channels = 1, h = 1, w = 1] = map;
    const each = Math.max(1, Math.ceil(options.samples / options.pictures));
    const side = Math.ceil(Math.sqrt(each));
    this.channels = channels;
    this.height = Math.min(h, side);
    this.width = Math.min(w, Math.ceil(each / this.height));
    this.reach = options.reach;
    this.#random = new Random(hashText(layer) ^ options.seed);
  }

  /** Takes one window of each picture of a batch [N, C, H, W]. */
  add({ shape, data }: Tensor): void {
    const [batch = 1, channels = 1, h = 1, w = 1] = shape;
    const { reach } = this;
    const [rows, columns] = [this.height + 2 * reach, this.width + 2 * reach];
    for (let n = 0; n < batch; n++) {
      const top = this.#random.below(h - this.height + 1) - reach;
      const left = this.#random.below(w - this.width + 1) - reach;
      const out = new Float32Array(channels * rows * columns).fill(Number.NaN);
      for (let c = 0; c < channels; c++)
        for (let i = Math.max(0, -top); i < Math.min(rows, h - top); i++) {
          const from = ((n * channels + c) * h + top + i) * w + left;
          const to = (c * rows + i) * columns;
          for (let j = Math.max(0, -left); j < Math.min(columns, w - left); j++)
            out[to + j] = data[from + j] as number;
        }
      this.windows.push(out);
    }
  }

  get samples(): number {
    return this.windows.length * this.height * this.width;
  }

  /** Values of channel `c` moved by [dy, dx], NaN outside the map, into `out` [B]. */
  read(c: number, dy: number, dx: number, out: Float64Array): void {
    const { reach, height, width } = this;
    const columns = width + 2 * reach;
    const plane = (height + 2 * reach) * columns;
    let at = 0;
    for (const window of this.windows)
      for (let i = 0; i < height; i++) {
        const from = c * plane + (i + reach + dy) * columns + reach + dx;
        for (let j = 0; j < width; j++) out[at++] = window[from + j] as number;
      }
  }
}

/** Takes the mean off each row of [rows, length]. */
function centre(matrix: Float64Array, rows: number, length: number): Float64Array {
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += matrix[r * length + k] as number;
    const mean = sum / length;
    for (let k = 0; k < length; k++) matrix[r * length + k] = (matrix[r * length + k] as number) - mean;
  }
  return matrix;
}

export interface SampledLayer {
  /** The layer's raw outputs in the old network. */
  readonly old: MapWindows;
  /** The same in the network as it is now; the same object where nothing before the layer changed. */
  readonly now: MapWindows;
  /** From `old` to v: scale and shift of each channel. */
  readonly oldAffine: readonly [Float64Array, Float64Array];
  /** From `now` to what goes into the activation before the cheap operation. */
  readonly nowAffine: readonly [Float64Array, Float64Array];
  /** Before the cheap operation. */
  readonly inner: (x: number) => number;
  /** From v to t. */
  readonly outer: (x: number) => number;
  /** Regressors that `residuals` uses. */
  readonly taps: Taps;
}

export class SampledStatistics implements LayerStatistics {
  readonly channels: number;
  readonly #layer: SampledLayer;
  readonly #samples: number;
  readonly #targets: Float64Array;

  constructor(layer: SampledLayer) {
    this.#layer = layer;
    this.channels = layer.old.channels;
    this.#samples = layer.old.samples;
    const length = this.#samples;
    this.#targets = new Float64Array(this.channels * length);
    for (let o = 0; o < this.channels; o++) {
      const row = this.target(o);
      for (let k = 0; k < length; k++) this.#targets[o * length + k] = layer.outer(row[k] as number);
    }
    centre(this.#targets, this.channels, length);
  }

  /** v_o. */
  target(o: number): Float64Array {
    const out = new Float64Array(this.#samples);
    this.#layer.old.read(o, 0, 0, out);
    const [scale, shift] = this.#layer.oldAffine.map((list) => list[o] as number) as [number, number];
    for (let k = 0; k < out.length; k++) out[k] = (out[k] as number) * scale + shift;
    return out;
  }

  /** u_i moved by [dy, dx]; zero outside the map. */
  #moved(i: number, dy: number, dx: number): Float64Array {
    const { now, nowAffine, inner } = this.#layer;
    const out = new Float64Array(this.#samples);
    now.read(i, dy, dx, out);
    const [scale, shift] = nowAffine.map((list) => list[i] as number) as [number, number];
    for (let k = 0; k < out.length; k++) {
      const value = out[k] as number;
      out[k] = Number.isNaN(value) ? 0 : inner(value * scale + shift);
    }
    return out;
  }

  /** The regressors of channel i, [R, B]. */
  #rows(i: number, taps: Taps): Float64Array {
    const length = this.#samples;
    const rows = new Float64Array(taps.length * length);
    taps.forEach((tap, r) => {
      for (const [dy, dx, factor] of tap) {
        const moved = this.#moved(i, dy, dx);
        for (let k = 0; k < length; k++)
          rows[r * length + k] = (rows[r * length + k] as number) + factor * (moved[k] as number);
      }
    });
    return rows;
  }

  covariances(): Covariances {
    const n = this.channels;
    const length = this.#samples;
    const inputs = new Float64Array(n * length);
    for (let i = 0; i < n; i++) inputs.set(this.#moved(i, 0, 0), i * length);
    centre(inputs, n, length);
    const scaled = (matrix: Float64Array): Float64Array => matrix.map((value) => value / length);
    const cross = scaled(rowProducts(inputs, this.#targets, n, length));
    const targets = scaled(rowProducts(this.#targets, this.#targets, n, length));
    const inputVariance = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += (inputs[i * length + k] as number) ** 2;
      inputVariance[i] = sum / length;
    }
    const targetVariance = Float64Array.from({ length: n }, (_, o) => targets[o * n + o] as number);
    return { cross, targets, inputVariance, targetVariance };
  }

  residuals(i: number, candidates: readonly number[]): Float64Array {
    const length = this.#samples;
    const { taps } = this.#layer;
    const count = taps.length;
    const rows = centre(this.#rows(i, taps), count, length);
    const l = choleskyFactor(rowProducts(rows, rows, count, length), count);
    return Float64Array.from(candidates, (o) => {
      const from = o * length;
      const cross = new Float64Array(count);
      let total = 0;
      for (let k = 0; k < length; k++) total += (this.#targets[from + k] as number) ** 2;
      for (let r = 0; r < count; r++) {
        let sum = 0;
        for (let k = 0; k < length; k++)
          sum += (rows[r * length + k] as number) * (this.#targets[from + k] as number);
        cross[r] = sum;
      }
      forwardSubstitute(l, count, cross);
      return Math.max(0, total - cross.reduce((sum, value) => sum + value * value, 0)) / length;
    });
  }

  pair(i: number, o: number, taps: Taps): PairSamples {
    return {
      rows: this.#rows(i, taps),
      target: this.target(o),
      regressors: taps.length,
      samples: this.#samples,
    };
  }
}
