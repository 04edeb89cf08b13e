/**
 * Depthwise convolution over a regular grid of taps, forward and (with mirrored weights, one parity class at a time)
 * for the gradient of the input; and the gradient of its weights. Borders are zeros in storage.
 * Weights [rows][cols][C].
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../../kernels/kernel.js';
import { advance, eachRow, kernelFunction, offset, repeated, type Strides, times } from './loops.js';
import type { TapGrid } from './tap-conv.js';

export interface TapDepthwiseSpec {
  /** `run` is not used. */
  readonly grid: TapGrid;
  readonly height: number;
  readonly width: number;
  readonly x: Strides;
  readonly y: Strides;
  readonly start: 'zero' | 'bias' | Strides;
  readonly quads: number;
}

/** (x, weights, start, y, images). */
export function emitTapDepthwise(spec: TapDepthwiseSpec, isa: Isa): FunctionBuilder {
  const { grid, height, width, x, y, start, quads } = spec;
  const f = kernelFunction(5);
  const [X, W, START, Y, N] = [0, 1, 2, 3, 4] as const;
  const [xRow, yRow, sRow, xAt, yAt, sAt, w, channel, row] = f.newLocals('i32', 9);
  const map = typeof start === 'object' ? start : undefined;
  const taps = grid.rows * grid.cols;
  const keep = taps <= 9;
  const most = Math.min(width, keep ? 4 : Math.max(2, Math.min(8, 14 - grid.cols)));
  const size = Math.ceil(width / Math.ceil(width / most));
  const vectors = f.scratch('v128', size + (keep ? taps : grid.cols) + 1);
  const acc = (t: number): Local => vectors[t] as Local;
  const weight = (i: number): Local => vectors[size + i] as Local;
  const v = vectors[vectors.length - 1] as Local;
  const loadWeights = (firstTap: number, count: number): void => {
    for (let i = 0; i < count; i++)
      f.get(w)
        .mem('v128Load', (firstTap + i) * quads * 16)
        .set(weight(i));
  };
  const kernelRow = (m: number, firstWeight: number): void => {
    const uses = new Map<number, [number, number][]>();
    for (let t = 0; t < m; t++)
      for (let c = 0; c < grid.cols; c++) {
        const bytes = t * x.pixel + c * grid.colStep;
        uses.set(bytes, [...(uses.get(bytes) ?? []), [t, c]]);
      }
    for (const [bytes, list] of [...uses].sort((a, b) => a[0] - b[0])) {
      f.get(row).mem('v128Load', bytes).set(v);
      for (const [t, c] of list) f.multiplyAdd(acc(t), v, weight(firstWeight + c), isa.relaxed);
    }
    f.increment(row, grid.rowStep);
  };
  const tile = (m: number): void => {
    for (let t = 0; t < m; t++) {
      if (map) f.get(sAt).mem('v128Load', t * map.pixel);
      else if (start === 'bias') f.get(sAt).mem('v128Load');
      else f.f32x4Const(0);
      f.set(acc(t));
    }
    f.get(xAt).set(row);
    for (let r = 0; r < grid.rows; r++) {
      if (!keep) loadWeights(r * grid.cols, grid.cols);
      kernelRow(m, keep ? r * grid.cols : 0);
    }
    for (let t = 0; t < m; t++)
      f.get(yAt)
        .get(acc(t))
        .mem('v128Store', t * y.pixel);
    advance(f, [
      [xAt, m * x.pixel],
      [yAt, m * y.pixel],
      [sAt, map ? m * map.pixel : 0],
    ]);
  };
  eachRow(
    f,
    {
      images: N,
      height,
      maps: [
        [X, xRow, x],
        [Y, yRow, y],
        [START, sRow, map],
      ],
    },
    () => {
      f.i32Const(0).set(channel);
      repeated(f, quads, () => {
        f.get(W).get(channel).op('i32Add').set(w);
        f.get(xRow).get(channel).op('i32Add').set(xAt);
        f.get(yRow).get(channel).op('i32Add').set(yAt);
        f.get(map ? sRow : START)
          .get(channel)
          .op('i32Add')
          .set(sAt);
        if (keep) loadWeights(0, taps);
        repeated(f, Math.floor(width / size), () => tile(size));
        if (width % size > 0) tile(width % size);
        f.increment(channel, 16);
      });
    },
  );
  return f;
}

export interface TapDepthwiseGradientSpec {
  readonly grid: TapGrid;
  readonly height: number;
  readonly width: number;
  readonly x: Strides;
  readonly z: Strides;
  readonly quads: number;
}

/** dw[tap][c] += sum of x * dz. (x, dz, dw, unused, images). */
export function emitTapDepthwiseGradient(spec: TapDepthwiseGradientSpec, isa: Isa): FunctionBuilder {
  const { grid, height, width, x, z, quads } = spec;
  const f = kernelFunction(5);
  const [X, DZ, DW, N] = [0, 1, 2, 4] as const;
  const [xRow, zRow, xAt, zAt, w, channel, end, row] = f.newLocals('i32', 8);
  // all taps in one pass when their sums fit the registers, else one kernel row at a time
  const group = grid.rows * grid.cols <= 9 ? grid.rows : 1;
  const sums = group * grid.cols;
  const unroll = width % 2 === 0 && sums <= 10 ? 2 : 1;
  const vectors = f.scratch('v128', sums + unroll + 1);
  const d = (u: number): Local => vectors[sums + u] as Local;
  const v = vectors[sums + unroll] as Local;
  const tapOffset = (first: number, i: number): number => (first * grid.cols + i) * quads * 16;
  const pass = (first: number): void => {
    for (let i = 0; i < sums; i++)
      f.get(w)
        .mem('v128Load', tapOffset(first, i))
        .set(vectors[i] as Local);
    offset(f, xRow, X, first * grid.rowStep);
    f.get(xRow).get(channel).op('i32Add').set(xRow);
    f.get(DZ).get(channel).op('i32Add').set(zRow);
    repeated(f, height, () => {
      f.get(xRow).set(xAt).get(zRow).set(zAt);
      offset(f, end, zAt, width * z.pixel);
      f.loop((again) => {
        for (let u = 0; u < unroll; u++)
          f.get(zAt)
            .mem('v128Load', u * z.pixel)
            .set(d(u));
        f.get(xAt).set(row);
        for (let r = 0; r < group; r++) {
          const uses = new Map<number, [number, number][]>();
          for (let u = 0; u < unroll; u++)
            for (let c = 0; c < grid.cols; c++) {
              const bytes = u * x.pixel + c * grid.colStep;
              uses.set(bytes, [...(uses.get(bytes) ?? []), [u, c]]);
            }
          for (const [bytes, list] of [...uses].sort((a, b) => a[0] - b[0])) {
            f.get(row).mem('v128Load', bytes).set(v);
            for (const [u, c] of list)
              f.multiplyAdd(vectors[r * grid.cols + c] as Local, v, d(u), isa.relaxed);
          }
          if (r + 1 < group) f.increment(row, grid.rowStep);
        }
        f.increment(xAt, unroll * x.pixel);
        f.get(zAt)
          .i32Const(unroll * z.pixel)
          .op('i32Add')
          .tee(zAt)
          .get(end)
          .op('i32Ne')
          .brIf(again);
      });
      advance(f, [
        [xRow, x.row],
        [zRow, z.row],
      ]);
    });
    for (let i = 0; i < sums; i++)
      f.get(w)
        .get(vectors[i] as Local)
        .mem('v128Store', tapOffset(first, i));
  };
  times(f, N, () => {
    f.i32Const(0).set(channel);
    repeated(f, quads, () => {
      f.get(DW).get(channel).op('i32Add').set(w);
      for (let first = 0; first < grid.rows; first += group) pass(first);
      f.increment(channel, 16);
    });
    advance(f, [
      [X, x.image],
      [DZ, z.image],
    ]);
  });
  return f;
}
