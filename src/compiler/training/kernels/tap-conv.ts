/**
 * Dense convolution over a regular grid of taps: y[r][p] = start + sum over taps and channels of
 * x[r * xRow + tap][p * xPixel + tap] * w. With the taps of the kernel it is the forward convolution; with those of one
 * parity class, transposed weights and strided outputs it is the gradient of the input. Borders are zeros in storage,
 * so there is no clipping.
 *
 * Weights are panels of 8 output channels (a last one of 4 when needed): [panel][rows][cols][run][8]; `run` floats of
 * x are contiguous (one tap's channels, or a whole kernel row's).
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { type Isa, pixelTile } from '../../kernels/kernel.js';
import { advance, kernelFunction, offset, repeated, type Strides, times } from './loops.js';

/** A grid of taps: rows x cols windows of `run` contiguous floats; steps in bytes. */
export interface TapGrid {
  readonly rows: number;
  readonly cols: number;
  readonly rowStep: number;
  readonly colStep: number;
  readonly run: number;
}

export interface TapConvSpec {
  readonly grid: TapGrid;
  readonly height: number;
  readonly width: number;
  /** Distances in x per output pixel, row and image. */
  readonly x: Strides;
  readonly y: Strides;
  /** What the sums start from: nothing, a bias [C], or a map with strides of its own (may be y itself). */
  readonly start: 'zero' | 'bias' | Strides;
  readonly outQuads: number;
}

const [X, W, START, Y, N] = [0, 1, 2, 3, 4] as const;

/** (x, weights, start, y, images). */
export function emitTapConv(spec: TapConvSpec, isa: Isa): FunctionBuilder {
  const { grid, height, width, x, y, start, outQuads } = spec;
  const f = kernelFunction(5);
  const i32 = (): Local => f.local('i32');
  const [xRow, yRow, sRow, xPixel, yPixel, sPixel, w, panel, row, at, end, col] = Array.from(
    { length: 12 },
    i32,
  ) as [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];
  const map = typeof start === 'object' ? start : undefined;
  const unroll = isa.relaxed ? 4 : 1;

  const tile = (m: number, q: number): void => {
    const values = f.scratch('v128', m * q + q + 1);
    const acc = (t: number, j: number): Local => values[t * q + j] as Local;
    const weight = (j: number): Local => values[m * q + j] as Local;
    const v = values[m * q + q] as Local;
    for (let t = 0; t < m; t++)
      for (let j = 0; j < q; j++) {
        if (map) f.get(sPixel).mem('v128Load', t * map.pixel + j * 16);
        else if (start === 'bias') f.get(sPixel).mem('v128Load', j * 16);
        else f.f32x4Const(0);
        f.set(acc(t, j));
      }
    f.get(panel).set(w);
    f.get(xPixel).set(row);
    repeated(f, grid.rows, () => {
      f.get(row).set(col);
      repeated(f, grid.cols, () => {
        f.get(col).set(at);
        offset(f, end, at, grid.run * 4);
        f.loop((again) => {
          for (let u = 0; u < unroll; u++) {
            for (let j = 0; j < q; j++)
              f.get(w)
                .mem('v128Load', (u * q + j) * 16)
                .set(weight(j));
            for (let t = 0; t < m; t++) {
              f.get(at)
                .mem('v128Load32Splat', t * x.pixel + u * 4)
                .set(v);
              for (let j = 0; j < q; j++) f.multiplyAdd(acc(t, j), v, weight(j), isa.relaxed);
            }
          }
          f.increment(w, unroll * q * 16);
          f.get(at)
            .i32Const(unroll * 4)
            .op('i32Add')
            .tee(at)
            .get(end)
            .op('i32Ne')
            .brIf(again);
        });
        f.increment(col, grid.colStep);
      });
      f.increment(row, grid.rowStep);
    });
    for (let t = 0; t < m; t++)
      for (let j = 0; j < q; j++)
        f.get(yPixel)
          .get(acc(t, j))
          .mem('v128Store', t * y.pixel + j * 16);
  };

  /** All pixels of one row for the panel at `panel`, from its first channel on. */
  const rowOfPanel = (q: 1 | 2): void => {
    f.get(xRow).set(xPixel);
    const m = pixelTile(width, q, isa);
    const full = Math.floor(width / m);
    repeated(f, full, () => {
      tile(m, q);
      advance(f, [
        [xPixel, m * x.pixel],
        [yPixel, m * y.pixel],
        [sPixel, map ? m * map.pixel : 0],
      ]);
    });
    if (width % m > 0) tile(width % m, q);
  };
  const channel = f.local('i32');
  const place = (): void => {
    f.get(yRow).get(channel).op('i32Add').set(yPixel);
    f.get(map ? sRow : START)
      .get(channel)
      .op('i32Add')
      .set(sPixel);
  };
  const panelBytes = grid.rows * grid.cols * grid.run * 32;
  times(f, N, () => {
    f.get(X).set(xRow).get(Y).set(yRow).get(START).set(sRow);
    repeated(f, height, () => {
      f.get(W).set(panel).i32Const(0).set(channel);
      repeated(f, outQuads >> 1, () => {
        place();
        rowOfPanel(2);
        advance(f, [
          [panel, panelBytes],
          [channel, 32],
        ]);
      });
      if (outQuads % 2 === 1) {
        place();
        rowOfPanel(1);
      }
      advance(f, [
        [xRow, x.row],
        [yRow, y.row],
        [sRow, map?.row ?? 0],
      ]);
    });
    advance(f, [
      [X, x.image],
      [Y, y.image],
      [START, map?.image ?? 0],
    ]);
  });
  return f;
}

export interface TapConvGradientSpec {
  readonly grid: TapGrid;
  readonly height: number;
  readonly width: number;
  readonly x: Strides;
  /** Of the output's gradient. */
  readonly z: Strides;
  readonly outQuads: number;
}

/** Rows of x and dz that together stay in the first-level cache. */
const blockBytes = 20000;

/** dw += x (x) dz over all pixels and images; dw has the weights' layout. (x, dz, dw, unused, images). */
export function emitTapConvGradient(spec: TapConvGradientSpec, isa: Isa): FunctionBuilder {
  const { grid, height, width, x, z, outQuads } = spec;
  const f = kernelFunction(5);
  const [DZ, DW, LEFT] = [1, 2, 3] as const;
  const next = (): Local => f.local('i32');
  const [xBlock, zBlock, zPanel, w, row, col] = [next(), next(), next(), next(), next(), next()];
  const [k, xRow, zRow, at, zAt, end, rows, counter] = [
    next(),
    next(),
    next(),
    next(),
    next(),
    next(),
    next(),
    next(),
  ];
  const block = Math.max(1, Math.min(height, Math.floor(blockBytes / (x.row + z.row))));
  const unroll = width % 2 === 0 ? 2 : 1;

  const tile = (m: number, q: number): void => {
    const values = f.scratch('v128', m * q + q + 1);
    const acc = (t: number, j: number): Local => values[t * q + j] as Local;
    const d = (j: number): Local => values[m * q + j] as Local;
    const v = values[m * q + q] as Local;
    for (let t = 0; t < m; t++)
      for (let j = 0; j < q; j++)
        f.get(w)
          .mem('v128Load', (t * q + j) * 16)
          .set(acc(t, j));
    f.get(k).set(xRow).get(zPanel).set(zRow).get(rows).set(counter);
    f.loop((nextRow) => {
      f.get(xRow).set(at).get(zRow).set(zAt);
      offset(f, end, zAt, width * z.pixel);
      f.loop((again) => {
        for (let u = 0; u < unroll; u++) {
          for (let j = 0; j < q; j++)
            f.get(zAt)
              .mem('v128Load', u * z.pixel + j * 16)
              .set(d(j));
          for (let t = 0; t < m; t++) {
            f.get(at)
              .mem('v128Load32Splat', u * x.pixel + t * 4)
              .set(v);
            for (let j = 0; j < q; j++) f.multiplyAdd(acc(t, j), v, d(j), isa.relaxed);
          }
        }
        f.increment(at, unroll * x.pixel);
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
      f.get(counter).i32Const(1).op('i32Sub').tee(counter).brIf(nextRow);
    });
    for (let t = 0; t < m; t++)
      for (let j = 0; j < q; j++)
        f.get(w)
          .get(acc(t, j))
          .mem('v128Store', (t * q + j) * 16);
    advance(f, [
      [w, m * q * 16],
      [k, m * 4],
    ]);
  };
  const ofPanel = (q: number): void => {
    const most = q === 2 ? (isa.relaxed ? 6 : 4) : isa.relaxed ? 8 : 6;
    f.get(xBlock).set(row);
    repeated(f, grid.rows, () => {
      f.get(row).set(col);
      repeated(f, grid.cols, () => {
        f.get(col).set(k);
        repeated(f, Math.floor(grid.run / most), () => tile(most, q));
        if (grid.run % most > 0) tile(grid.run % most, q);
        f.increment(col, grid.colStep);
      });
      f.increment(row, grid.rowStep);
    });
  };
  times(f, 4, () => {
    f.get(0).set(xBlock).get(DZ).set(zBlock).i32Const(height).set(LEFT);
    f.loop((nextBlock) => {
      f.get(LEFT).i32Const(block).get(LEFT).i32Const(block).op('i32LtS').op('select').set(rows);
      f.get(DW).set(w).get(zBlock).set(zPanel);
      repeated(f, outQuads >> 1, () => {
        ofPanel(2);
        f.increment(zPanel, 32);
      });
      if (outQuads % 2 === 1) ofPanel(1);
      advance(f, [
        [xBlock, block * x.row],
        [zBlock, block * z.row],
      ]);
      f.get(LEFT).i32Const(block).op('i32Sub').tee(LEFT).i32Const(0).op('i32GtS').brIf(nextBlock);
    });
    advance(f, [
      [0, x.image],
      [DZ, z.image],
    ]);
  });
  return f;
}
