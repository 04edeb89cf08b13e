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

/** Replaces the vector on the stack by its activation. */
export function emitActivation(f: FunctionBuilder, activation: Activation): void {
  switch (activation) {
    case null:
      return;
    case 'relu':
      f.f32x4Const(0).op('f32x4Max');
      return;
    case 'relu6':
      f.f32x4Const(0).op('f32x4Max').f32x4Const(6).op('f32x4Min');
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
  f.f32x4Const(0).op('f32x4Max').f32x4Const(1).op('f32x4Min');
}

/** Registers free for accumulators, weights and inputs in one inner loop body (16 SIMD registers on x86-64). */
const registers = 16;

export interface Tile {
  /** Pixels. */
  readonly m: number;
  /** Quads of output channels. */
  readonly quads: number;
}

/** Cycles of one step of the inner loop (one input channel): FMA and load ports are two a cycle, latency is four. */
function stepCycles({ m, quads }: Tile, isa: Isa): number {
  const products = m * quads;
  const arithmetic = isa.relaxed ? products : 2 * products;
  return Math.max(arithmetic / 2, (m + quads) / 2, isa.relaxed ? 4 : 3, (arithmetic + m + quads + 5) / 5.5);
}

/** Whether a tile's values fit the registers: accumulators, one weight per quad, one input (and a product). */
function fits({ m, quads }: Tile, isa: Isa): boolean {
  return m * quads + quads + (isa.relaxed ? 1 : 2) <= registers;
}

/** The pixel tile for a given number of quads that covers P pixels in the least time. */
export function pixelTile(P: number, quads: number, isa: Isa): Tile {
  let best: Tile = { m: 1, quads };
  let bestCycles = Number.POSITIVE_INFINITY;
  for (let m = 1; m <= Math.min(P, 12); m++) {
    const tile = { m, quads };
    if (!fits(tile, isa)) break;
    const rest = P % m;
    const cycles =
      Math.floor(P / m) * stepCycles(tile, isa) + (rest ? stepCycles({ m: rest, quads }, isa) : 0);
    if (cycles < bestCycles) {
      best = tile;
      bestCycles = cycles;
    }
  }
  return best;
}

/** Cycles a pixel and input channel of covering P pixels with tiles of that many quads. */
function tileCycles(P: number, quads: number, isa: Isa): number {
  const { m } = pixelTile(P, quads, isa);
  const rest = P % m;
  return Math.floor(P / m) * stepCycles({ m, quads }, isa) + (rest ? stepCycles({ m: rest, quads }, isa) : 0);
}

/** How a run of `count` quads is cut into tiles of quads: the cheapest width first, then one remainder. */
export function quadTiles(
  count: number,
  P: number,
  isa: Isa,
): readonly { readonly quads: number; readonly times: number }[] {
  let best: readonly { readonly quads: number; readonly times: number }[] = [];
  let bestCycles = Number.POSITIVE_INFINITY;
  for (let quads = 1; quads <= Math.min(4, count); quads++) {
    if (!fits({ m: 2, quads }, isa)) continue;
    const times = Math.floor(count / quads);
    const rest = count - times * quads;
    const cycles = times * tileCycles(P, quads, isa) + (rest ? tileCycles(P, rest, isa) : 0);
    if (cycles < bestCycles) {
      bestCycles = cycles;
      best = rest
        ? [
            { quads, times },
            { quads: rest, times: 1 },
          ]
        : [{ quads, times }];
    }
  }
  return best;
}
