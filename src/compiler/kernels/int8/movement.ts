/** Kernels that bring int8 networks' values in and out, pad, gather and enlarge them. */
import type { Padding, Pair } from '../../../graph/nodes.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import {
  constant,
  constantBytes,
  eachTile,
  eachUnit,
  elementOf,
  emitRound,
  loadPixel,
  offsetByUnits,
  storePixels,
} from './element.js';

/** Writes `bytes` (a multiple of 4) of the pattern in `pattern` and moves the pointer on. */
function fill(f: FunctionBuilder, pointer: Local, count: Local, bytes: number, pattern: Local): void {
  eachTile(f, count, bytes, 16, (part) => {
    if (part === 16) f.get(pointer).get(pattern).mem('v128Store');
    else
      for (let at = 0; at < part; at += 4)
        f.get(pointer)
          .get(pattern)
          .storeLane32((at >> 2) & 1, at);
    f.increment(pointer, part);
  });
}

interface Bordered {
  readonly height: number;
  readonly width: number;
  readonly padding: Padding;
}

/** A plane with a border of the pattern around rows that `copyRow` writes through `pointer`. */
function withBorder(
  f: FunctionBuilder,
  pointer: Local,
  [row, count]: readonly [Local, Local],
  { height, width, padding }: Bordered,
  pixelBytes: number,
  pattern: Local,
  copyRow: () => void,
): void {
  const [top, left, bottom, right] = padding;
  const padded = width + left + right;
  const border = (pixels: number): void => fill(f, pointer, count, pixels * pixelBytes, pattern);
  border(top * padded + left);
  if (height > 1)
    f.repeat(row, height - 1, () => {
      copyRow();
      border(left + right);
    });
  copyRow();
  border(right + bottom * padded);
}

/** Copy with a border of zero points; borders are [quads][16 bytes] of them. */
export interface Int8PadSpec extends Bordered {
  readonly kind: 'int8Pad';
}

/** (x, borders, output, unit0, unit1). */
export function emitInt8Pad(spec: Int8PadSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, BORDERS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const { pixelBytes } = elementOf(isa);
  const { height, width, padding } = spec;
  const [top, left, bottom, right] = padding;
  const locals = [f.local('i32'), f.local('i32')] as const;
  const [pattern = 0] = f.scratch('v128', 1);
  const rowBytes = width * pixelBytes;
  offsetByUnits(f, X, UNIT0, height * rowBytes);
  offsetByUnits(f, BORDERS, UNIT0, 16);
  offsetByUnits(f, OUT, UNIT0, (height + top + bottom) * (width + left + right) * pixelBytes);
  eachUnit(f, UNIT0, UNIT1, () => {
    f.get(BORDERS).mem('v128Load').set(pattern).increment(BORDERS, 16);
    withBorder(f, OUT, locals, spec, pixelBytes, pattern, () => {
      f.get(OUT).get(X).i32Const(rowBytes).memoryCopy();
      f.increment(X, rowBytes).increment(OUT, rowBytes);
    });
  });
  return f;
}

/** Planar floats [C][H][W] to steps: multiplier is 1 / scale. */
export interface Int8ImportSpec extends Bordered {
  readonly kind: 'int8Import';
  readonly channels: number;
}

/** (input, constants, borders, output, unit0, unit1). */
export function emitInt8Import(spec: Int8ImportSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(6).fill('i32'));
  const [IN, CONSTANTS, BORDERS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const { channels, height, width, padding } = spec;
  const [top, left, bottom, right] = padding;
  const locals = [f.local('i32'), f.local('i32')] as const;
  const count = f.local('i32');
  const channelBytes = height * width * 4;
  const values = f.scratch('v128', 9).slice(1);
  const pattern = values[0] as Local;
  const planes = values.slice(1, 5) as [Local, Local, Local, Local];
  const [a, b, c, d] = planes;
  const pairs = values.slice(5, 8) as [Local, Local, Local];
  const lanesOfLast = channels - (Math.ceil(channels / 4) - 1) * 4;
  offsetByUnits(f, IN, UNIT0, channelBytes * 4);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, BORDERS, UNIT0, 16);
  offsetByUnits(f, OUT, UNIT0, (height + top + bottom) * (width + left + right) * pixelBytes);
  const toSteps = (): void => {
    // pseudo-minimum and -maximum are one instruction; no number is taken for the least
    const [value = 0] = f.scratch('v128', 1);
    constant(f, CONSTANTS, 'multiplier').op('f32x4Mul').set(value);
    f.f32x4Const(-1e6).get(value).op('f32x4Pmax').set(value);
    f.f32x4Const(1e6).get(value).op('f32x4Pmin');
    emitRound(f, null, CONSTANTS);
  };
  const quad = (lanes: number): void => {
    const four = (): void => {
      planes.forEach((plane, lane) => {
        if (lane < lanes) f.get(IN).mem('v128Load', lane * channelBytes);
        else f.f32x4Const(0);
        f.set(plane);
      });
      const [ab, cd, first] = pairs;
      const half = (one: readonly [number, number, number, number]): void => {
        f.get(a)
          .get(b)
          .shuffle32(...one)
          .set(ab)
          .get(c)
          .get(d)
          .shuffle32(...one)
          .set(cd);
      };
      half([2, 6, 3, 7]);
      f.get(ab).get(cd).shuffle32(0, 1, 4, 5);
      toSteps();
      f.set(first).get(ab).get(cd).shuffle32(2, 3, 6, 7);
      toSteps();
      // the second half is in hand: the planes are free once the first is made
      f.get(a).get(b).shuffle32(0, 4, 1, 5).set(ab).get(c).get(d).shuffle32(0, 4, 1, 5).set(cd).set(d);
      f.get(ab).get(cd).shuffle32(0, 1, 4, 5);
      toSteps();
      f.set(a).get(ab).get(cd).shuffle32(2, 3, 6, 7);
      toSteps();
      f.set(b);
      storePixels(f, element, OUT, 0, [a, b, first, d]);
      f.increment(IN, 16).increment(OUT, 4 * pixelBytes);
    };
    const one = (): void => {
      for (let lane = 0; lane < lanes; lane++) {
        f.get(IN);
        if (lane === 0) f.mem('v128Load32Zero');
        else f.get(a).loadLane32(lane, lane * channelBytes);
        f.set(a);
      }
      f.get(a);
      toSteps();
      f.set(a);
      storePixels(f, element, OUT, 0, [a]);
      f.increment(IN, 4).increment(OUT, pixelBytes);
    };
    withBorder(f, OUT, locals, spec, pixelBytes, pattern, () => {
      if (width >= 4) f.repeat(count, width >> 2, four);
      for (let i = 0; i < (width & 3); i++) one();
    });
    f.increment(IN, channelBytes * 3);
  };
  eachUnit(f, UNIT0, UNIT1, () => {
    f.get(BORDERS).mem('v128Load').set(pattern).increment(BORDERS, 16);
    if (lanesOfLast === 4) quad(4);
    else if (channels < 4) quad(lanesOfLast);
    else
      f.get(UNIT0)
        .i32Const(Math.ceil(channels / 4) - 1)
        .op('i32LtS')
        .if(
          () => quad(4),
          () => quad(lanesOfLast),
        );
    f.increment(CONSTANTS, constantBytes);
  });
  return f;
}

/** Steps to planar floats [C][P]; a unit is a channel, its entry [byte offset, zero point, scale]. */
export interface Int8ExportSpec {
  readonly kind: 'int8Export';
  readonly P: number;
}

/** (x, entries, output, unit0, unit1). */
export function emitInt8Export({ P }: Int8ExportSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, ENTRIES, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const { bytes, pixelBytes } = elementOf(isa);
  const [at, count] = [f.local('i32'), f.local('i32')];
  offsetByUnits(f, ENTRIES, UNIT0, 12);
  offsetByUnits(f, OUT, UNIT0, P * 4);
  eachUnit(f, UNIT0, UNIT1, () => {
    f.get(X).get(ENTRIES).mem('i32Load').op('i32Add').set(at);
    f.repeat(count, P, () => {
      f.get(OUT)
        .get(at)
        .mem(bytes === 1 ? 'i32Load8U' : 'i32Load16U');
      f.get(ENTRIES).mem('i32Load', 4).op('i32Sub').op('f32ConvertI32S');
      f.get(ENTRIES).mem('f32Load', 8).op('f32Mul').mem('f32Store');
      f.increment(at, pixelBytes).increment(OUT, 4);
    });
    f.increment(ENTRIES, 12);
  });
  return f;
}

/** Steps to quads of floats: (x + bias) * multiplier. */
export interface Int8FloatsSpec {
  readonly kind: 'int8Floats';
  readonly P: number;
}

/** (x, constants, output, unit0, unit1). */
export function emitInt8Floats({ P }: Int8FloatsSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, CONSTANTS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const element = elementOf(isa);
  const count = f.local('i32');
  offsetByUnits(f, X, UNIT0, P * element.pixelBytes);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, P * 16);
  eachUnit(f, UNIT0, UNIT1, () => {
    f.repeat(count, P, () => {
      f.get(OUT).get(X);
      loadPixel(f, element);
      constant(f, CONSTANTS, 'bias').op('i32x4Add').op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS, 'multiplier').op('f32x4Mul').mem('v128Store');
      f.increment(X, element.pixelBytes).increment(OUT, 16);
    });
    f.increment(CONSTANTS, constantBytes);
  });
  return f;
}

/** Gathers channels; a unit is an output quad, table[lane] the byte offset of the input channel or -1 for zeros. */
export interface Int8RepackSpec {
  readonly kind: 'int8Repack';
  readonly P: number;
}

/** (x, table, output, unit0, unit1). */
export function emitInt8Repack({ P }: Int8RepackSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, TABLE, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const { bytes, pixelBytes } = elementOf(isa);
  const [at, step, to, count] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const zero = f.local('i32');
  offsetByUnits(f, TABLE, UNIT0, 16);
  offsetByUnits(f, OUT, UNIT0, P * pixelBytes);
  eachUnit(f, UNIT0, UNIT1, () => {
    for (let lane = 0; lane < 4; lane++) {
      f.get(TABLE)
        .mem('i32Load', lane * 4)
        .tee(at)
        .i32Const(0)
        .op('i32LtS')
        .set(zero);
      f.i32Const(0).i32Const(pixelBytes).get(zero).op('select').set(step);
      f.i32Const(0).get(at).get(zero).op('select').get(X).op('i32Add').set(at);
      f.get(OUT).set(to);
      f.repeat(count, P, () => {
        f.get(to)
          .i32Const(0)
          .get(at)
          .mem(bytes === 1 ? 'i32Load8U' : 'i32Load16U')
          .get(zero)
          .op('select')
          .mem(bytes === 1 ? 'i32Store8' : 'i32Store16', lane * bytes);
        f.get(at).get(step).op('i32Add').set(at).increment(to, pixelBytes);
      });
    }
    f.increment(TABLE, 16).increment(OUT, P * pixelBytes);
  });
  return f;
}

/** Nearest neighbour. */
export interface Int8UpsampleSpec {
  readonly kind: 'int8Upsample';
  readonly height: number;
  readonly width: number;
  readonly scale: Pair;
}

/** (x, output, unit0, unit1). */
export function emitInt8Upsample({ height, width, scale }: Int8UpsampleSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(4).fill('i32'));
  const { pixelBytes } = elementOf(isa);
  const [rows, copies, columns] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [value = 0] = f.scratch('v128', 1);
  offsetByUnits(f, 0, 2, height * width * pixelBytes);
  offsetByUnits(f, 1, 2, height * width * scale[0] * scale[1] * pixelBytes);
  eachUnit(f, 2, 3, () => {
    f.repeat(rows, height, () => {
      f.repeat(copies, scale[0], () => {
        f.repeat(columns, width, () => {
          f.get(0)
            .mem(pixelBytes === 8 ? 'v128Load64Zero' : 'v128Load32Zero')
            .set(value);
          for (let i = 0; i < scale[1]; i++) {
            f.get(1).get(value);
            if (pixelBytes === 8) f.storeLane64(0, i * pixelBytes);
            else f.storeLane32(0, i * pixelBytes);
          }
          f.increment(0, pixelBytes).increment(1, scale[1] * pixelBytes);
        });
        f.increment(0, -width * pixelBytes);
      });
      f.increment(0, width * pixelBytes);
    });
  });
  return f;
}
