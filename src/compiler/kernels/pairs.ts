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
  /** Bytes of a weight. Default 4. */
  readonly bytes?: 2 | 4;
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
  { weights, unit0, unit1, K, ranges, bytes = 4 }: PairWalk,
  weight: Local,
  tile: (quads: 1 | 2) => void,
): void {
  const pairBytes = K * 8 * bytes;
  const isOdd = (): FunctionBuilder => f.get(unit0).i32Const(1).op('i32And');
  const double = (): void => {
    tile(2);
    f.increment(weight, pairBytes).increment(unit0, 2);
  };
  const single = (): void => {
    tile(1);
    // from the second quad of a pair to the next pair; after a first quad the range ends
    f.increment(weight, pairBytes - 4 * bytes).increment(unit0, 1);
  };
  f.get(weights).get(unit0).i32Const(1).op('i32ShrU').i32Const(pairBytes).op('i32Mul').op('i32Add');
  isOdd()
    .i32Const(bytes === 4 ? 4 : 3)
    .op('i32Shl')
    .op('i32Add')
    .set(weight);
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

/** The same weights as f16; undefined where one is no finite f16 number, so that nothing is ever rounded. */
export function packHalves(packed: Float32Array): Uint16Array | undefined {
  const halves = new Uint16Array(packed.length);
  const bits = new Int32Array(packed.buffer, packed.byteOffset, packed.length);
  for (let i = 0; i < packed.length; i++) {
    const word = bits[i] as number;
    const sign = (word >>> 16) & 0x8000;
    const exponent = ((word >>> 23) & 255) - 127;
    // a subnormal half, or zero, is a whole number of 2^-24
    const small = Math.abs(packed[i] as number) * 2 ** 24;
    if (exponent >= -14 && exponent <= 15 && (word & 0x1fff) === 0)
      halves[i] = sign | ((exponent + 15) << 10) | ((word >>> 13) & 1023);
    else if (exponent < -14 && Number.isInteger(small)) halves[i] = sign | small;
    else return undefined;
  }
  return halves;
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
