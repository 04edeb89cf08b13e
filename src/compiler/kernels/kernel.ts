/**
 * What all kernels share. A kernel is one WebAssembly function, specialised to exact shapes, that works on one image
 * over a range of units (a unit is an output quad unless said otherwise): threads split the units and read the same
 * packed weights, and the order in which an output is accumulated never depends on the split.
 *
 * Layout legend: a feature map is stored as quads of four channels, [C/4][H*W][4] floats: one v128 per pixel and quad.
 * P pixels (H*W), Q quads, K stored input channels, plane = bytes of a quad's map = P*16.
 */
import type { ActivationName } from '../../graph/nodes.js';
import type { FunctionBuilder, Local } from '../emitter/function.js';

/** What the engine offers. `relaxed`: fused multiply-add of the relaxed SIMD proposal. */
export interface Isa {
  readonly relaxed: boolean;
}

export type Activation = ActivationName | null;

/** exp(x) of a vector local, in place, by 2^n * e^r with |r| <= ln2/2 and a degree-6 polynomial; about 1e-7 relative. */
export function emitExp(f: FunctionBuilder, x: Local): void {
  const [n = 0, r = 0] = f.scratch('v128', 26).slice(24);
  f.get(x).f32x4Const(-87.3).op('f32x4Pmax').f32x4Const(88.7).op('f32x4Pmin').set(x);
  f.get(x).f32x4Const(Math.LOG2E).op('f32x4Mul').op('f32x4Nearest').set(n);
  // r = x - n ln2, in two parts so that the product stays exact
  f.get(x).get(n).f32x4Const(0.693359375).op('f32x4Mul').op('f32x4Sub').set(r);
  f.get(r).get(n).f32x4Const(-2.1219444e-4).op('f32x4Mul').op('f32x4Sub').set(r);
  const coefficients = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1];
  f.f32x4Const(coefficients[0] as number);
  for (const coefficient of coefficients.slice(1))
    f.get(r).op('f32x4Mul').f32x4Const(coefficient).op('f32x4Add');
  f.get(n)
    .op('i32x4TruncSatF32x4S')
    .i32x4Const(127)
    .op('i32x4Add')
    .i32Const(23)
    .op('i32x4Shl')
    .op('f32x4Mul')
    .set(x);
}

/**
 * Replaces the vector on the stack by its activation. Pseudo-minimum and -maximum are one instruction each on x86-64
 * and keep a NaN of the first operand, so a NaN stays visible.
 */
export function emitActivation(f: FunctionBuilder, activation: Activation): void {
  switch (activation) {
    case null:
      return;
    case 'relu':
      f.f32x4Const(0).op('f32x4Pmax');
      return;
    case 'relu6':
      f.f32x4Const(0).op('f32x4Pmax').f32x4Const(6).op('f32x4Pmin');
      return;
    case 'hardSigmoid':
      emitHardSigmoid(f);
      return;
    case 'hardSwish': {
      const [x = 0] = f.scratch('v128', 24).slice(23);
      f.set(x).get(x);
      emitHardSigmoid(f);
      f.get(x).op('f32x4Mul');
      return;
    }
    case 'sigmoid':
    case 'silu': {
      const [x = 0, e = 0] = f.scratch('v128', 24).slice(22);
      f.tee(x).op('f32x4Neg').set(e);
      emitExp(f, e);
      f.get(activation === 'silu' ? x : oneLocal(f, x))
        .f32x4Const(1)
        .get(e)
        .op('f32x4Add')
        .op('f32x4Div');
      return;
    }
  }
}

function oneLocal(f: FunctionBuilder, x: Local): Local {
  f.f32x4Const(1).set(x);
  return x;
}

function emitHardSigmoid(f: FunctionBuilder): void {
  f.f32x4Const(1 / 6)
    .op('f32x4Mul')
    .f32x4Const(0.5)
    .op('f32x4Add');
  f.f32x4Const(0).op('f32x4Pmax').f32x4Const(1).op('f32x4Pmin');
}

/**
 * GFLOP/s of the innermost matrix loop by tile, measured (2 cores of a Zen 4 server, peak 59): row q, column m is m
 * pixels by q quads. With fused multiply-add on V8 13, and with multiply and add on V8 11. Beyond these the values
 * no longer fit the sixteen registers.
 */
const tileSpeed: Readonly<Record<'relaxed' | 'plain', Readonly<Record<number, readonly number[]>>>> = {
  relaxed: { 1: [8, 16, 23, 30, 37, 43, 46, 47], 2: [16, 30, 44, 54, 55, 58] },
  plain: { 1: [11, 20, 29, 29, 32, 33, 33], 2: [20, 31, 37, 41] },
};

/** The number of pixels a tile of `quads` quads (1 or 2) should have to cover P pixels in the least time, at most `most`. */
export function pixelTile(P: number, quads: 1 | 2, isa: Isa, most = 12): number {
  const speed = tileSpeed[isa.relaxed ? 'relaxed' : 'plain'][quads] ?? [1];
  const time = (m: number): number => m / (speed[m - 1] as number);
  let best = 1;
  let bestTime = Number.POSITIVE_INFINITY;
  for (let m = 1; m <= Math.min(P, speed.length, most); m++) {
    const rest = P % m;
    const total = Math.floor(P / m) * time(m) + (rest > 0 ? time(rest) : 0);
    if (total < bestTime) {
      best = m;
      bestTime = total;
    }
  }
  return best;
}
