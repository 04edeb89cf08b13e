/**
 * Kernels that turn pixels into a network's input: flatten alpha, resize with antialias, normalise, lay out as planes;
 * and the one that widens 16-bit weights. Unlike other kernels they are general, not specialised: sizes are arguments,
 * because every picture has its own. Coefficients are computed outside (data/resize.ts); decoding is the platform's.
 *
 * The arithmetic is that of data/resize.ts and data/preprocess.ts to the bit: 22-bit fixed point, 8 bits between the
 * two passes, a table for the normalisation.
 *
 * Layout legend: pixels are [H][W][4] bytes RGBA; the target is [3][H][W] floats. A table of coefficients has one entry
 * per output position, `stride` bytes apart: [byte offset of the first input, count n, n coefficients], all i32.
 */
import { FunctionBuilder, type Local } from '../emitter/function.js';

const fractionBits = 22;
const half = 1 << (fractionBits - 1);

/** Exported functions by name. */
export const pictureKernels: Readonly<Record<string, () => FunctionBuilder>> = {
  flatten: emitFlatten,
  rows: emitRows,
  columns: emitColumns,
  widen: emitWiden,
};

/** Runs `body` while `left` counts down to zero; not at all when it is zero. */
function times(f: FunctionBuilder, left: Local, body: () => void): void {
  f.get(left).if(() => {
    f.loop((again) => {
      body();
      f.get(left).i32Const(1).op('i32Sub').tee(left).brIf(again);
    });
  });
}

/** The four bytes at a pointer as four i32 lanes. */
function loadPixel(f: FunctionBuilder, pointer: Local, offset = 0): FunctionBuilder {
  return f.get(pointer).mem('v128Load32Zero', offset).op('i16x8ExtendLowI8x16U').op('i32x4ExtendLowI16x8U');
}

/** The low byte of each of the four i32 lanes on the stack, which are 0 to 255, as one lane of 32 bits. */
function packPixel(f: FunctionBuilder, scratch: Local): FunctionBuilder {
  f.set(scratch).get(scratch).get(scratch).op('i16x8NarrowI32x4S').set(scratch);
  return f.get(scratch).get(scratch).op('i8x16NarrowI16x8U');
}

/**
 * (address, vectors): pixels in place, four at a time, on white: c = round((c * a + 255 * (255 - a)) / 255), and
 * a = 255. Vectors of opaque pixels, the usual case, are only looked at.
 */
function emitFlatten(): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32']);
  const [pixel, alpha] = [f.local('v128'), f.local('v128')];
  const opaque = 0xff000000 | 0;
  const onePixel = (offset: number): void => {
    loadPixel(f, 0, offset).tee(pixel).get(pixel).shuffle32(3, 3, 3, 3).set(alpha);
    f.get(0);
    // (c - 255) * a + 255 * 255 + 128, then the exact division by 255
    f.get(pixel).i32x4Const(255).op('i32x4Sub').get(alpha).op('i32x4Mul');
    f.i32x4Const(255 * 255 + 128)
      .op('i32x4Add')
      .set(pixel);
    f.get(pixel).get(pixel).i32Const(8).op('i32x4ShrU').op('i32x4Add').i32Const(8).op('i32x4ShrU');
    packPixel(f, pixel).i32x4Const(opaque).op('v128Or').storeLane32(0, offset);
  };
  times(f, 1, () => {
    f.get(0).mem('v128Load').i32x4Const(opaque).op('v128And').i32x4Const(opaque).op('i32x4Eq');
    f.op('v128Not').op('v128AnyTrue');
    f.if(() => {
      for (const offset of [0, 4, 8, 12]) onePixel(offset);
    });
    f.increment(0, 16);
  });
  return f;
}

/** Leaves in `sum` the weighted sum of `count` pixels from `pixel` on, `step` bytes apart (a local or a constant). */
function weightedSum(
  f: FunctionBuilder,
  locals: { sum: Local; count: Local; pixel: Local; weight: Local },
  advance: () => void,
): void {
  const { sum, count, pixel, weight } = locals;
  f.i32x4Const(half).set(sum);
  times(f, count, () => {
    loadPixel(f, pixel).get(weight).mem('v128Load32Splat').op('i32x4Mul').get(sum).op('i32x4Add').set(sum);
    advance();
    f.increment(weight, 4);
  });
  f.get(sum).i32Const(fractionBits).op('i32x4ShrS').i32x4Const(0).op('i32x4MaxS');
  f.i32x4Const(255).op('i32x4MinS').set(sum);
}

/** (source, sourceRowBytes, rows, table, stride, width, target): every row to `width` pixels, rows one after the other. */
function emitRows(): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const [source, rowBytes, rows, table, stride, width, target] = [0, 1, 2, 3, 4, 5, 6];
  const [entry, left, pixel, count, weight] = [
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
  ];
  const sum = f.local('v128');
  times(f, rows, () => {
    f.get(table).set(entry).get(width).set(left);
    times(f, left, () => {
      f.get(source).get(entry).mem('i32Load').op('i32Add').set(pixel);
      f.get(entry).mem('i32Load', 4).set(count).get(entry).i32Const(8).op('i32Add').set(weight);
      weightedSum(f, { sum, count, pixel, weight }, () => f.increment(pixel, 4));
      f.get(target).get(sum);
      packPixel(f, sum).storeLane32(0);
      f.increment(target, 4).get(entry).get(stride).op('i32Add').set(entry);
    });
    f.get(source).get(rowBytes).op('i32Add').set(source);
  });
  return f;
}

/**
 * (source, rowBytes, table, stride, height, width, levels, target, targetRowBytes, planeBytes): columns to `height`
 * pixels, then normalised by `levels` (256 floats for each of R, G, B) into three planes.
 */
function emitColumns(): FunctionBuilder {
  const f = new FunctionBuilder(Array.from({ length: 10 }, () => 'i32' as const));
  const [source, rowBytes, table, stride, height, width, levels, target, targetRowBytes, planeBytes] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ];
  const [left, column, out, pixel, count, weight] = [
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
    f.local('i32'),
  ];
  const sum = f.local('v128');
  times(f, height, () => {
    f.get(source).get(table).mem('i32Load').op('i32Add').set(column);
    f.get(target).set(out).get(width).set(left);
    times(f, left, () => {
      f.get(column).set(pixel).get(table).mem('i32Load', 4).set(count);
      f.get(table).i32Const(8).op('i32Add').set(weight);
      weightedSum(f, { sum, count, pixel, weight }, () => f.get(pixel).get(rowBytes).op('i32Add').set(pixel));
      for (const channel of [0, 1, 2]) {
        f.get(out);
        for (let i = 0; i < channel; i++) f.get(planeBytes).op('i32Add');
        f.get(levels).get(sum).extractI32(channel).i32Const(2).op('i32Shl').op('i32Add');
        f.mem('f32Load', channel * 1024).mem('f32Store');
      }
      f.increment(column, 4).increment(out, 4);
    });
    f.get(target).get(targetRowBytes).op('i32Add').set(target);
    f.get(table).get(stride).op('i32Add').set(table);
  });
  return f;
}

/**
 * (source, target, vectors): finite 16-bit floats to 32 bits, four at a time. The exponent is moved by a multiplication
 * with 2^112, which is exact for subnormals too. Works in place when the source ends where the target ends.
 */
function emitWiden(): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32']);
  const bits = f.local('v128');
  times(f, 2, () => {
    f.get(0).mem('v128Load64Zero').op('i32x4ExtendLowI16x8U').set(bits);
    f.get(1);
    f.get(bits).i32x4Const(0x7fff).op('v128And').i32Const(13).op('i32x4Shl');
    f.f32x4Const(2 ** 112).op('f32x4Mul');
    f.get(bits).i32x4Const(0x8000).op('v128And').i32Const(16).op('i32x4Shl').op('v128Or').mem('v128Store');
    f.increment(0, 8).increment(1, 16);
  });
  return f;
}
