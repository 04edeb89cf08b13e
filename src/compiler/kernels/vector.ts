/**
 * The 1x1 convolution of a single pixel, which is also the linear layer: a matrix times a vector. Every weight is used
 * once, so the speed is that of memory: weights are read as one unbroken stream, [N/4][K/4][4 rows][4 columns], which is
 * what hardware prefetch likes, and few instructions come between two loads of it, because the lines that a core waits for
 * at once are those that its window of instructions reaches. A vector holds four columns of a row; each row sums in four
 * lanes, and with fusion in two such vectors in turn, so that the latency of additions does not hold up the stream.
 *
 * Weights may be f16: half the stream. WebAssembly has no instruction for these, so they are widened as integers:
 * sign-extended, shifted by 13, sign, exponent and mantissa kept, which is the number times 2^-112, and multiplied by
 * 2^112. That is exact, subnormal halves included; infinities and NaN are none (`packHalves`). The sums have the same
 * order as with f32 weights, and so the same bits.
 */
import type { FunctionBuilder, Local } from '../emitter/function.js';
import { type Activation, emitActivation } from './activations.js';
import type { Isa } from './kernel.js';

/** What a matrix kernel is made for: [ranges of rows, K] times [K, P]. */
export interface MatrixShape {
  readonly K: number;
  readonly P: number;
  readonly ranges: readonly number[];
  readonly activation: Activation;
  readonly residual: boolean;
  /** Bytes from one output quad to the next, where there is more than its pixels. */
  readonly outPlane?: number;
  /** Weights are f16; for one pixel only. */
  readonly halfWeights?: boolean;
}

/** Emits the body into a function with the parameters of matrix kernels; weights are those of `packVector`. */
export function emitVector(f: FunctionBuilder, shape: MatrixShape, isa: Isa): FunctionBuilder {
  const [IN, WEIGHTS, BIAS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { K, activation, residual, halfWeights = false } = shape;
  const bytes = halfWeights ? 2 : 4;
  // V8 11, the engine without fusion, moves the loads of a loop body to its top: few must be in flight
  const parts = isa.relaxed && K > 4 ? 2 : 1;
  const [input, end] = [f.local('i32'), f.local('i32')];
  const values = f.scratch('v128', 4 * parts + 4);
  const acc = (row: number, part = 0): Local => values[part * 4 + row] as Local;
  const [w, x, kept, scale] = values.slice(4 * parts) as [Local, Local, Local, Local];
  if (halfWeights)
    f.i32x4Const(0x8fffe000 | 0)
      .set(kept)
      .f32x4Const(2 ** 112)
      .set(scale);
  /** Loads four weights, the vector number `at` behind WEIGHTS. */
  const load = (at: number): void => {
    f.get(WEIGHTS);
    if (!halfWeights) f.mem('v128Load', at * 16);
    else {
      f.mem('v128Load16x4S', at * 8)
        .i32Const(13)
        .op('i32x4Shl');
      f.get(kept).op('v128And').get(scale).op('f32x4Mul');
    }
    f.set(w);
  };
  /** So many quads of input channels, each into a part of its own. */
  const quads = (count: number): void => {
    for (let quad = 0; quad < count; quad++) {
      f.get(input)
        .mem('v128Load', quad * 16)
        .set(x);
      for (let row = 0; row < 4; row++) {
        load(quad * 4 + row);
        f.multiplyAdd(acc(row, quad), x, w, isa.relaxed);
      }
    }
    f.increment(WEIGHTS, count * 16 * bytes).increment(input, count * 16);
  };
  /** The sums over the lanes of the four rows, (0 + 2) + (1 + 3), as one vector on the stack. */
  const sumLanes = (): void => {
    for (const [first, into] of [
      [0, w],
      [2, x],
    ] as const) {
      const pair = (): FunctionBuilder => f.get(acc(first)).get(acc(first + 1));
      pair().shuffle32(0, 4, 1, 5);
      pair().shuffle32(2, 6, 3, 7).op('f32x4Add').set(into);
    }
    f.get(w).get(x).shuffle32(0, 1, 4, 5);
    f.get(w).get(x).shuffle32(2, 3, 6, 7).op('f32x4Add');
  };
  const whole = K - (K % (parts * 4));
  const outputQuad = (): void => {
    for (let part = 0; part < parts; part++)
      for (let row = 0; row < 4; row++) f.f32x4Const(0).set(acc(row, part));
    f.get(IN)
      .tee(input)
      .i32Const(whole * 4)
      .op('i32Add')
      .set(end);
    f.loop((again) => {
      quads(parts);
      f.get(input).get(end).op('i32LtU').brIf(again);
    });
    if (whole < K) quads(1);
    if (parts === 2)
      for (let row = 0; row < 4; row++) f.get(acc(row)).get(acc(row, 1)).op('f32x4Add').set(acc(row));
    f.get(OUT);
    sumLanes();
    for (const added of residual ? [BIAS, RESIDUAL] : [BIAS]) f.get(added).mem('v128Load').op('f32x4Add');
    emitActivation(f, activation);
    f.mem('v128Store');
    for (const base of residual ? [BIAS, OUT, RESIDUAL] : [BIAS, OUT]) f.increment(base, 16);
  };

  const start = (base: Local, perUnit: number): void => {
    f.get(base).get(UNIT0).i32Const(perUnit).op('i32Mul').op('i32Add').set(base);
  };
  for (const base of residual ? [BIAS, OUT, RESIDUAL] : [BIAS, OUT]) start(base, 16);
  start(WEIGHTS, K * 4 * bytes);
  f.get(UNIT0).get(UNIT1).op('i32LtS');
  f.if(() => {
    f.loop((next) => {
      outputQuad();
      f.get(UNIT0).i32Const(1).op('i32Add').tee(UNIT0).get(UNIT1).op('i32LtS').brIf(next);
    });
  });
  return f;
}

/** Weights [N][K] in stored order (N and K multiples of 4) to [N/4][K/4][4][4]. */
export function packVector(weights: Float32Array, N: number, K: number): Float32Array {
  const packed = new Float32Array(N * K);
  let at = 0;
  for (let row = 0; row < N; row += 4)
    for (let column = 0; column < K; column += 4)
      for (let i = row; i < row + 4; i++, at += 4)
        packed.set(weights.subarray(i * K + column, i * K + column + 4), at);
  return packed;
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
