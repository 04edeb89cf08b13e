/** Sums to steps in 16 bits (passes/quantize/narrow.ts): two pixels of a quad in one vector of i16x8. */
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import { constant, type Element } from './element.js';

/** What kernels must know of an operation that rounds in 16 bits. */
export interface NarrowSpec {
  readonly shift: number;
  /** Whether some output has a zero point that is not 0. */
  readonly zeroPoint: boolean;
  /** Whether terms are added in eighths of a step. */
  readonly eighths: boolean;
  readonly hard: Hard;
  readonly gateShift: number;
}

const words = (value: number): Uint8Array =>
  new Uint8Array(Int16Array.from({ length: 8 }, () => value).buffer);

/**
 * Shifted sums of two pixels on the stack, as i16x8, to steps that are not clamped yet. `residual` pushes the steps of
 * a residual as i16x8.
 */
export function scaleNarrow(
  f: FunctionBuilder,
  { zeroPoint, eighths, hard, gateShift }: NarrowSpec,
  isa: Isa,
  constants: Local,
  quad = 0,
  residual?: () => void,
): FunctionBuilder {
  // the relaxed form differs at -32768 * -32768 alone, which no factor is
  const multiply = isa.relaxed ? 'i16x8RelaxedQ15mulrS' : 'i16x8Q15mulrSatS';
  constant(f, constants, 'factor', quad).op(multiply);
  if (hard === 'hardSwish') {
    const [a = 0] = f.scratch('v128', 1);
    f.tee(a);
    if (gateShift > 0) f.i32Const(gateShift).op('i16x8ShrS');
    constant(f, constants, 'half', quad).op('i16x8AddSatS').v128Const(words(0)).op('i16x8MaxS');
    constant(f, constants, 'whole', quad).op('i16x8MinS').get(a).op(multiply);
  }
  if (hard === 'hardSigmoid')
    constant(f.v128Const(words(0)).op('i16x8MaxS'), constants, 'top', quad).op('i16x8MinS');
  if (residual) {
    residual();
    f.i32Const(8).op('i16x8Shl');
    constant(f, constants, 'other', quad).op(multiply).op('i16x8Add');
  }
  if (zeroPoint || eighths) constant(f, constants, 'point', quad).op('i16x8Add');
  return eighths ? f.i32Const(3).op('i16x8ShrS') : f;
}

/** Pushes the sums (i32x4) of two pixels, shifted, as i16x8. */
export function joinSums(
  f: FunctionBuilder,
  { shift }: NarrowSpec,
  first: Local,
  second: Local,
): FunctionBuilder {
  f.get(first);
  if (shift > 0) f.i32Const(shift).op('i32x4ShrS');
  f.get(second);
  if (shift > 0 && second !== first) f.i32Const(shift).op('i32x4ShrS');
  return f.op('i16x8NarrowI32x4S');
}

/** Clamps pixels to 0..127 and stores them; `pairs` are i16x8 of two pixels each. */
export function storePairs(
  f: FunctionBuilder,
  element: Element,
  out: Local,
  offset: number,
  pairs: readonly Local[],
  pixels: number,
): void {
  const { pixelBytes } = element;
  const most = new Uint8Array(16).fill(127);
  if (element.bytes === 2) {
    for (let done = 0; done < pixels; done += 2) {
      f.get(out).get(pairs[done >> 1] as Local);
      f.v128Const(words(0)).op('i16x8MaxS').v128Const(words(127)).op('i16x8MinS');
      if (pixels - done > 1) f.mem('v128Store', offset + done * pixelBytes);
      else f.storeLane64(0, offset + done * pixelBytes);
    }
    return;
  }
  for (let done = 0; done < pixels; done += 4) {
    const left = Math.min(4, pixels - done);
    const to = offset + done * pixelBytes;
    const first = pairs[done >> 1] as Local;
    const second = left > 2 ? (pairs[(done >> 1) + 1] as Local) : first;
    f.get(out).get(first).get(second).op('i8x16NarrowI16x8U').v128Const(most).op('i8x16MinU');
    if (left === 4) f.mem('v128Store', to);
    else if (left === 1) f.storeLane32(0, to);
    else if (left === 2) f.storeLane64(0, to);
    else {
      f.tee(first)
        .storeLane64(0, to)
        .get(out)
        .get(first)
        .storeLane32(2, to + 8);
    }
  }
}
