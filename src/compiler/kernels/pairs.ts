/**
 * Weights of matrix kernels lie in pairs of output quads, [N/8][K][2][4], because two quads together are the widest
 * tile that fits registers with many pixels, and because streams of weights a multiple of 4 KiB apart would evict each
 * other. Threads may split anywhere, also inside a pair; this file packs the pairs and walks over them.
 */
import type { FunctionBuilder, Local } from '../emitter/function.js';

export interface PairWalk {
  /** Address of the packed weights, and units [unit0, unit1) of the call; `unit0` counts up. */
  readonly weights: Local;
  readonly unit0: Local;
  readonly unit1: Local;
  /** Input channels. */
  readonly K: number;
  /** Lengths of the unit ranges of all calls. */
  readonly ranges: readonly number[];
}

/** All that the code depends on of the lengths of ranges: `even`, `single` (all of one unit) or `mixed`. */
export function rangeClass(ranges: readonly number[]): 'even' | 'single' | 'mixed' {
  if (ranges.every((length) => length % 2 === 0)) return 'even';
  return ranges.every((length) => length === 1) ? 'single' : 'mixed';
}

/**
 * Emits a loop that calls `tile` for two quads, or for one where the range starts or ends inside a pair, with the
 * address of the tile's first weights in the local `weight`; the next weights of a quad are eight weights on.
 */
export function eachPair(
  f: FunctionBuilder,
  { weights, unit0, unit1, K, ranges }: PairWalk,
  weight: Local,
  tile: (quads: 1 | 2) => void,
): void {
  const pairBytes = K * 32;
  const isOdd = (): FunctionBuilder => f.get(unit0).i32Const(1).op('i32And');
  const double = (): void => {
    tile(2);
    f.increment(weight, pairBytes).increment(unit0, 2);
  };
  const single = (): void => {
    tile(1);
    // from the second quad of a pair to the next pair; after a first quad the range ends
    f.increment(weight, pairBytes - 16).increment(unit0, 1);
  };
  f.get(weights).get(unit0).i32Const(1).op('i32ShrU').i32Const(pairBytes).op('i32Mul').op('i32Add');
  isOdd().i32Const(4).op('i32Shl').op('i32Add').set(weight);
  f.get(unit0).get(unit1).op('i32LtS');
  f.if(() => {
    f.loop((next) => {
      const lengths = rangeClass(ranges);
      if (lengths === 'even') double();
      else if (lengths === 'single') single();
      else {
        isOdd().op('i32Eqz').get(unit1).get(unit0).op('i32Sub').i32Const(2).op('i32GeS').op('i32And');
        f.if(double, single);
      }
      f.get(unit0).get(unit1).op('i32LtS').brIf(next);
    });
  });
}

/** Weights [N][K] in stored order (N a multiple of 4) to [N/8][K][2][4]; an odd last quad has a pair of its own, half empty. */
export function packMatrix(weights: Float32Array, N: number, K: number): Float32Array {
  const packed = new Float32Array(Math.ceil(N / 8) * 8 * K);
  for (let n = 0; n < N; n++) {
    const base = (n >> 3) * 8 * K + (n & 7);
    for (let k = 0; k < K; k++) packed[base + k * 8] = weights[n * K + k] as number;
  }
  return packed;
}
