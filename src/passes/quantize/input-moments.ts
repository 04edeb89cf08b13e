/**
 * Second moments of what a filter reads, in steps of its inputs: the covariance of the columns of the im2col matrix,
 * from some pixels of each picture. A group of a convolution has a matrix of its own, a depthwise one one for each
 * channel.
 *
 * Shape legend: K columns times taps that one output reads, G groups, [K][K] row-major, the lower triangle alone.
 */
import type { Padding, Pair } from '../../graph/nodes.js';

/** Steps of one channel of a picture, less their zero point, at a pixel; 0 outside. */
export interface StepMap {
  readonly data: Uint8Array;
  /** Where the channel begins in `data`. */
  readonly at: number;
  readonly zeroPoint: number;
}

export interface MomentWindow {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
}

export interface MomentSize {
  readonly groups: number;
  /** Input channels of a group. */
  readonly columns: number;
  /** Height and width of the input and of the output. */
  readonly input: Pair;
  readonly output: Pair;
}

export class InputMoments {
  /** K. */
  readonly length: number;
  readonly #window: MomentWindow;
  readonly #size: MomentSize;
  /** Pixels of a picture that are looked at. */
  readonly #pixels: number;
  readonly #sums: Float64Array[];
  readonly #products: Float64Array[];
  readonly #rows: Float64Array;
  #pictures = 0;
  #count = 0;

  constructor(window: MomentWindow, size: MomentSize, pixels: number) {
    const { groups, columns, output } = size;
    this.#window = window;
    this.#size = size;
    this.#pixels = Math.min(pixels, output[0] * output[1]);
    this.length = columns * window.kernel[0] * window.kernel[1];
    this.#sums = Array.from({ length: groups }, () => new Float64Array(this.length));
    this.#products = Array.from({ length: groups }, () => new Float64Array(this.length ** 2));
    // rows come in fours
    this.#rows = new Float64Array(Math.ceil(this.#pixels / 4) * 4 * this.length);
  }

  /** How many rows have been seen. */
  get count(): number {
    return this.#count;
  }

  /** One picture, every input channel of it. */
  add(channels: readonly StepMap[]): void {
    const { groups, columns } = this.#size;
    for (let g = 0; g < groups; g++) {
      this.#fill(channels.slice(g * columns, (g + 1) * columns));
      this.#accumulate(g);
    }
    this.#pictures++;
    this.#count += this.#pixels;
  }

  /** Mean products of the columns of group g, by default about their means: [K][K], lower triangle. */
  covariance(g: number, aboutMean = true): Float64Array {
    const n = this.length;
    const products = this.#products[g] as Float64Array;
    const count = Math.max(1, this.#count);
    const means = (this.#sums[g] as Float64Array).map((sum) => (aboutMean ? sum / count : 0));
    const result = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++)
        result[i * n + j] =
          (products[i * n + j] as number) / count - (means[i] as number) * (means[j] as number);
    return result;
  }

  /** Rows of the im2col matrix of some pixels, others in every picture. */
  #fill(channels: readonly StepMap[]): void {
    const { kernel, stride, padding, dilation } = this.#window;
    const {
      input: [height, width],
      output,
    } = this.#size;
    const [n, rows, all] = [this.length, this.#rows, output[0] * output[1]];
    for (let r = 0; r < this.#pixels; r++) {
      const pixel = Math.floor(((r + ((this.#pictures * 0.618) % 1)) * all) / this.#pixels) % all;
      const top = Math.floor(pixel / output[1]) * stride[0] - padding[0];
      const left = (pixel % output[1]) * stride[1] - padding[1];
      let at = r * n;
      for (const { data, at: begin, zeroPoint } of channels)
        for (let y = 0; y < kernel[0]; y++)
          for (let x = 0; x < kernel[1]; x++) {
            const [row, column] = [top + y * dilation[0], left + x * dilation[1]];
            const inside = row >= 0 && row < height && column >= 0 && column < width;
            rows[at++] = inside ? (data[begin + row * width + column] as number) - zeroPoint : 0;
          }
    }
  }

  #accumulate(g: number): void {
    const [n, rows] = [this.length, this.#rows];
    const [sums, products] = [this.#sums[g] as Float64Array, this.#products[g] as Float64Array];
    for (let from = 0; from < rows.length; from += 4 * n)
      for (let i = 0; i < n; i++) {
        const a = rows[from + i] as number;
        const b = rows[from + n + i] as number;
        const c = rows[from + 2 * n + i] as number;
        const d = rows[from + 3 * n + i] as number;
        sums[i] = (sums[i] as number) + a + b + c + d;
        if (a === 0 && b === 0 && c === 0 && d === 0) continue;
        for (let j = 0; j <= i; j++)
          products[i * n + j] =
            (products[i * n + j] as number) +
            a * (rows[from + j] as number) +
            b * (rows[from + n + j] as number) +
            c * (rows[from + 2 * n + j] as number) +
            d * (rows[from + 3 * n + j] as number);
      }
  }
}
