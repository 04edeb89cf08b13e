/**
 * The tiles of Winograd's scheme: how maps are cut into blocks of them, where their values lie in scratch memory, and
 * the two-dimensional transforms at a tile. Not the matrix products.
 *
 * Shape legend: P = 36 points, T tiles of a block, I input channels, O output channels (stored ones); V [P][T][I],
 * U [P][panel][I][8] (a last panel of 4 outputs when needed), M [P][T][O], sums of the weight gradient as U.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { type LineEmitter, type LineKind, lineLengths } from '../../kernels/winograd-lines.js';
import { advance, repeated, type Strides } from './loops.js';

export const points = 36;
export const side = 4;

/** How a map is cut: a block is `images` images, or a band of tile rows of one. */
export interface TileBlocks {
  readonly images: number;
  readonly tileRows: number;
  readonly tileCols: number;
  /** Bands of `tileRows` an image. */
  readonly bands: number;
}

export function tilesOf({ images, tileRows, tileCols }: TileBlocks): number {
  return images * tileRows * tileCols;
}

/** Bytes from one point to the next: an odd number of cache lines, so that points do not fall on each other. */
export function pointStep(tiles: number, quads: number): number {
  return Math.ceil((tiles * quads * 16) / 128) * 128 + 64;
}

/** Bytes of intermediate values in a transform between rows and columns. */
export const temporaryBytes = points * 16;

/** Scratch memory of one thread: temporary, V, and M or Z. */
export function winogradScratch(blocks: TileBlocks, inQuads: number, outQuads: number): number {
  const tiles = tilesOf(blocks);
  return temporaryBytes + points * (pointStep(tiles, inQuads) + pointStep(tiles, outQuads)) + 64;
}

/** Where the values of a two-dimensional transform lie. */
export interface Place {
  readonly base: Local;
  readonly row: number;
  readonly col: number;
}

/** from (rows x cols of vectors) to the transformed square, through `temporary`. */
export function transform(
  f: FunctionBuilder,
  lines: LineEmitter,
  kind: LineKind,
  values: readonly Local[],
  from: Place,
  temporary: Local,
  to: Place,
  start?: (row: number, col: number) => void,
): void {
  const [given, made] = lineLengths[kind];
  const x = values.slice(0, given);
  for (let r = 0; r < given; r++) {
    x.forEach((local, c) => {
      f.get(from.base)
        .mem('v128Load', r * from.row + c * from.col)
        .set(local);
    });
    lines.line(kind, x, (c, value) => {
      f.get(temporary);
      value();
      f.mem('v128Store', (r * made + c) * 16);
    });
  }
  for (let c = 0; c < made; c++) {
    x.forEach((local, r) => {
      f.get(temporary)
        .mem('v128Load', (r * made + c) * 16)
        .set(local);
    });
    lines.line(kind, x, (r, value) => {
      f.get(to.base);
      value();
      start?.(r, c);
      f.mem('v128Store', r * to.row + c * to.col);
    });
  }
}

/** Runs `body` at every tile and quad of a block, `map` at the tile's first pixel, `at` at its place in V or M. */
export function eachTile(
  f: FunctionBuilder,
  blocks: TileBlocks,
  quads: number,
  maps: readonly { readonly block: Local; readonly at: Local; readonly strides: Strides }[],
  matrix: Local,
  body: () => void,
): void {
  const [images, rows] = [maps.map(() => f.local('i32')), maps.map(() => f.local('i32'))];
  const cols = maps.map(() => f.local('i32'));
  const copy = (from: readonly Local[], to: readonly Local[]): void =>
    from.forEach((local, i) => void f.get(local).set(to[i] as Local));
  const move = (locals: readonly Local[], bytes: (s: Strides) => number): void =>
    advance(
      f,
      maps.map(({ strides }, i) => [locals[i] as Local, bytes(strides)] as const),
    );
  copy(
    maps.map(({ block }) => block),
    images,
  );
  repeated(f, blocks.images, () => {
    copy(images, rows);
    repeated(f, blocks.tileRows, () => {
      copy(rows, cols);
      repeated(f, blocks.tileCols, () => {
        copy(
          cols,
          maps.map(({ at }) => at),
        );
        repeated(f, quads, () => {
          body();
          for (const { at } of maps) f.increment(at, 16);
          f.increment(matrix, 16);
        });
        move(cols, ({ pixel }) => side * pixel);
      });
      move(rows, ({ row }) => side * row);
    });
    move(images, ({ image }) => image);
  });
}
