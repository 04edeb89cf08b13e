/**
 * Means of what operations with filters make: of every channel, behind the activation, and how much that mean changes
 * with the channel's bias.
 */
import type { ActivationName } from '../../graph/nodes.js';
import type { Shapes } from '../../graph/shapes.js';
import type { Operation } from '../fuse.js';
import { filterNode } from './operations.js';

/**
 * What dy / dx is, told by y = act(x). Hard-swish is not monotonic: below 0, where two x have the same y, the mean of
 * both, which is nothing.
 */
function slope(activation: ActivationName | null): (y: number) => number {
  switch (activation) {
    case 'relu':
      return (y) => (y > 0 ? 1 : 0);
    case 'relu6':
      return (y) => (y > 0 && y < 6 ? 1 : 0);
    case 'hardSigmoid':
      return (y) => (y > 0 && y < 1 ? 1 / 6 : 0);
    case 'hardSwish':
      // y = x (x + 3) / 6 up to x = 3, then y = x
      return (y) => (y >= 3 ? 1 : y > 0 ? Math.sqrt(9 + 24 * y) / 6 : 0);
    default:
      return () => 1;
  }
}

interface Sums {
  /** Pictures times pixels. */
  count: number;
  readonly sums: Float64Array;
  readonly of: (y: number) => number;
}

const itself = (y: number): number => y;

/** Means of the outputs' channels, or of how much they change with their biases. */
export class OutputMeans {
  readonly #all: ReadonlyMap<string, Sums>;

  /** Of the operations that have filters. */
  constructor(operations: readonly Operation[], shapes: Shapes, of: 'values' | 'slopes' = 'values') {
    this.#all = new Map(
      operations.filter(filterNode).map(({ output, activation }) => {
        const sums = new Float64Array(shapes.get(output)?.[1] ?? 1);
        return [output, { count: 0, sums, of: of === 'slopes' ? slope(activation) : itself }];
      }),
    );
  }

  /** Names of the values that are looked at. */
  get names(): Iterable<string> {
    return this.#all.keys();
  }

  /** One picture's value, planar [C][H][W]. */
  add(name: string, data: Float32Array): void {
    const one = this.#of(name);
    const { sums, of } = one;
    const pixels = data.length / sums.length;
    for (let c = 0; c < sums.length; c++) {
      let sum = 0;
      for (let i = c * pixels; i < (c + 1) * pixels; i++) sum += of(data[i] as number);
      sums[c] = (sums[c] as number) + sum;
    }
    one.count += pixels;
  }

  /** Of each channel. */
  means(name: string): Float64Array {
    const { sums, count } = this.#of(name);
    return sums.map((sum) => sum / Math.max(1, count));
  }

  #of(name: string): Sums {
    const one = this.#all.get(name);
    if (!one) throw new Error(`means: "${name}" has no filter`);
    return one;
  }
}
