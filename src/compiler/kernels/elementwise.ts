/** One pass over a map: sums, products, per-channel affine, gates and activations. */
import { FunctionBuilder } from '../emitter/function.js';
import { emitActivation, hoistConstants } from './activations.js';
import type { Activation } from './kernel.js';

/**
 * `add`: act(a + b); `mul`: act(a * b); `activation`: act(a); `affine`: act(a * s + t) with b = [Q][2][4] of s and t;
 * `scale`: act(a * g) with b = [Q][4], a gate per channel. The output may be a.
 */
export interface ElementwiseSpec {
  readonly kind: 'elementwise';
  readonly op: 'add' | 'mul' | 'activation' | 'affine' | 'scale';
  readonly P: number;
  readonly activation: Activation;
}

/** (a, b, output, unit0, unit1). */
export function emitElementwise(spec: ElementwiseSpec): FunctionBuilder {
  const { op, P, activation } = spec;
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [A, B, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const end = f.local('i32');
  const [first = 0, second = 0] = f.scratch('v128', 2);
  const perPixel = op === 'add' || op === 'mul';
  const perQuad = op === 'affine' ? 32 : op === 'scale' ? 16 : 0;
  const start = (base: number, bytes: number): void => {
    f.get(base).get(UNIT0).i32Const(bytes).op('i32Mul').op('i32Add').set(base);
  };
  start(A, P * 16);
  start(OUT, P * 16);
  if (perPixel) start(B, P * 16);
  if (perQuad) start(B, perQuad);
  const push = hoistConstants(f, activation);
  const pixel = (i: number): void => {
    f.get(OUT)
      .get(A)
      .mem('v128Load', i * 16);
    if (op === 'add')
      f.get(B)
        .mem('v128Load', i * 16)
        .op('f32x4Add');
    else if (op === 'mul')
      f.get(B)
        .mem('v128Load', i * 16)
        .op('f32x4Mul');
    else if (op === 'affine') f.get(first).op('f32x4Mul').get(second).op('f32x4Add');
    else if (op === 'scale') f.get(first).op('f32x4Mul');
    emitActivation(f, activation, push);
    f.mem('v128Store', i * 16);
  };
  const advance = (pixels: number): void => {
    f.increment(A, pixels * 16).increment(OUT, pixels * 16);
    if (perPixel) f.increment(B, pixels * 16);
  };
  const unroll = P >= 4 ? 4 : 1;
  const whole = P - (P % unroll);
  f.get(UNIT0)
    .get(UNIT1)
    .op('i32LtS')
    .if(() => {
      f.loop((nextQuad) => {
        if (perQuad) f.get(B).mem('v128Load').set(first);
        if (op === 'affine') f.get(B).mem('v128Load', 16).set(second);
        f.get(A)
          .i32Const(whole * 16)
          .op('i32Add')
          .set(end);
        f.loop((again) => {
          for (let i = 0; i < unroll; i++) pixel(i);
          advance(unroll);
          f.get(A).get(end).op('i32LtU').brIf(again);
        });
        for (let i = 0; i < P - whole; i++) pixel(i);
        advance(P - whole);
        if (perQuad) f.increment(B, perQuad);
        f.get(UNIT0).i32Const(1).op('i32Add').tee(UNIT0).get(UNIT1).op('i32LtS').brIf(nextQuad);
      });
    });
  return f;
}
