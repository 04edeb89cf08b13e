/**
 * 3x3 convolution of stride one by Winograd's F(4x4, 3x3): a quarter of the multiplications of the direct form. Works
 * through blocks of tiles of 4x4 outputs: transform the input, 36 small matrix products, transform the result. Also the
 * weight gradient, the transpose of the same scheme. Map sizes are multiples of 4. Legend: winograd-tiles.ts.
 */
import type { FunctionBuilder } from '../../emitter/function.js';
import type { Isa } from '../../kernels/kernel.js';
import { LineEmitter } from '../../kernels/winograd-lines.js';
import { advance, kernelFunction, offset, repeated, type Strides, times } from './loops.js';
import { outerProducts, products } from './winograd-products.js';
import {
  eachTile,
  pointStep,
  points,
  side,
  type TileBlocks,
  temporaryBytes,
  tilesOf,
  transform,
} from './winograd-tiles.js';

export interface WinogradSpec {
  readonly blocks: TileBlocks;
  readonly x: Strides;
  readonly y: Strides;
  readonly start: 'zero' | 'bias' | Strides;
  readonly inQuads: number;
  readonly outQuads: number;
}

/** (x, U, start, y, blocks of images, scratch). x is at the pixel above and left of the first. */
export function emitWinograd(spec: WinogradSpec, isa: Isa): FunctionBuilder {
  const { blocks, x, y, start, inQuads, outQuads } = spec;
  const f = kernelFunction(6);
  const [X, U, START, Y, N, TEMPORARY] = [0, 1, 2, 3, 4, 5] as const;
  const lines = new LineEmitter(f, isa, ['input', 'output']);
  const values = Array.from({ length: 6 }, () => f.local('v128'));
  const tiles = tilesOf(blocks);
  const [vStep, mStep] = [pointStep(tiles, inQuads), pointStep(tiles, outQuads)];
  const [V, M, xBand, yBand, sBand, xAt, yAt, sAt, matrix, bias] = f.newLocals('i32', 10);
  const map = typeof start === 'object' ? start : undefined;
  offset(f, V, TEMPORARY, temporaryBytes);
  offset(f, M, V, points * vStep);
  times(f, N, () => {
    f.get(X).set(xBand).get(Y).set(yBand).get(START).set(sBand);
    repeated(f, blocks.bands, () => {
      f.get(V).set(matrix);
      eachTile(f, blocks, inQuads, [{ block: xBand, at: xAt, strides: x }], matrix, () => {
        const from = { base: xAt, row: x.row, col: x.pixel };
        transform(f, lines, 'input', values, from, TEMPORARY, { base: matrix, row: 6 * vStep, col: vStep });
      });
      products(f, isa, { U, V, M, vStep, mStep, tiles, inQuads, outQuads });
      f.get(M).set(matrix);
      const written = { block: yBand, at: yAt, strides: y };
      const maps = map ? [written, { block: sBand, at: sAt, strides: map }] : [written];
      if (start === 'bias') f.get(START).set(bias);
      eachTile(f, blocks, outQuads, maps, matrix, () => {
        const from = { base: matrix, row: 6 * mStep, col: mStep };
        const to = { base: yAt, row: y.row, col: y.pixel };
        transform(f, lines, 'output', values, from, TEMPORARY, to, (r, c) => {
          if (map)
            f.get(sAt)
              .mem('v128Load', r * map.row + c * map.pixel)
              .op('f32x4Add');
          else if (start === 'bias') f.get(bias).mem('v128Load').op('f32x4Add');
        });
        if (start !== 'bias') return;
        // the quads of a tile are the inner loop: the bias begins again after the last
        f.increment(bias, 16);
        f.get(START)
          .get(bias)
          .get(bias)
          .get(START)
          .op('i32Sub')
          .i32Const(outQuads * 16)
          .op('i32Eq')
          .op('select')
          .set(bias);
      });
      advance(f, [
        [xBand, blocks.tileRows * side * x.row],
        [yBand, blocks.tileRows * side * y.row],
        [sBand, map ? blocks.tileRows * side * map.row : 0],
      ]);
    });
    advance(f, [
      [X, blocks.images * x.image],
      [Y, blocks.images * y.image],
      [START, map ? blocks.images * map.image : 0],
    ]);
  });
  return f;
}

export interface WinogradGradientSpec {
  readonly blocks: TileBlocks;
  readonly x: Strides;
  /** Of the output's gradient. */
  readonly z: Strides;
  readonly inQuads: number;
  readonly outQuads: number;
}

/** sums += V' Z for all points. (x, dz, sums, blocks of images, scratch). */
export function emitWinogradGradient(spec: WinogradGradientSpec, isa: Isa): FunctionBuilder {
  const { blocks, x, z, inQuads, outQuads } = spec;
  const f = kernelFunction(5);
  const [X, DZ, SUMS, N, TEMPORARY] = [0, 1, 2, 3, 4] as const;
  const lines = new LineEmitter(f, isa, ['input', 'outputGradient']);
  const values = Array.from({ length: 6 }, () => f.local('v128'));
  const tiles = tilesOf(blocks);
  const [vStep, zStep] = [pointStep(tiles, inQuads), pointStep(tiles, outQuads)];
  const [V, Z, xBand, zBand, xAt, zAt, matrix] = f.newLocals('i32', 7);
  offset(f, V, TEMPORARY, temporaryBytes);
  offset(f, Z, V, points * vStep);
  times(f, N, () => {
    f.get(X).set(xBand).get(DZ).set(zBand);
    repeated(f, blocks.bands, () => {
      f.get(V).set(matrix);
      eachTile(f, blocks, inQuads, [{ block: xBand, at: xAt, strides: x }], matrix, () => {
        const from = { base: xAt, row: x.row, col: x.pixel };
        transform(f, lines, 'input', values, from, TEMPORARY, { base: matrix, row: 6 * vStep, col: vStep });
      });
      f.get(Z).set(matrix);
      eachTile(f, blocks, outQuads, [{ block: zBand, at: zAt, strides: z }], matrix, () => {
        const to = { base: matrix, row: 6 * zStep, col: zStep };
        const from = { base: zAt, row: z.row, col: z.pixel };
        transform(f, lines, 'outputGradient', values, from, TEMPORARY, to);
      });
      outerProducts(f, isa, { SUMS, V, Z, vStep, zStep, tiles, inQuads, outQuads });
      advance(f, [
        [xBand, blocks.tileRows * side * x.row],
        [zBand, blocks.tileRows * side * z.row],
      ]);
    });
    advance(f, [
      [X, blocks.images * x.image],
      [DZ, blocks.images * z.image],
    ]);
  });
  return f;
}
