/** Softmax over channels, for each pixel, in three passes: maximum, exponentials and their sum, division. */
import { FunctionBuilder } from '../emitter/function.js';
import { emitExp, hoistConstants } from './activations.js';

export interface SoftmaxSpec {
  readonly kind: 'softmax';
  /** Channels, stored densely: only the last quad may have lanes that hold none. */
  readonly C: number;
  readonly P: number;
}

/** (input, output, unit0, unit1); one unit: threads do not split it. */
export function emitSoftmax({ C, P }: SoftmaxSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const [pixel, at, to, quad] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const [value = 0, most = 0, sum = 0] = f.scratch('v128', 3);
  const quads = Math.ceil(C / 4);
  const plane = P * 16;
  const lastLanes = C - (quads - 1) * 4;
  const mask = new Uint8Array(new Int32Array([0, 1, 2, 3].map((lane) => (lane < lastLanes ? -1 : 0))).buffer);
  /** Runs `body` for each quad with the value loaded; lanes that hold no channel read as minus infinity. */
  const eachQuad = (body: () => void, source: number, masked = true): void => {
    const step = (last: boolean): void => {
      f.get(source).mem('v128Load');
      if (masked && last && lastLanes < 4)
        f.f32x4Const(Number.NEGATIVE_INFINITY).v128Const(mask).op('v128Bitselect');
      f.set(value);
      body();
      f.increment(at, plane).increment(to, plane);
    };
    f.get(0).set(at).get(1).set(to);
    if (quads > 1) f.repeat(quad, quads - 1, () => step(false));
    step(true);
  };
  /** All four lanes become `combine` of them. */
  const reduce = (local: number, combine: 'f32x4Max' | 'f32x4Add'): void => {
    f.get(local).get(local).get(local).shuffle32(2, 3, 0, 1).op(combine).set(local);
    f.get(local).get(local).get(local).shuffle32(1, 0, 3, 2).op(combine).set(local);
  };
  const push = hoistConstants(f, 'exp');
  f.get(2)
    .get(3)
    .op('i32LtS')
    .if(() => {
      f.repeat(pixel, P, () => {
        f.f32x4Const(Number.NEGATIVE_INFINITY).set(most).f32x4Const(0).set(sum);
        eachQuad(() => f.get(most).get(value).op('f32x4Max').set(most), at);
        reduce(most, 'f32x4Max');
        eachQuad(() => {
          f.get(value).get(most).op('f32x4Sub').set(value);
          emitExp(f, value, push);
          f.get(sum).get(value).op('f32x4Add').set(sum).get(to).get(value).mem('v128Store');
        }, at);
        reduce(sum, 'f32x4Add');
        eachQuad(() => f.get(to).get(value).get(sum).op('f32x4Div').mem('v128Store'), to, false);
        f.increment(0, 16).increment(1, 16);
      });
    });
  return f;
}
