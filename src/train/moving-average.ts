/**
 * The exponential moving average of a network's weights (Polyak averaging), batch norm's statistics included.
 * Keeps its own copy; the trained weights are not touched.
 */
import type { Tensor, Weights } from '../graph/graph.js';

export class MovingAverage {
  readonly #decay: number;
  readonly #tensors: Map<string, Tensor>;
  #updates: number;

  /** Starts as a copy of `weights`. `updates` is how many updates it has had (for a resumed run). */
  constructor(weights: Weights, decay: number, updates = 0) {
    this.#decay = decay;
    this.#updates = updates;
    this.#tensors = new Map(
      Array.from(weights, ([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
    );
  }

  /**
   * average = d * average + (1 - d) * weights, with d = min(decay, (1 + n) / (10 + n)) at update n, so that the
   * start is forgotten fast.
   */
  update(weights: Weights): void {
    const keep = Math.min(this.#decay, (1 + this.#updates) / (10 + this.#updates));
    this.#updates++;
    for (const [name, { data }] of this.#tensors) {
      const current = weights.get(name)?.data;
      if (!current) continue;
      for (let i = 0; i < data.length; i++) data[i] = keep * data[i]! + (1 - keep) * current[i]!;
    }
  }

  get weights(): Weights {
    return this.#tensors;
  }

  get updates(): number {
    return this.#updates;
  }
}
