/**
 * Max, average and global average pooling with PyTorch's rules for padding and ceil mode, as plain loops.
 * Shape legend: N batch, C channels, H and W input size, P and Q output size.
 */
import type { Padding, Pair } from '../graph/nodes.js';
import { windowShape } from '../graph/shapes.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

export interface PoolGeometry {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly ceilMode: boolean;
}

/** Rows (or columns) of the input under one window, and its length with padding but without ceil mode's overhang. */
export interface PoolWindow {
  readonly from: number;
  readonly to: number;
  readonly padded: number;
}

/** The window of output position `p` along one axis. */
export function poolWindow(
  p: number,
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
): PoolWindow {
  const start = p * stride - before;
  const end = Math.min(start + kernel, size + after);
  return { from: Math.max(start, 0), to: Math.min(end, size), padded: end - start };
}

/** Calls `visit` with the plane (n*C + c), output index, and the window's rows and columns of every output value. */
export function forEachWindow(
  x: RealTensor,
  geometry: PoolGeometry,
  visit: (plane: number, output: number, rows: PoolWindow, columns: PoolWindow) => void,
): void {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const { kernel, stride, padding } = geometry;
  const [top, left, bottom, right] = padding;
  const [, , outH = 0, outW = 0] = windowShape(x.shape, channels, geometry);
  for (let plane = 0; plane < batch * channels; plane++)
    for (let p = 0; p < outH; p++)
      for (let q = 0; q < outW; q++) {
        const rows = poolWindow(p, h, kernel[0], stride[0], top, bottom);
        const columns = poolWindow(q, w, kernel[1], stride[1], left, right);
        visit(plane, (plane * outH + p) * outW + q, rows, columns);
      }
}

/** x [N, C, H, W] to [N, C, P, Q]; padding counts as minus infinity. */
export function maxPoolForward(x: RealTensor, geometry: PoolGeometry): RealTensor {
  const { c: channels, h, w } = mapSize(x);
  const y = zeros(windowShape(x.shape, channels, geometry), x);
  forEachWindow(x, geometry, (plane, output, rows, columns) => {
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = rows.from; i < rows.to; i++)
      for (let j = columns.from; j < columns.to; j++)
        largest = Math.max(largest, x.data[(plane * h + i) * w + j] as number);
    y.data[output] = largest;
  });
  return y;
}

/**
 * x [N, C, H, W] to [N, C, P, Q]. The divisor is the window's size, padding zeros included or not; what reaches
 * beyond the padding (ceil mode) never counts.
 */
export function avgPoolForward(
  x: RealTensor,
  geometry: PoolGeometry & { readonly countIncludePad: boolean },
): RealTensor {
  const { c: channels, h, w } = mapSize(x);
  const y = zeros(windowShape(x.shape, channels, geometry), x);
  forEachWindow(x, geometry, (plane, output, rows, columns) => {
    let sum = 0;
    for (let i = rows.from; i < rows.to; i++)
      for (let j = columns.from; j < columns.to; j++) sum += x.data[(plane * h + i) * w + j] as number;
    const inside = Math.max(rows.to - rows.from, 0) * Math.max(columns.to - columns.from, 0);
    const divisor = geometry.countIncludePad ? rows.padded * columns.padded : inside;
    y.data[output] = inside === 0 ? 0 : sum / divisor;
  });
  return y;
}

/** Mean over H and W: [N, C, H, W] to [N, C, 1, 1]. */
export function globalAvgPoolForward(x: RealTensor): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const y = zeros([batch, channels, 1, 1], x);
  for (let plane = 0; plane < batch * channels; plane++) {
    let sum = 0;
    for (let i = plane * h * w; i < (plane + 1) * h * w; i++) sum += x.data[i] as number;
    y.data[plane] = sum / (h * w);
  }
  return y;
}
