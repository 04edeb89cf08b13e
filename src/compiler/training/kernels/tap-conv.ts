/**
 * Dense convolution over a regular grid of taps: y[r][p] = start + sum over taps and channels of
 * x[r * xRow + tap][p * xPixel + tap] * w. With the taps of the kernel it is the forward convolution; with those of one
 * parity class, transposed weights and strided outputs it is the gradient of the input. Borders are zeros in storage,
 * so there is no clipping.
 *
 * Weights are panels of 8 output channels (a last one of 4 when needed): [panel][rows][cols][run][8]; `run` floats of
 * x are contiguous (one tap's channels, or a whole kernel row's).
 */
import type { FunctionBuilder } from '../../emitter/function.js';
import { type Isa, pixelTile } from '../../kernels/kernel.js';
import { advance, eachRow, kernelFunction, offset, repeated, type Strides, times } from './loops.js';
import { addProducts, eachSum, loadSums, mostScalars, productTile, storeSums } from './product-tile.js';

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
  const [xRow, yRow, sRow, xPixel, yPixel, sPixel, w, panel, row, at, end, col] = f.newLocals('i32', 12);
  const map = typeof start === 'object' ? start : undefined;
  const unroll = isa.relaxed ? 4 : 1;

  const tile = (m: number, q: number): void => {
    const sums = productTile(f, m, q);
    eachSum(sums, (t, j) => {
      if (map) f.get(sPixel).mem('v128Load', t * map.pixel + j * 16);
      else if (start === 'bias') f.get(sPixel).mem('v128Load', j * 16);
      else f.f32x4Const(0);
      f.set(sums.sum(t, j));
    });
    f.get(panel).set(w);
    f.get(xPixel).set(row);
    repeated(f, grid.rows, () => {
      f.get(row).set(col);
      repeated(f, grid.cols, () => {
        f.get(col).set(at);
        offset(f, end, at, grid.run * 4);
        addProducts(f, sums, {
          scalars: { at, step: 4, next: x.pixel },
          vectors: { at: w, step: q * 16, next: 16 },
          last: 'scalars',
          end,
          unroll,
          fused: isa.relaxed,
        });
        f.increment(col, grid.colStep);
      });
      f.increment(row, grid.rowStep);
    });
    storeSums(f, sums, yPixel, y.pixel);
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
    },
  );
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
  const [xBlock, zBlock, zPanel, w, row, col, k, xRow, zRow, at, zAt, end, rows, counter] = f.newLocals(
    'i32',
    14,
  );
  const block = Math.max(1, Math.min(height, Math.floor(blockBytes / (x.row + z.row))));
  const unroll = width % 2 === 0 ? 2 : 1;

  const tile = (m: number, q: number): void => {
    const sums = productTile(f, m, q);
    loadSums(f, sums, w);
    f.get(k).set(xRow).get(zPanel).set(zRow).get(rows).set(counter);
    f.loop((nextRow) => {
      f.get(xRow).set(at).get(zRow).set(zAt);
      offset(f, end, zAt, width * z.pixel);
      addProducts(f, sums, {
        scalars: { at, step: x.pixel, next: 4 },
        vectors: { at: zAt, step: z.pixel, next: 16 },
        last: 'vectors',
        end,
        unroll,
        fused: isa.relaxed,
      });
      advance(f, [
        [xRow, x.row],
        [zRow, z.row],
      ]);
      f.get(counter).i32Const(1).op('i32Sub').tee(counter).brIf(nextRow);
    });
    storeSums(f, sums, w, q * 16);
    advance(f, [
      [w, m * q * 16],
      [k, m * 4],
    ]);
  };
  const ofPanel = (q: number): void => {
    const most = mostScalars(q, isa.relaxed);
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
