/**
 * What calibration remembers of a value: least and greatest of each channel over all pictures, and a sample of its numbers, from which ranges are chosen. Knows no engine: whoever runs the network hands the values in.
 */

export interface ValueStatistics {
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Values of a channel that were looked at, of all pictures. */
  readonly count: number;
  /** Some values of each channel. */
  readonly samples: readonly Float32Array[];
}

/** Pixels that are kept of a channel of one picture, and values of a channel in all. */
const perPicture = 48;
const perChannel = 2048;

export class StatisticsCollector {
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #samples: number[][];
  #count = 0;
  #values = 0;

  constructor(channels: number) {
    this.#min = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
    this.#max = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
    this.#samples = Array.from({ length: channels }, () => []);
  }

  /** One picture's value, planar [C][P]. */
  add(values: Float32Array): void {
    const channels = this.#min.length;
    const pixels = values.length / channels;
    // a step that shares no factor with the width, so that samples do not keep to one column
    const step = Math.max(1, Math.floor(pixels / perPicture) | 1);
    for (let c = 0; c < channels; c++) {
      let least = this.#min[c] as number;
      let most = this.#max[c] as number;
      for (let p = 0; p < pixels; p++) {
        const value = values[c * pixels + p] as number;
        if (value < least) least = value;
        if (value > most) most = value;
      }
      this.#min[c] = least;
      this.#max[c] = most;
      const samples = this.#samples[c] as number[];
      for (let p = this.#count % step; p < pixels && samples.length < perChannel; p += step)
        samples.push(values[c * pixels + p] as number);
    }
    this.#count++;
    this.#values += pixels;
  }

  finish(): ValueStatistics {
    return {
      min: this.#min,
      max: this.#max,
      count: this.#values,
      samples: this.#samples.map((samples) => Float32Array.from(samples)),
    };
  }
}
