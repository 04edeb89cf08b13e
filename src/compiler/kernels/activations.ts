/**
 * Activation functions as code on vectors: the epilogues of other kernels, and the exponential that softmax shares.
 * Not a kernel by itself; elementwise.ts runs an activation over a whole map.
 */
import type { ActivationName } from '../../graph/nodes.js';
import type { FunctionBuilder, Local } from '../emitter/function.js';

/** Null: none. */
export type Activation = ActivationName | null;

/** Puts a vector of four equal floats on the stack. */
export type PushConstant = (value: number) => FunctionBuilder;

const expLowest = -87;
const expHighest = 88.3;
/** Adding and subtracting 1.5 * 2^23 rounds to a whole number, which the low bits of the sum then hold. */
const roundMagic = 12582912;
/** ln 2 in two parts: the first has so few bits that its product with a small whole number is exact. */
const [ln2High, ln2Low] = [0.693359375, -2.1219444e-4];
/** Taylor coefficients of e^r, highest power first. */
const expSeries = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1];
const expConstants = [expLowest, expHighest, Math.LOG2E, roundMagic, ln2High, ln2Low, ...expSeries];
const hardConstants = [1 / 6, 0.5, 0, 1];

const constants: Readonly<Record<NonNullable<Activation> | 'exp', readonly number[]>> = {
  relu: [0],
  relu6: [0, 6],
  hardSigmoid: hardConstants,
  hardSwish: hardConstants,
  sigmoid: [1, ...expConstants],
  silu: [1, ...expConstants],
  exp: expConstants,
};

/**
 * Sets locals to the constants of an activation, for use inside loops that follow: V8 13 builds a vector constant
 * anew, in three instructions, wherever the code names it.
 */
export function hoistConstants(f: FunctionBuilder, activation: Activation | 'exp'): PushConstant {
  const locals = new Map<number, Local>();
  for (const value of activation === null ? [] : constants[activation]) {
    if (locals.has(value)) continue;
    const local = f.local('v128');
    f.f32x4Const(value).set(local);
    locals.set(value, local);
  }
  return (value) => {
    const local = locals.get(value);
    return local === undefined ? f.f32x4Const(value) : f.get(local);
  };
}

/**
 * exp(x) of a vector local, in place: 2^n * e^r with |r| <= ln2/2 and a polynomial of degree 6, relative error about
 * 2e-7. Inputs are clamped to [-87, 88.3], where neither the result nor 1 + result leaves the normal floats.
 */
export function emitExp(f: FunctionBuilder, x: Local, push: PushConstant = (v) => f.f32x4Const(v)): void {
  const [n = 0, r = 0] = f.scratch('v128', 26).slice(24);
  f.get(x);
  push(expLowest).op('f32x4Pmax');
  push(expHighest).op('f32x4Pmin').tee(x);
  push(Math.LOG2E).op('f32x4Mul');
  push(roundMagic).op('f32x4Add').set(n);
  f.get(x).get(n);
  push(roundMagic).op('f32x4Sub').tee(r);
  push(ln2High).op('f32x4Mul').op('f32x4Sub').get(r);
  push(ln2Low).op('f32x4Mul').op('f32x4Sub').set(r);
  push(expSeries[0] as number);
  for (const coefficient of expSeries.slice(1)) {
    f.get(r).op('f32x4Mul');
    push(coefficient).op('f32x4Add');
  }
  // the low bits of n added to the exponent
  f.get(n).i32Const(23).op('i32x4Shl').op('i32x4Add').set(x);
}

/**
 * Replaces the vector on the stack by its activation. Pseudo-minimum and -maximum are one instruction each on x86-64
 * and keep a NaN of the first operand, so a NaN stays visible.
 */
export function emitActivation(
  f: FunctionBuilder,
  activation: Activation,
  push: PushConstant = (value) => f.f32x4Const(value),
): void {
  if (activation === null) return;
  const [x = 0, e = 0] = f.scratch('v128', 24).slice(22);
  const hardSigmoid = (): void => {
    push(1 / 6).op('f32x4Mul');
    push(0.5).op('f32x4Add');
    push(0).op('f32x4Pmax');
    push(1).op('f32x4Pmin');
  };
  switch (activation) {
    case 'relu':
      push(0).op('f32x4Pmax');
      return;
    case 'relu6':
      push(0).op('f32x4Pmax');
      push(6).op('f32x4Pmin');
      return;
    case 'hardSigmoid':
      hardSigmoid();
      return;
    case 'hardSwish':
      f.tee(x);
      hardSigmoid();
      f.get(x).op('f32x4Mul');
      return;
    case 'sigmoid':
    case 'silu':
      f.tee(x).op('f32x4Neg').set(e);
      emitExp(f, e, push);
      if (activation === 'silu') f.get(x);
      else push(1);
      push(1).get(e).op('f32x4Add').op('f32x4Div');
      return;
  }
}
