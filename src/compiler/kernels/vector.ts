/**
 * The 1x1 convolution of a single pixel, which is also the linear layer: a matrix times a vector. Every weight is used
 * once, so the speed is that of memory: weights are read as one unbroken stream, a pair of output quads after the
 * other, which is what hardware prefetch likes. Each quad sums in several parts (input channel modulo their number),
 * added at the end, so that the latency of additions does not hold up the stream.
 *
 * Weights may be f16: half the stream. WebAssembly has no instruction for these, so they are widened as integers:
 * sign-extended, shifted by 13, sign, exponent and mantissa kept, which is the number times 2^-112, and multiplied by
 * 2^112. That is exact, subnormal halves included; infinities and NaN are none (`packHalves`). The sums have the same
 * order as with f32 weights, and so the same bits.
 */
import type { FunctionBuilder, Local } from '../emitter/function.js';
import { type Activation, emitActivation } from './activations.js';
import type { Isa } from './kernel.js';
import { eachPair } from './pairs.js';

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

/** Emits the body into a function with the parameters of matrix kernels; weights are those of `packMatrix`. */
export function emitVector(f: FunctionBuilder, shape: MatrixShape, isa: Isa): FunctionBuilder {
  const [IN, WEIGHTS, BIAS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { K, activation, residual, ranges, halfWeights = false } = shape;
  const bytes = halfWeights ? 2 : 4;
  // V8 11, the engine without fusion, moves the loads of a loop body to its top: few must be in flight
  const parts = isa.relaxed ? 4 : 2;
  const [pair, weight, input, end] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const values = f.scratch('v128', 2 * parts + (halfWeights ? 4 : 2));
  const acc = (part: number, quad: number): Local => values[part * 2 + quad] as Local;
  const w = values[2 * parts] as Local;
  const x = values[2 * parts + 1] as Local;
  const [kept, scale] = values.slice(2 * parts + 2) as [Local, Local];
  if (halfWeights)
    f.i32x4Const(0x8fffe000 | 0)
      .set(kept)
      .f32x4Const(2 ** 112)
      .set(scale);
  /** Loads the weight vector at a multiple of four weights behind `weight`. */
  const load = (quads: number): void => {
    f.get(weight);
    if (!halfWeights) f.mem('v128Load', quads * 16);
    else {
      f.mem('v128Load16x4S', quads * 8)
        .i32Const(13)
        .op('i32x4Shl');
      f.get(kept).op('v128And').get(scale).op('f32x4Mul');
    }
    f.set(w);
  };

  const tile = (quads: 1 | 2): void => {
    for (let part = 0; part < parts; part++)
      for (let quad = 0; quad < quads; quad++) f.f32x4Const(0).set(acc(part, quad));
    f.get(pair).set(weight).get(IN).tee(input);
    f.i32Const(K * 4)
      .op('i32Add')
      .set(end);
    f.loop((again) => {
      for (let part = 0; part < parts; part++) {
        f.get(input).mem('v128Load32Splat', part * 4);
        f.set(x);
        for (let quad = 0; quad < quads; quad++) {
          load(part * 2 + quad);
          f.multiplyAdd(acc(part, quad), x, w, isa.relaxed);
        }
      }
      f.increment(weight, parts * 8 * bytes).increment(input, parts * 4);
      f.get(input).get(end).op('i32LtU').brIf(again);
    });
    for (let quad = 0; quad < quads; quad++) {
      f.get(OUT).get(acc(0, quad)).get(acc(1, quad)).op('f32x4Add');
      if (parts === 4) f.get(acc(2, quad)).get(acc(3, quad)).op('f32x4Add').op('f32x4Add');
      for (const added of residual ? [BIAS, RESIDUAL] : [BIAS])
        f.get(added)
          .mem('v128Load', quad * 16)
          .op('f32x4Add');
      emitActivation(f, activation);
      f.mem('v128Store', quad * 16);
    }
    f.increment(BIAS, quads * 16).increment(OUT, quads * 16);
    if (residual) f.increment(RESIDUAL, quads * 16);
  };

  for (const base of residual ? [BIAS, OUT, RESIDUAL] : [BIAS, OUT])
    f.get(base).get(UNIT0).i32Const(16).op('i32Mul').op('i32Add').set(base);
  eachPair(f, { weights: WEIGHTS, unit0: UNIT0, unit1: UNIT1, K, ranges, bytes }, pair, tile);
  return f;
}
