/** Tables of byte offsets for rearrangements and pooling, from the logical meaning of an op and the views it joins. */
import { type PoolGeometry, poolWindow } from '../../reference/pooling.js';
import { strides, type View } from './maps.js';

/** Offset of a value from the view's origin. */
export function offsetIn(view: View, c: number, y: number, x: number): number {
  const { pixel, row } = strides(view);
  return y * row + x * pixel + c * 4;
}

/** Pairs (from, to) for every stored value of `to`; `source` gives the logical place in `from`, or undefined: zero. */
export function gatherTable(
  from: View,
  to: View,
  source: (c: number, y: number, x: number) => readonly [number, number, number] | undefined,
): Int32Array {
  const { height, width } = to.buffer;
  const stored = Math.ceil(to.channels / 4) * 4;
  const table = new Int32Array(height * width * stored * 2);
  let i = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < stored; c++) {
        const place = c < to.channels ? source(c, y, x) : undefined;
        table[i++] = place ? offsetIn(from, ...place) : -1;
        table[i++] = offsetIn(to, c, y, x);
      }
  return table;
}

/** Exchanges the ends of a table whose sources are all different; values nobody reads stay as they are. */
export function inverseTable(
  from: View,
  to: View,
  source: (c: number, y: number, x: number) => readonly [number, number, number] | undefined,
): Int32Array {
  const { height, width } = to.buffer;
  const pairs: number[] = [];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < to.channels; c++) {
        const place = source(c, y, x);
        if (place) pairs.push(offsetIn(to, c, y, x), offsetIn(from, ...place));
      }
  return Int32Array.from(pairs);
}

export interface PoolTables {
  readonly forward: Int32Array;
  readonly backward: Int32Array;
  readonly taps: number;
}

export type PoolKind =
  | { readonly kind: 'max'; readonly geometry: PoolGeometry }
  | { readonly kind: 'average'; readonly geometry: PoolGeometry & { readonly countIncludePad: boolean } };

/** A row an output pixel, as the pooling kernels read it. `dx`, `dy` absent: the forward table. */
export function poolTable(
  pool: PoolKind,
  x: View,
  y: View,
  gradients?: { readonly dx: View; readonly dy: View },
): Int32Array {
  const { kernel, stride, padding } = pool.geometry;
  const taps = kernel[0] * kernel[1];
  const head = gradients ? 3 : 2;
  const entry = head + taps * (gradients ? 2 : 1);
  const table = new Int32Array(y.buffer.height * y.buffer.width * entry).fill(-1);
  const floats = new Float32Array(table.buffer);
  let at = 0;
  for (let p = 0; p < y.buffer.height; p++)
    for (let q = 0; q < y.buffer.width; q++, at += entry) {
      const rows = poolWindow(p, x.buffer.height, kernel[0], stride[0], padding[0], padding[2]);
      const cols = poolWindow(q, x.buffer.width, kernel[1], stride[1], padding[1], padding[3]);
      const inside = Math.max(rows.to - rows.from, 0) * Math.max(cols.to - cols.from, 0);
      const divisor =
        pool.kind === 'average' && pool.geometry.countIncludePad ? rows.padded * cols.padded : inside;
      table[at] = offsetIn(y, 0, p, q);
      if (gradients) table[at + 1] = offsetIn(gradients.dy, 0, p, q);
      floats[at + head - 1] = inside === 0 ? 0 : 1 / divisor;
      let k = at + head;
      for (let i = rows.from; i < rows.to; i++)
        for (let j = cols.from; j < cols.to; j++) {
          table[k++] = offsetIn(x, 0, i, j);
          if (gradients) table[k++] = offsetIn(gradients.dx, 0, i, j);
        }
    }
  return table;
}
