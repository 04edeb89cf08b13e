/**
 * How int8 networks are stored and computed with on the two kinds of engines, and the code that all their kernels
 * share: loading, the dot product, rounding, storing. The steps (0 to 127) are the same numbers on both.
 *
 * With relaxed SIMD a step is a byte, and a dot product adds up two of them in each lane of 16 bits. Its second operand
 * is always the steps: they have seven bits, so engines that take it as signed or as unsigned, and that add with or
 * without saturation (127 * 127 * 2 < 32768), all give the exact sum. Without relaxed SIMD a step has 16 bits.
 *
 * Layout legend: maps are [C/4][H*W][4] steps, so a pixel of a quad has 4 or 8 bytes. A word is 32 bits of a pixel.
 */
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';

export interface Element {
  /** Bytes of a step. */
  readonly bytes: 1 | 2;
  /** Steps in a 32-bit lane: channels of a matrix product, taps of a depthwise convolution. */
  readonly perWord: 4 | 2;
  /** Words of a pixel of a quad. */
  readonly words: 1 | 2;
  /** Bytes of a pixel of a quad. */
  readonly pixelBytes: 4 | 8;
}

export function elementOf(isa: Pick<Isa, 'relaxed'>): Element {
  return isa.relaxed
    ? { bytes: 1, perWord: 4, words: 1, pixelBytes: 4 }
    : { bytes: 2, perWord: 2, words: 2, pixelBytes: 8 };
}

/** Bytes of the constants of a quad: six vectors (pack.ts). */
export const constantBytes = 96;
const at = {
  bias: 0,
  multiplier: 16,
  residual: 32,
  post: 48,
  offset: 64,
  shift: 80,
  // where sums are rounded in 16 bits: i16x8 for two pixels
  factor: 16,
  point: 32,
  // the residual's factor; of products, what is added to either operand; of hard activations, ends (narrow-hard.ts)
  other: 48,
  first: 48,
  second: 64,
  half: 48,
  whole: 64,
  top: 48,
} as const;
export type ConstantName = keyof typeof at;

/** Bits of 1.5 * 2^23 as a float: a float of that size has its whole part in its low bits. */
export const magicBits = 0x4b400000;
const magic = 12582912;

/** A quad's constant. */
export function constant(f: FunctionBuilder, base: Local, name: ConstantName, quad = 0): FunctionBuilder {
  return f.get(base).mem('v128Load', quad * constantBytes + at[name]);
}

/** accumulator += weights . steps in every lane, without relaxed SIMD. */
export function dotAdd(
  f: FunctionBuilder,
  accumulator: Local,
  weights: Local,
  steps: Local,
): FunctionBuilder {
  return f.get(accumulator).get(weights).get(steps).op('i32x4DotI16x8S').op('i32x4Add').set(accumulator);
}

/** The four steps of a pixel as i32x4; the address is on the stack. */
export function loadPixel(f: FunctionBuilder, element: Element, offset = 0): FunctionBuilder {
  if (element.bytes === 2) return f.mem('v128Load16x4U', offset);
  return f.mem('v128Load32Zero', offset).op('i16x8ExtendLowI8x16U').op('i32x4ExtendLowI16x8U');
}

/** Hard activations on the real values on the stack. */
export function emitHard(f: FunctionBuilder, hard: Hard): void {
  if (!hard) return;
  const [x = 0] = f.scratch('v128', 1);
  // pseudo-minimum and -maximum are one instruction
  f.set(x).f32x4Const(6).f32x4Const(0).get(x).f32x4Const(3).op('f32x4Add').op('f32x4Pmax').op('f32x4Pmin');
  if (hard === 'hardSwish') f.get(x).op('f32x4Mul');
  f.f32x4Const(Math.fround(1 / 6)).op('f32x4Mul');
}

/** v on the stack to steps that are not clamped yet, as i32x4. */
export function emitRound(f: FunctionBuilder, hard: Hard, constants: Local, quad = 0): void {
  emitHard(f, hard);
  if (hard) constant(f, constants, 'post', quad).op('f32x4Mul');
  f.f32x4Const(magic).op('f32x4Add');
  constant(f, constants, 'shift', quad).op('i32x4Sub');
}

/** + float(residual) * multiplier on the float on the stack. */
export function emitResidual(
  f: FunctionBuilder,
  element: Element,
  residual: Local,
  offset: number,
  constants: Local,
  quad = 0,
): void {
  f.get(residual);
  loadPixel(f, element, offset).op('f32x4ConvertI32x4S');
  constant(f, constants, 'residual', quad).op('f32x4Mul').op('f32x4Add');
}

/** Clamps the pixels in `steps` (i32x4 each) to 0..127 and stores them side by side at `out` + offset. */
export function storePixels(
  f: FunctionBuilder,
  element: Element,
  out: Local,
  offset: number,
  steps: readonly Local[],
): void {
  const { pixelBytes } = element;
  const byte = (value: number): Uint8Array => new Uint8Array(16).fill(value);
  const word = (value: number): Uint8Array =>
    new Uint8Array(Int16Array.from({ length: 8 }, () => value).buffer);
  let done = 0;
  const take = (): Local => steps[done++] as Local;
  while (done < steps.length) {
    const to = offset + done * pixelBytes;
    const left = steps.length - done;
    f.get(out);
    if (element.bytes === 2) {
      const first = take();
      f.get(first)
        .get(left > 1 ? take() : first)
        .op('i16x8NarrowI32x4S');
      f.v128Const(word(0)).op('i16x8MaxS').v128Const(word(127)).op('i16x8MinS');
      if (left > 1) f.mem('v128Store', to);
      else f.storeLane64(0, to);
      continue;
    }
    const count = left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const first = take();
    f.get(first)
      .get(count > 1 ? take() : first)
      .op('i16x8NarrowI32x4S');
    if (count === 4) f.get(take()).get(take()).op('i16x8NarrowI32x4S');
    else f.get(first).get(first).op('i16x8NarrowI32x4S');
    f.op('i8x16NarrowI16x8U').v128Const(byte(127)).op('i8x16MinU');
    if (count === 4) f.mem('v128Store', to);
    else if (count === 2) f.storeLane64(0, to);
    else f.storeLane32(0, to);
  }
}

/** local += unit * bytes. */
export function offsetByUnits(f: FunctionBuilder, base: Local, unit: Local, bytes: number): void {
  f.get(base).get(unit).i32Const(bytes).op('i32Mul').op('i32Add').set(base);
}

/** Runs `body` for units [unit0, unit1), with `unit0` counting. */
export function eachUnit(f: FunctionBuilder, unit0: Local, unit1: Local, body: () => void): void {
  f.get(unit0).get(unit1).op('i32LtS');
  f.if(() => {
    f.loop((next) => {
      body();
      f.get(unit0).i32Const(1).op('i32Add').tee(unit0).get(unit1).op('i32LtS').brIf(next);
    });
  });
}

/** Runs `tile(m)` over P pixels, `most` at a time and then the rest. */
export function eachTile(
  f: FunctionBuilder,
  count: Local,
  P: number,
  most: number,
  tile: (m: number) => void,
): void {
  const full = Math.floor(P / most);
  if (full > 1) f.repeat(count, full, () => tile(most));
  else if (full === 1) tile(most);
  if (P % most > 0) tile(P % most);
}
