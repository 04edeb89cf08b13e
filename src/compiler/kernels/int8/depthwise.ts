/**
 * The int8 depthwise convolution, any kernel, stride, padding and dilation. Rows above and below the map are read from
 * a row of zero points; columns beside it are put in while a block is turned. The dual form also writes the intrinsic
 * maps of a Ghost module, rescaled, with a residual: both halves in one pass.
 */
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import { type Isa, keepsOrder } from '../kernel.js';
import { blockColumns, type DepthwiseShape, depthwisePlan, type Tile } from './depthwise-plan.js';
import {
  constant,
  constantBytes,
  dotAdd,
  eachUnit,
  elementOf,
  emitResidual,
  emitRound,
  loadPixel,
  offsetByUnits,
  storePixels,
} from './element.js';

export interface Int8DepthwiseSpec extends DepthwiseShape {
  readonly kind: 'int8Depthwise';
  readonly hard: Hard;
  readonly residual: boolean;
  /** Bytes from one quad's row of zero points to the next; 0 where all are the same. */
  readonly borderStride: number;
  readonly dual: boolean;
}

const [IN, WEIGHTS, CONSTANTS, OUT, RESIDUAL, OUT2, CONSTANTS2, RESIDUAL2, BORDER, UNIT0, UNIT1] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;

/** (input, weights, constants, output, residual, output2, constants2, residual2, border, unit0, unit1). */
export function emitInt8Depthwise(spec: Int8DepthwiseSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(11).fill('i32'));
  const element = elementOf(isa);
  const { pixelBytes, bytes } = element;
  const { height, width, kernel, stride, padding, dilation, outHeight, outWidth } = spec;
  const { tiles, patterns } = depthwisePlan(spec, isa);
  const B = blockColumns(isa);
  const rowBytes = width * pixelBytes;
  const outPlane = outHeight * outWidth * pixelBytes;
  const weightRow = patterns.length * 16;
  const i32 = (): Local => f.local('i32');
  const [y, out, residual, out2, residual2, center, column, count] = [0, 0, 0, 0, 0, 0, 0, 0].map(i32) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [inputRow, row, weight, tap] = [i32(), i32(), i32(), i32()];
  const unrolled = keepsOrder(isa);
  const rowAt = Array.from({ length: unrolled ? kernel[0] : 0 }, i32);

  /** The address of input row `inputRow`, or of the row of zero points. */
  const pointer = (into: Local): void => {
    f.get(IN).get(inputRow).i32Const(rowBytes).op('i32Mul').op('i32Add').get(BORDER);
    f.get(inputRow).i32Const(height).op('i32LtU').op('select').set(into);
  };
  const lanes = (at: (p: number, channel: number) => number): number[] =>
    Array.from({ length: 4 * B * bytes }, (_, i) => {
      const byte = i % bytes;
      const element_ = Math.floor(i / bytes);
      return at(element_ % B, Math.floor(element_ / B)) + byte;
    });
  /** Turned block at `first` columns from the row; `clip`: `first` counts from the map's left. */
  const block = (from: Local, first: number, clip: boolean, into: Local): void => {
    if (!clip) {
      f.get(from)
        .get(column)
        .op('i32Add')
        .mem('v128Load', first * pixelBytes)
        .tee(into)
        .get(into);
      f.shuffle8(lanes((p, channel) => (p * 4 + channel) * bytes)).set(into);
      return;
    }
    const start = Math.min(Math.max(first, 0), Math.max(0, width - B));
    f.get(from)
      .mem('v128Load', start * pixelBytes)
      .get(BORDER)
      .mem('v128Load');
    f.shuffle8(
      lanes((p, channel) => {
        const at = first + p;
        const inside = at >= 0 && at < width && at - start >= 0 && at - start < B;
        return inside ? ((at - start) * 4 + channel) * bytes : 16 + channel * bytes;
      }),
    ).set(into);
  };
  const tile = ({ x, m, blocks, clipped }: Tile): void => {
    const all = f.scratch('v128', m + 2 + patterns.length + 1).slice(1);
    const acc = (i: number): Local => all[i] as Local;
    const turned = all[m] as Local;
    const single = all[m + 1] as Local;
    const held = (pattern: number): Local => all[m + 2 + pattern] as Local;
    const times = new Map<number, number>();
    for (const { uses } of blocks)
      for (const { pattern } of uses) times.set(pattern, (times.get(pattern) ?? 0) + 1);
    constant(f, CONSTANTS, 'bias');
    for (let i = 0; i < m; i++)
      if (i < m - 1) f.tee(acc(i));
      else f.set(acc(i));
    const oneRow = (from: Local, weights: Local, offset: number): void => {
      for (const [pattern, uses] of times)
        if (uses > 1)
          f.get(weights)
            .mem('v128Load', offset + pattern * 16)
            .set(held(pattern));
      for (const { column: first, uses } of blocks) {
        block(from, clipped ? x * stride[1] - padding[1] + first : first, clipped, turned);
        for (const { output, pattern } of uses) {
          let w = held(pattern);
          if ((times.get(pattern) ?? 0) === 1) {
            w = single;
            f.get(weights)
              .mem('v128Load', offset + pattern * 16)
              .set(w);
          }
          dotAdd(f, acc(output), w, turned, isa);
        }
      }
    };
    if (unrolled) for (const [r, from] of rowAt.entries()) oneRow(from, WEIGHTS, r * weightRow);
    else {
      f.get(WEIGHTS).set(weight);
      f.get(y).i32Const(stride[0]).op('i32Mul').i32Const(padding[0]).op('i32Sub').set(inputRow);
      f.repeat(tap, kernel[0], () => {
        pointer(row);
        oneRow(row, weight, 0);
        f.increment(weight, weightRow).increment(inputRow, dilation[0]);
      });
    }
    for (let i = 0; i < m; i++) {
      f.get(acc(i)).op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS, 'multiplier').op('f32x4Mul');
      if (spec.residual) emitResidual(f, element, residual, i * pixelBytes, CONSTANTS);
      emitRound(f, spec.hard, CONSTANTS);
      f.set(acc(i));
    }
    const results = Array.from({ length: m }, (_, i) => acc(i));
    storePixels(f, element, out, 0, results);
    f.increment(out, m * pixelBytes);
    if (spec.residual) f.increment(residual, m * pixelBytes);
    if (!spec.dual) return;
    for (let i = 0; i < m; i++) {
      f.get(center);
      loadPixel(f, element, i * pixelBytes).op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS2, 'multiplier').op('f32x4Mul');
      constant(f, CONSTANTS2, 'offset').op('f32x4Add');
      if (spec.residual) emitResidual(f, element, residual2, i * pixelBytes, CONSTANTS2);
      emitRound(f, spec.hard, CONSTANTS2);
      f.set(acc(i));
    }
    storePixels(f, element, out2, 0, results);
    f.increment(out2, m * pixelBytes).increment(center, m * pixelBytes);
    if (spec.residual) f.increment(residual2, m * pixelBytes);
  };
  const row_ = (): void => {
    if (unrolled) {
      f.get(y).i32Const(stride[0]).op('i32Mul').i32Const(padding[0]).op('i32Sub').set(inputRow);
      for (const into of rowAt) {
        pointer(into);
        f.increment(inputRow, dilation[0]);
      }
    }
    for (let i = 0; i < tiles.length; ) {
      const first = tiles[i] as Tile;
      let end = i + 1;
      while (!first.clipped && tiles[end]?.m === first.m && tiles[end]?.clipped === false) end++;
      if (!first.clipped) {
        f.i32Const((first.x * stride[1] - padding[1]) * pixelBytes).set(column);
        f.repeat(count, end - i, () => {
          tile(first);
          f.increment(column, first.m * stride[1] * pixelBytes);
        });
      } else tile(first);
      i = end;
    }
  };

  offsetByUnits(f, IN, UNIT0, height * rowBytes);
  offsetByUnits(f, WEIGHTS, UNIT0, kernel[0] * weightRow);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, outPlane);
  if (spec.borderStride > 0) offsetByUnits(f, BORDER, UNIT0, spec.borderStride);
  f.get(OUT).set(out);
  if (spec.residual) {
    offsetByUnits(f, RESIDUAL, UNIT0, outPlane);
    f.get(RESIDUAL).set(residual);
  }
  if (spec.dual) {
    offsetByUnits(f, CONSTANTS2, UNIT0, constantBytes);
    offsetByUnits(f, OUT2, UNIT0, outPlane);
    f.get(OUT2).set(out2).get(IN).set(center);
    if (spec.residual) {
      offsetByUnits(f, RESIDUAL2, UNIT0, outPlane);
      f.get(RESIDUAL2).set(residual2);
    }
  }
  eachUnit(f, UNIT0, UNIT1, () => {
    f.i32Const(0).set(y);
    f.loop((nextRow) => {
      row_();
      f.get(y).i32Const(1).op('i32Add').tee(y).i32Const(outHeight).op('i32LtS').brIf(nextRow);
    });
    f.increment(IN, height * rowBytes)
      .increment(WEIGHTS, kernel[0] * weightRow)
      .increment(CONSTANTS, constantBytes)
      .increment(BORDER, spec.borderStride);
    if (spec.dual) f.increment(CONSTANTS2, constantBytes);
  });
  return f;
}
