/**
 * The depthwise convolution, any kernel, stride, padding and dilation; borders are handled inside by clipping rows at
 * run time and columns at compile time. A tile is a few pixels of one row; one kernel row is one pass of the loop.
 *
 * The dual form serves Ghost modules: while it makes the ghosts, it also writes the intrinsic maps it reads to a
 * second output, scaled, shifted, with a residual added and activated, so that a shortcut's add or a batch norm after
 * the concatenation costs no pass of its own (stride 1, same size only).
 */
import type { Padding, Pair } from '../../graph/nodes.js';
import { FunctionBuilder, type Local } from '../emitter/function.js';
import { emitActivation } from './activations.js';
import { type Activation, type Isa, keepsOrder } from './kernel.js';

export interface DualOutput {
  /** y2 = x * scale + shift, with [Q][2][4] values at the `affine` address; otherwise y2 = x. */
  readonly affine: boolean;
  readonly residual: boolean;
  readonly activation: Activation;
}

export interface DepthwiseSpec {
  readonly kind: 'depthwise';
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly activation: Activation;
  /** Adds `residual` before the activation. */
  readonly residual: boolean;
  readonly dual: DualOutput | null;
}

const [IN, WEIGHTS, BIAS, OUT, RESIDUAL, OUT2, AFFINE2, RESIDUAL2, UNIT0, UNIT1] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;

interface ColumnTile {
  readonly x: number;
  readonly m: number;
  /** Whether some window reaches over the left or right border. */
  readonly clipped: boolean;
}

/** Cuts a row into tiles: as even as possible, at most `most` pixels each. */
function columnTiles(spec: DepthwiseSpec, most: number): readonly ColumnTile[] {
  const { outWidth, stride, padding, kernel, dilation, width } = spec;
  const reach = (kernel[1] - 1) * dilation[1];
  const isClipped = (x: number, m: number): boolean =>
    x * stride[1] - padding[1] < 0 || (x + m - 1) * stride[1] - padding[1] + reach >= width;
  const size = Math.ceil(outWidth / Math.ceil(outWidth / most));
  const tiles: ColumnTile[] = [];
  for (let x = 0; x < outWidth; x += size) {
    const m = Math.min(size, outWidth - x);
    tiles.push({ x, m, clipped: isClipped(x, m) });
  }
  return tiles;
}

/**
 * Pixels of a tile, by measurement: as many as leave room for a row of weights. Where the engine moves all loads of a
 * loop body before its arithmetic, narrow windows need small tiles.
 */
function mostPixels({ kernel, stride, outWidth }: DepthwiseSpec, isa: Isa): number {
  if (!keepsOrder(isa) && kernel[1] <= 3 && (isa.relaxed || outWidth > 8)) return stride[1] === 1 ? 4 : 3;
  return Math.max(2, Math.min(8, 14 - Math.min(kernel[1], 7)));
}

/** (input, weights, bias, output, residual, output2, affine2, residual2, unit0, unit1). */
export function emitDepthwise(spec: DepthwiseSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const { height, width, kernel, stride, padding, dilation, outHeight, dual } = spec;
  const [kh, kw] = kernel;
  const inPlane = height * width * 16;
  const outPlane = outHeight * spec.outWidth * 16;
  const rowBytes = width * 16;
  const taps = kh * kw;
  const i32 = (): Local => f.local('i32');
  const [input, weights, bias, affine] = [i32(), i32(), i32(), i32()];
  const [out, residual, out2, residual2, center] = [i32(), i32(), i32(), i32(), i32()];
  const [unit, y, first, last, topRow, row, rowAt, weightRow, weightEnd, count] = [
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
  ];
  const most = mostPixels(spec, isa);
  const tiles = columnTiles(spec, most);

  /** One tile; `column` is the input column of its first window relative to `rowAt` (absolute when clipped). */
  const tile = (m: number, column: number, clip: boolean): void => {
    const values = f.scratch('v128', m + kw + 1);
    const acc = (i: number): Local => values[i] as Local;
    const w = (j: number): Local => values[m + j] as Local;
    const x = values[m + kw] as Local;
    f.get(bias).mem('v128Load');
    for (let i = 0; i < m; i++)
      if (i < m - 1) f.tee(acc(i));
      else f.set(acc(i));
    f.get(rowAt)
      .get(first)
      .i32Const(dilation[0] * rowBytes)
      .op('i32Mul')
      .op('i32Add')
      .set(row);
    f.get(weights)
      .get(first)
      .i32Const(kw * 16)
      .op('i32Mul')
      .op('i32Add')
      .set(weightRow);
    f.get(weights)
      .get(last)
      .i32Const(kw * 16)
      .op('i32Mul')
      .op('i32Add')
      .set(weightEnd);
    f.get(first)
      .get(last)
      .op('i32LtS')
      .if(() => {
        f.loop((nextRow) => {
          for (let j = 0; j < kw; j++)
            f.get(weightRow)
              .mem('v128Load', j * 16)
              .set(w(j));
          const columns = (m - 1) * stride[1] + (kw - 1) * dilation[1] + 1;
          for (let c = 0; c < columns; c++) {
            const at = column + c;
            if (clip && (at < 0 || at >= width)) continue;
            let loaded = false;
            for (let i = 0; i < m; i++) {
              const distance = c - i * stride[1];
              if (distance < 0 || distance % dilation[1] !== 0 || distance / dilation[1] >= kw) continue;
              if (!loaded)
                f.get(row)
                  .mem('v128Load', at * 16)
                  .set(x);
              loaded = true;
              f.multiplyAdd(acc(i), x, w(distance / dilation[1]), isa.relaxed);
            }
          }
          f.increment(row, dilation[0] * rowBytes);
          f.get(weightRow)
            .i32Const(kw * 16)
            .op('i32Add')
            .tee(weightRow)
            .get(weightEnd)
            .op('i32LtU')
            .brIf(nextRow);
        });
      });
    for (let i = 0; i < m; i++) {
      f.get(out).get(acc(i));
      if (spec.residual)
        f.get(residual)
          .mem('v128Load', i * 16)
          .op('f32x4Add');
      emitActivation(f, spec.activation);
      f.mem('v128Store', i * 16);
    }
    f.increment(out, m * 16);
    if (spec.residual) f.increment(residual, m * 16);
    if (dual) second(m, dual);
  };
  const second = (m: number, { affine: scaled, residual: added, activation }: DualOutput): void => {
    for (let i = 0; i < m; i++) {
      f.get(out2)
        .get(center)
        .mem('v128Load', i * 16);
      if (scaled) f.get(affine).mem('v128Load').op('f32x4Mul').get(affine).mem('v128Load', 16).op('f32x4Add');
      if (added)
        f.get(residual2)
          .mem('v128Load', i * 16)
          .op('f32x4Add');
      emitActivation(f, activation);
      f.mem('v128Store', i * 16);
    }
    f.increment(out2, m * 16).increment(center, m * 16);
    if (added) f.increment(residual2, m * 16);
  };

  const start = (local: Local, base: number, bytes: number): void => {
    f.get(base).get(UNIT0).i32Const(bytes).op('i32Mul').op('i32Add').set(local);
  };
  f.get(UNIT0)
    .get(UNIT1)
    .op('i32LtS')
    .if(() => {
      start(input, IN, inPlane);
      start(weights, WEIGHTS, taps * 16);
      start(bias, BIAS, 16);
      start(out, OUT, outPlane);
      if (spec.residual) start(residual, RESIDUAL, outPlane);
      if (dual) {
        start(out2, OUT2, outPlane);
        f.get(input).set(center);
        if (dual.affine) start(affine, AFFINE2, 32);
        if (dual.residual) start(residual2, RESIDUAL2, outPlane);
      }
      f.get(UNIT0).set(unit);
      f.loop((nextQuad) => {
        f.i32Const(0).set(y);
        f.get(input)
          .i32Const(padding[0] * rowBytes)
          .op('i32Sub')
          .set(topRow);
        f.loop((nextRow) => {
          clipRows(
            f,
            { y, first, last },
            { top: padding[0], stride: stride[0], dilation: dilation[0], kernel: kh, height },
          );
          for (let i = 0; i < tiles.length; ) {
            const { x, m, clipped } = tiles[i] as ColumnTile;
            const column = x * stride[1] - padding[1];
            if (clipped) {
              f.get(topRow).set(rowAt);
              tile(m, column, true);
              i++;
              continue;
            }
            let end = i;
            while (end < tiles.length && tiles[end]?.m === m && !tiles[end]?.clipped) end++;
            f.get(topRow)
              .i32Const(column * 16)
              .op('i32Add')
              .set(rowAt);
            if (end - i > 1)
              f.repeat(count, end - i, () => {
                tile(m, 0, false);
                f.increment(rowAt, m * stride[1] * 16);
              });
            else tile(m, 0, false);
            i = end;
          }
          f.increment(topRow, stride[0] * rowBytes);
          f.get(y).i32Const(1).op('i32Add').tee(y).i32Const(outHeight).op('i32LtS').brIf(nextRow);
        });
        f.increment(input, inPlane)
          .increment(weights, taps * 16)
          .increment(bias, 16);
        if (dual?.affine) f.increment(affine, 32);
        f.get(unit).i32Const(1).op('i32Add').tee(unit).get(UNIT1).op('i32LtS').brIf(nextQuad);
      });
    });
  return f;
}

/**
 * first .. last: the kernel rows of output row y that lie inside the input.
 * first = max(0, ceil((top - y*stride) / dilation)), last = min(kernel, ceil((height + top - y*stride) / dilation)).
 */
export function clipRows(
  f: FunctionBuilder,
  locals: { readonly y: Local; readonly first: Local; readonly last: Local },
  geometry: {
    readonly top: number;
    readonly stride: number;
    readonly dilation: number;
    readonly kernel: number;
    readonly height: number;
  },
): void {
  const { top, stride, dilation, kernel, height } = geometry;
  const { y, first, last } = locals;
  // rounded up and shifted so that the division is of a number that is not negative
  const ceilDivide = (from: number, into: Local): void => {
    f.i32Const(from).get(y).i32Const(stride).op('i32Mul').op('i32Sub').set(into);
    f.get(into).i32Const(0).get(into).i32Const(0).op('i32GtS').op('select').set(into);
    if (dilation > 1)
      f.get(into)
        .i32Const(dilation - 1)
        .op('i32Add')
        .i32Const(dilation)
        .op('i32DivU')
        .set(into);
  };
  ceilDivide(top, first);
  ceilDivide(height + top, last);
  f.get(last).i32Const(kernel).get(last).i32Const(kernel).op('i32LtS').op('select').set(last);
}

/** Weights [C][kh*kw] in stored order (C a multiple of 4) to [C/4][kh*kw][4]. */
export function packDepthwise(weights: Float32Array, C: number, taps: number): Float32Array {
  const packed = new Float32Array(C * taps);
  let at = 0;
  for (let quad = 0; quad < C; quad += 4)
    for (let tap = 0; tap < taps; tap++)
      for (let lane = 0; lane < 4; lane++) packed[at++] = weights[(quad + lane) * taps + tap] as number;
  return packed;
}
