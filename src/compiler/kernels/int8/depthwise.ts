/**
 * The int8 depthwise convolution, any kernel, stride, padding and dilation, in sums of 16 bits (depthwise-plan.ts says
 * why they are exact). Rows above and below the map are read from a row of zero points. The dual form also writes the
 * intrinsic maps of a Ghost module, rescaled, with a residual: both halves in one pass.
 */
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import {
  type DepthwiseShape,
  rowTiles,
  type SumPlan,
  type Tap,
  type Tile,
  tapUnits,
  tileVectors,
} from './depthwise-plan.js';
import {
  constant,
  constantBytes,
  eachUnit,
  elementOf,
  emitRound,
  offsetByUnits,
  storePixels,
} from './element.js';
import { joinSums, type NarrowSpec, scaleNarrow, storePairs } from './narrow.js';
import { loadPixels, loadRowVector, widenPair, widenPixel } from './row-vectors.js';

export interface Int8DepthwiseSpec extends DepthwiseShape, Pick<SumPlan, 'groups' | 'addsBias'> {
  readonly kind: 'int8Depthwise';
  readonly hard: Hard;
  readonly residual: boolean;
  /** Bytes from one quad's row of zero points to the next; 0 where all are the same. */
  readonly borderStride: number;
  readonly dual: boolean;
  readonly narrow: NarrowSpec | null;
  /** The same of the intrinsic maps. */
  readonly intrinsic: NarrowSpec | null;
}

const [IN, WEIGHTS, CONSTANTS, OUT, RESIDUAL, OUT2, CONSTANTS2, RESIDUAL2, BORDER, UNIT0, UNIT1] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;

/** Where a half of the outputs is finished. */
interface EndAddresses {
  readonly constants: Local;
  readonly to: Local;
  /** The residual. */
  readonly added: Local;
}

/** Lanes of the lower or upper halves of two vectors of bytes, in turns. */
function interleaved(half: 0 | 1): readonly number[] {
  return Array.from({ length: 16 }, (_, i) => half * 8 + (i >> 1) + (i & 1) * 16);
}

/** (input, weights, constants, output, residual, output2, constants2, residual2, border, unit0, unit1). */
export function emitInt8Depthwise(spec: Int8DepthwiseSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(11).fill('i32'));
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const { height, width, kernel, stride, padding, dilation, outHeight, outWidth, groups } = spec;
  const perVector = 16 / pixelBytes;
  /** Sums of two pixels for each vector of output. */
  const halves = perVector / 2;
  const units = tapUnits(spec, element);
  const most = tileVectors(isa, groups);
  const tiles = rowTiles(spec, most, element);
  const rowBytes = width * pixelBytes;
  const outPlane = outHeight * outWidth * pixelBytes;
  const weightBytes = (1 + units.length) * 16;
  const i32 = (): Local => f.local('i32');
  const [y, out, residual, out2, residual2, center] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const [count, inputRow] = [i32(), i32()];
  const inLoop = !isa.relaxed && groups.length === 1;
  const rows = Array.from({ length: inLoop ? 1 : kernel[0] }, i32);
  const [column, weightAt, rowCount] = [i32(), i32(), i32()];
  const v128 = (): Local => f.local('v128');
  const border = v128();
  const [weight, first, second, loaded, extra] = [v128(), v128(), v128(), v128(), v128()];
  const sums = Array.from({ length: most * halves }, v128);
  const wide = groups.length > 1 ? Array.from({ length: most * halves * 2 }, v128) : [];
  const steps = Array.from({ length: perVector }, v128);

  /** Sets `into` to the address of input row `inputRow`, or of the row of zero points, and goes on to the next. */
  const rowAddress = (into: Local): void => {
    f.get(IN).get(inputRow).i32Const(rowBytes).op('i32Mul').op('i32Add').get(BORDER);
    f.get(inputRow).i32Const(height).op('i32LtU').op('select').set(into);
    f.increment(inputRow, dilation[0]);
  };
  /** Adds (or starts with) a unit's products in the sums of `vectors` vectors. */
  const multiply = (unit: readonly Tap[], tile: Tile, starts: boolean): void => {
    const { x, vectors, clipped } = tile;
    const load = ({ row, column }: Tap, vector: number): FunctionBuilder => {
      const at = (vector * perVector + (clipped ? x : 0)) * stride[1] + column - (clipped ? padding[1] : 0);
      const from = rows[row] as Local;
      return loadRowVector(f, element, { width, stride: stride[1], border }, from, at, clipped);
    };
    const [a, b] = unit as [Tap, Tap?];
    for (let vector = 0; vector < vectors; vector++) {
      if (halves === 1) {
        const sum = sums[vector] as Local;
        if (!starts) f.get(sum);
        load(a, vector).get(weight).op('i16x8Mul');
        if (!starts) f.op('i16x8Add');
        f.set(sum);
        continue;
      }
      load(a, vector).set(first);
      if (b) load(b, vector).set(second);
      for (const half of [0, 1] as const) {
        const sum = sums[vector * 2 + half] as Local;
        if (!starts) f.get(sum);
        f.get(weight)
          .get(first)
          .get(b ? second : first)
          .shuffle8(interleaved(half));
        f.op('i16x8RelaxedDotI8x16I7x16S');
        if (!starts) f.op('i16x8Add');
        f.set(sum);
      }
    }
  };
  /** Kernel rows in a loop: engines that move loads ahead then hold those of one row at a time. */
  const accumulateRows = (tile: Tile): void => {
    const [row] = rows as [Local];
    f.get(WEIGHTS).set(weightAt);
    f.get(y).i32Const(stride[0]).op('i32Mul').i32Const(padding[0]).op('i32Sub').set(inputRow);
    f.repeat(rowCount, kernel[0], () => {
      rowAddress(row);
      if (!tile.clipped) f.get(row).get(column).op('i32Add').set(row);
      for (let i = 0; i < kernel[1]; i++) {
        f.get(weightAt)
          .mem('v128Load', (1 + i) * 16)
          .set(weight);
        multiply([{ row: 0, column: i * dilation[1] }], tile, false);
      }
      f.increment(weightAt, kernel[1] * 16);
    });
  };
  const accumulate = (tile: Tile): void => {
    const count_ = tile.vectors * halves;
    f.get(WEIGHTS).mem('v128Load');
    for (let i = 0; i < count_; i++)
      if (i < count_ - 1) f.tee(sums[i] as Local);
      else f.set(sums[i] as Local);
    if (inLoop) {
      accumulateRows(tile);
      return;
    }
    let unit = 0;
    groups.forEach((length, group) => {
      for (let i = 0; i < length; i++, unit++) {
        f.get(WEIGHTS)
          .mem('v128Load', (1 + unit) * 16)
          .set(weight);
        multiply(units[unit] as readonly Tap[], tile, group > 0 && i === 0);
      }
      if (groups.length === 1) return;
      for (let i = 0; i < count_; i++)
        for (const half of [0, 1] as const) {
          const sum = wide[i * 2 + half] as Local;
          f.get(sums[i] as Local).op(half === 0 ? 'i32x4ExtendLowI16x8S' : 'i32x4ExtendHighI16x8S');
          if (group > 0) f.get(sum).op('i32x4Add');
          f.set(sum);
        }
    });
  };
  /** Pushes the whole sum of pixel i of a vector as i32x4. */
  const total = (vector: number, i: number): void => {
    const pair = vector * halves + (i >> 1);
    if (groups.length > 1) f.get(wide[pair * 2 + (i & 1)] as Local);
    else {
      f.get(sums[pair] as Local);
      f.op((i & 1) === 0 ? 'i32x4ExtendLowI16x8S' : 'i32x4ExtendHighI16x8S');
    }
    if (spec.addsBias) constant(f, CONSTANTS, 'bias').op('i32x4Add');
  };
  const pixelsOf = (tile: Tile, vector: number): number =>
    Math.min(perVector, tile.pixels - vector * perVector);
  /**
   * Rounds and stores a tile. `value` pushes pixel i of a vector, scaled; with `narrow` pixels 2 i and 2 i + 1, shifted, as
   * i16x8.
   */
  const finish = (
    tile: Tile,
    narrow: NarrowSpec | null,
    { constants, to, added }: EndAddresses,
    value: (vector: number, i: number) => void,
  ): void => {
    const residual = narrow ? extra : second;
    for (let vector = 0; vector < tile.vectors; vector++) {
      const pixels = pixelsOf(tile, vector);
      const used = steps.slice(0, narrow ? Math.ceil(pixels / 2) : pixels);
      if (spec.residual) loadPixels(f, element, added, vector * 16, pixels).set(residual);
      used.forEach((into, i) => {
        value(vector, i);
        if (narrow) {
          const pair = (): void => {
            widenPair(f, element, residual, i);
          };
          scaleNarrow(f, narrow, isa, constants, 0, spec.residual ? pair : undefined);
        } else {
          if (spec.residual) {
            widenPixel(f, element, residual, i).op('f32x4ConvertI32x4S');
            constant(f, constants, 'residual').op('f32x4Mul').op('f32x4Add');
          }
          emitRound(f, spec.hard, constants);
        }
        f.set(into);
      });
      if (narrow) storePairs(f, element, to, vector * 16, used, pixels);
      else storePixels(f, element, to, vector * 16, used);
    }
    f.increment(to, tile.pixels * pixelBytes);
    if (spec.residual) f.increment(added, tile.pixels * pixelBytes);
  };
  /** Pushes the shifted sums of two pixels as i16x8. */
  const shortSums = (narrow: NarrowSpec, vector: number, i: number): void => {
    if (groups.length === 1 && !spec.addsBias) {
      f.get(sums[vector * halves + i] as Local);
      if (narrow.shift > 0) f.i32Const(narrow.shift).op('i16x8ShrS');
      return;
    }
    total(vector, i * 2);
    f.set(first);
    total(vector, i * 2 + 1);
    f.set(second);
    joinSums(f, narrow, first, second);
  };
  const emitTile = (tile: Tile): void => {
    accumulate(tile);
    const { narrow, intrinsic } = spec;
    finish(tile, narrow, { constants: CONSTANTS, to: out, added: residual }, (vector, i) => {
      if (narrow) {
        shortSums(narrow, vector, i);
        return;
      }
      total(vector, i);
      f.op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS, 'multiplier').op('f32x4Mul');
    });
    if (!spec.dual) return;
    finish(tile, intrinsic, { constants: CONSTANTS2, to: out2, added: residual2 }, (vector, i) => {
      if (i === 0) loadPixels(f, element, center, vector * 16, pixelsOf(tile, vector)).set(loaded);
      if (intrinsic) {
        widenPair(f, element, loaded, i).i32Const(8).op('i16x8Shl');
        return;
      }
      widenPixel(f, element, loaded, i).op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS2, 'multiplier').op('f32x4Mul');
      constant(f, CONSTANTS2, 'offset').op('f32x4Add');
    });
    f.increment(center, tile.pixels * pixelBytes);
  };
  const moveRows = (columns: number): void => {
    if (inLoop) f.increment(column, columns * pixelBytes);
    else for (const row of rows) f.increment(row, columns * pixelBytes);
  };
  const outputRow = (): void => {
    if (inLoop) f.i32Const(0).set(column);
    else {
      f.get(y).i32Const(stride[0]).op('i32Mul').i32Const(padding[0]).op('i32Sub').set(inputRow);
      for (const into of rows) rowAddress(into);
    }
    for (let i = 0; i < tiles.length; ) {
      const tile = tiles[i] as Tile;
      let end = i + 1;
      if (tile.clipped) emitTile(tile);
      else {
        const isSame = (other: Tile | undefined): boolean =>
          other !== undefined && !other.clipped && other.pixels === tile.pixels;
        while (isSame(tiles[end])) end++;
        const start = tile.x * stride[1] - padding[1];
        const step = tile.pixels * stride[1];
        moveRows(start);
        f.repeat(count, end - i, () => {
          emitTile(tile);
          moveRows(step);
        });
        if (end < tiles.length) moveRows(-start - step * (end - i));
      }
      i = end;
    }
  };

  offsetByUnits(f, IN, UNIT0, height * rowBytes);
  offsetByUnits(f, WEIGHTS, UNIT0, weightBytes);
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
    f.get(BORDER).mem('v128Load').set(border);
    f.i32Const(0).set(y);
    f.loop((nextRow) => {
      outputRow();
      f.get(y).i32Const(1).op('i32Add').tee(y).i32Const(outHeight).op('i32LtS').brIf(nextRow);
    });
    f.increment(IN, height * rowBytes)
      .increment(WEIGHTS, weightBytes)
      .increment(CONSTANTS, constantBytes)
      .increment(BORDER, spec.borderStride);
    if (spec.dual) f.increment(CONSTANTS2, constantBytes);
  });
  return f;
}
