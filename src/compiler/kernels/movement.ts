/** Kernels that only move data: padding, layout changes at the borders of the network, channel gathers, enlarging. */
import type { Padding, Pair } from '../../graph/nodes.js';
import { FunctionBuilder } from '../emitter/function.js';

/** Runs `body` for units [unit0, unit1), with `unit0` counting. */
function eachUnit(f: FunctionBuilder, unit0: number, unit1: number, body: () => void): void {
  f.get(unit0)
    .get(unit1)
    .op('i32LtS')
    .if(() => {
      f.loop((next) => {
        body();
        f.get(unit0).i32Const(1).op('i32Add').tee(unit0).get(unit1).op('i32LtS').brIf(next);
      });
    });
}

function offsetByUnits(f: FunctionBuilder, base: number, unit0: number, bytes: number): void {
  f.get(base).get(unit0).i32Const(bytes).op('i32Mul').op('i32Add').set(base);
}

function zeroFill(f: FunctionBuilder, pointer: number, bytes: number): void {
  if (bytes === 0) return;
  if (bytes <= 64) for (let at = 0; at < bytes; at += 16) f.get(pointer).f32x4Const(0).mem('v128Store', at);
  else f.get(pointer).i32Const(0).i32Const(bytes).memoryFill();
  f.increment(pointer, bytes);
}

/** Writes a padded plane through pointer 1: zeros around `height` rows that `copyRow` writes. */
function withBorder(
  f: FunctionBuilder,
  row: number,
  plane: { readonly height: number; readonly width: number; readonly padding: Padding },
  copyRow: () => void,
): void {
  const [top, left, bottom, right] = plane.padding;
  const paddedWidth = plane.width + left + right;
  zeroFill(f, 1, (top * paddedWidth + left) * 16);
  f.repeat(row, plane.height - 1, () => {
    copyRow();
    zeroFill(f, 1, (right + left) * 16);
  });
  copyRow();
  zeroFill(f, 1, (right + bottom * paddedWidth) * 16);
}

export interface PadSpec {
  readonly kind: 'pad';
  readonly height: number;
  readonly width: number;
  readonly padding: Padding;
}

/** Copy with a border of zeros: (input, output, unit0, unit1). */
export function emitPad({ height, width, padding }: PadSpec): FunctionBuilder {
  const [top, left, bottom, right] = padding;
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const row = f.local('i32');
  const paddedWidth = width + left + right;
  offsetByUnits(f, 0, 2, height * width * 16);
  offsetByUnits(f, 1, 2, (height + top + bottom) * paddedWidth * 16);
  eachUnit(f, 2, 3, () => {
    withBorder(f, row, { height, width, padding }, () => {
      f.get(1)
        .get(0)
        .i32Const(width * 16)
        .memoryCopy();
      f.increment(0, width * 16).increment(1, width * 16);
    });
  });
  return f;
}

export interface ImportSpec {
  readonly kind: 'import';
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Border of zeros in the output. */
  readonly padding: Padding;
}

/** Planar [C][H][W] to quads with a border of zeros: (input, output, unit0, unit1). */
export function emitImport({ channels, height, width, padding }: ImportSpec): FunctionBuilder {
  const [top, left, bottom, right] = padding;
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const row = f.local('i32');
  const count = f.local('i32');
  const channelBytes = height * width * 4;
  const paddedWidth = width + left + right;
  const lanesOfLast = channels - (Math.ceil(channels / 4) - 1) * 4;
  const planes = f.scratch('v128', 6);
  const [a = 0, b = 0, c = 0, d = 0, low = 0, high = 0] = planes;
  offsetByUnits(f, 0, 2, channelBytes * 4);
  offsetByUnits(f, 1, 2, (height + top + bottom) * paddedWidth * 16);
  const quad = (lanes: number): void => {
    /** Four pixels: one vector a channel, transposed to one vector a pixel. */
    const four = (): void => {
      [a, b, c, d].forEach((local, lane) => {
        if (lane < lanes)
          f.get(0)
            .mem('v128Load', lane * channelBytes)
            .set(local);
        else f.f32x4Const(0).set(local);
      });
      f.get(a).get(b).shuffle32(0, 4, 1, 5).set(low).get(c).get(d).shuffle32(0, 4, 1, 5).set(high);
      f.get(1).get(low).get(high).shuffle32(0, 1, 4, 5).mem('v128Store', 0);
      f.get(1).get(low).get(high).shuffle32(2, 3, 6, 7).mem('v128Store', 16);
      f.get(a).get(b).shuffle32(2, 6, 3, 7).set(low).get(c).get(d).shuffle32(2, 6, 3, 7).set(high);
      f.get(1).get(low).get(high).shuffle32(0, 1, 4, 5).mem('v128Store', 32);
      f.get(1).get(low).get(high).shuffle32(2, 3, 6, 7).mem('v128Store', 48);
      f.increment(0, 16).increment(1, 64);
    };
    const one = (): void => {
      for (let lane = 0; lane < 4; lane++) {
        f.get(1);
        if (lane < lanes) f.get(0).mem('f32Load', lane * channelBytes);
        else f.f32Const(0);
        f.mem('f32Store', lane * 4);
      }
      f.increment(0, 4).increment(1, 16);
    };
    withBorder(f, row, { height, width, padding }, () => {
      if (width >= 4) f.repeat(count, width >> 2, four);
      for (let i = 0; i < (width & 3); i++) one();
    });
    f.increment(0, channelBytes * 3);
  };
  eachUnit(f, 2, 3, () => {
    if (lanesOfLast === 4) quad(4);
    else if (channels < 4) quad(lanesOfLast);
    else
      f.get(2)
        .i32Const(Math.ceil(channels / 4) - 1)
        .op('i32LtS')
        .if(
          () => quad(4),
          () => quad(lanesOfLast),
        );
  });
  return f;
}

export interface ExportSpec {
  readonly kind: 'export';
  readonly P: number;
}

/** Quads to planar [C][P]: (input, table, output, unit0, unit1); a unit is a channel, table[c] its byte offset. */
export function emitExport({ P }: ExportSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [at, count] = [f.local('i32'), f.local('i32')];
  offsetByUnits(f, 1, 3, 4);
  offsetByUnits(f, 2, 3, P * 4);
  eachUnit(f, 3, 4, () => {
    f.get(0).get(1).mem('i32Load').op('i32Add').set(at);
    f.repeat(count, P, () => {
      f.get(2).get(at).mem('f32Load').mem('f32Store');
      f.increment(at, 16).increment(2, 4);
    });
    f.increment(1, 4);
  });
  return f;
}

export interface RepackSpec {
  readonly kind: 'repack';
  readonly P: number;
}

/**
 * Gathers channels: (input, table, output, unit0, unit1); a unit is an output quad, table[stored output channel] the
 * byte offset of the input channel, or -1 for zeros. Quads without zeros are put together vector by vector.
 */
export function emitRepack({ P }: RepackSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32']);
  const [to, count] = [f.local('i32'), f.local('i32')];
  const lanes = [0, 1, 2, 3].map(() => f.local('i32'));
  offsetByUnits(f, 1, 3, 16);
  offsetByUnits(f, 2, 3, P * 16);
  /** `pixels` vectors, each of four lanes from four places. */
  const gather = (pixels: number): void => {
    const [first, ...others] = lanes as [number, number, number, number];
    for (let i = 0; i < pixels; i++) {
      f.get(to);
      for (const lane of [...others].reverse()) f.get(lane);
      f.get(first).mem('v128Load32Zero', i * 16);
      for (let lane = 1; lane < 4; lane++) f.loadLane32(lane, i * 16);
      f.mem('v128Store', i * 16);
    }
    for (const local of [to, ...lanes]) f.increment(local, pixels * 16);
  };
  const whole = (): void => {
    for (const at of lanes) f.get(0).get(at).op('i32Add').set(at);
    f.repeat(count, P >> 2, () => gather(4));
    if (P & 3) gather(P & 3);
  };
  /** Lane after lane, zeros where there is no channel. */
  const partly = (): void => {
    lanes.forEach((at, lane) => {
      const fill = (value: () => void): void => {
        f.get(2).set(to);
        f.repeat(count, P, () => {
          f.get(to);
          value();
          f.mem('f32Store', lane * 4).increment(to, 16);
        });
      };
      f.get(at)
        .i32Const(0)
        .op('i32LtS')
        .if(
          () => fill(() => f.f32Const(0)),
          () => {
            f.get(0).get(at).op('i32Add').set(at);
            fill(() => f.get(at).mem('f32Load').increment(at, 16));
          },
        );
    });
  };
  eachUnit(f, 3, 4, () => {
    f.get(2).set(to);
    lanes.forEach((at, lane) => {
      f.get(1)
        .mem('i32Load', lane * 4)
        .set(at);
    });
    f.get(lanes[0] as number);
    for (const at of lanes.slice(1)) f.get(at).op('i32Or');
    f.i32Const(0).op('i32LtS').if(partly, whole);
    f.increment(1, 16).increment(2, P * 16);
  });
  return f;
}

export interface UpsampleSpec {
  readonly kind: 'upsample';
  readonly height: number;
  readonly width: number;
  readonly scale: Pair;
}

/** Nearest neighbour: (input, output, unit0, unit1). */
export function emitUpsample({ height, width, scale }: UpsampleSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const [rows, copies, columns] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [value = 0] = f.scratch('v128', 1);
  offsetByUnits(f, 0, 2, height * width * 16);
  offsetByUnits(f, 1, 2, height * width * scale[0] * scale[1] * 16);
  eachUnit(f, 2, 3, () => {
    f.repeat(rows, height, () => {
      f.repeat(copies, scale[0], () => {
        f.repeat(columns, width, () => {
          f.get(0).mem('v128Load').set(value);
          for (let i = 0; i < scale[1]; i++)
            f.get(1)
              .get(value)
              .mem('v128Store', i * 16);
          f.increment(0, 16).increment(1, scale[1] * 16);
        });
        f.increment(0, -width * 16);
      });
      f.increment(0, width * 16);
    });
  });
  return f;
}
