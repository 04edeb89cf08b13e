/**
 * How a row of an int8 depthwise convolution is cut up. A lane of the dot product holds the taps of one channel, so a
 * block is a run of B input columns (4 or 2) turned on its side, and one block serves every output whose window
 * touches it, each with its taps at another place: a pattern. Decides what is loaded and multiplied; emits nothing.
 */
import type { Padding, Pair } from '../../../graph/nodes.js';
import { type Isa, keepsOrder } from '../kernel.js';
import { elementOf } from './element.js';

export interface DepthwiseShape {
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
}

export interface Block {
  /** First column relative to the tile's first window. */
  readonly column: number;
  readonly uses: readonly { readonly output: number; readonly pattern: number }[];
}

export interface Tile {
  /** First output column and number of outputs. */
  readonly x: number;
  readonly m: number;
  /** Whether some block reaches over the left or right border. */
  readonly clipped: boolean;
  readonly blocks: readonly Block[];
}

export interface DepthwisePlan {
  readonly tiles: readonly Tile[];
  /** Of each pattern, the column of a block's first element relative to the window's first. */
  readonly patterns: readonly number[];
}

/** Columns of a block. */
export function blockColumns(isa: Pick<Isa, 'relaxed'>): number {
  return elementOf(isa).perWord;
}

export function depthwisePlan(shape: DepthwiseShape, isa: Isa): DepthwisePlan {
  const { kernel, stride, dilation, padding, outWidth, width } = shape;
  const B = blockColumns(isa);
  const span = (kernel[1] - 1) * dilation[1] + 1;
  const most = span <= B && keepsOrder(isa) ? 8 : 4;
  const patterns: number[] = [];
  const pattern = (offset: number): number => {
    const known = patterns.indexOf(offset);
    return known >= 0 ? known : patterns.push(offset) - 1;
  };
  const touches = (offset: number): boolean =>
    Array.from({ length: B }, (_, j) => offset + j).some(
      (column) => column >= 0 && column < span && column % dilation[1] === 0,
    );
  const blocksOf = (m: number): Block[] => {
    const blocks: { column: number; uses: { output: number; pattern: number }[] }[] = [];
    for (let output = 0; output < m; output++) {
      const start = output * stride[1];
      if (span > B) continue;
      let block = blocks.at(-1);
      if (!block || start + span > block.column + B) {
        block = { column: start, uses: [] };
        blocks.push(block);
      }
      block.uses.push({ output, pattern: pattern(block.column - start) });
    }
    if (span <= B) return blocks;
    for (let column = 0; column < (m - 1) * stride[1] + span; column += B) {
      const uses = Array.from({ length: m }, (_, output) => ({ output, offset: column - output * stride[1] }))
        .filter(({ offset }) => touches(offset))
        .map(({ output, offset }) => ({ output, pattern: pattern(offset) }));
      if (uses.length > 0) blocks.push({ column, uses });
    }
    return blocks;
  };
  const tiles: Tile[] = [];
  for (let x = 0; x < outWidth; x += most) {
    const m = Math.min(most, outWidth - x);
    const blocks = blocksOf(m);
    const base = x * stride[1] - padding[1];
    const last = Math.max(...blocks.map(({ column }) => column));
    tiles.push({ x, m, blocks, clipped: base < 0 || base + last + B > width });
  }
  return { tiles, patterns };
}

/** Filters [C][kh*kw] in stored order (C a multiple of 4) to [C/4][kh][patterns][4][B]. */
export function packInt8Depthwise(
  weights: Int8Array,
  C: number,
  shape: DepthwiseShape,
  isa: Isa,
): Int8Array | Int16Array {
  const { kernel, dilation } = shape;
  const { patterns } = depthwisePlan(shape, isa);
  const B = blockColumns(isa);
  const length = C * kernel[0] * patterns.length * B;
  const packed = B === 4 ? new Int8Array(length) : new Int16Array(length);
  let at = 0;
  for (let quad = 0; quad < C; quad += 4)
    for (let row = 0; row < kernel[0]; row++)
      for (const offset of patterns)
        for (let lane = 0; lane < 4; lane++)
          for (let j = 0; j < B; j++, at++) {
            const column = offset + j;
            const tap = column / dilation[1];
            if (column < 0 || column % dilation[1] !== 0 || tap >= kernel[1]) continue;
            packed[at] = weights[((quad + lane) * kernel[0] + row) * kernel[1] + tap] as number;
          }
  return packed;
}
