/** Gradients of pooling, as plain loops. Shape legend: x [N, C, H, W], dy [N, C, P, Q]. */
import { forEachWindow, type PoolGeometry } from './pooling.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

/** The first largest value of a window takes all of its gradient, as in PyTorch. */
export function maxPoolBackward(x: RealTensor, dy: RealTensor, geometry: PoolGeometry): RealTensor {
  const { h, w } = mapSize(x);
  const dx = zeros(x.shape, x);
  forEachWindow(x, geometry, (plane, output, rows, columns) => {
    let place = -1;
    for (let i = rows.from; i < rows.to; i++)
      for (let j = columns.from; j < columns.to; j++) {
        const at = (plane * h + i) * w + j;
        if (place < 0 || x.data[at]! > x.data[place]!) place = at;
      }
    if (place >= 0) dx.data[place]! += dy.data[output]!;
  });
  return dx;
}

export function avgPoolBackward(
  x: RealTensor,
  dy: RealTensor,
  geometry: PoolGeometry & { readonly countIncludePad: boolean },
): RealTensor {
  const { h, w } = mapSize(x);
  const dx = zeros(x.shape, x);
  forEachWindow(x, geometry, (plane, output, rows, columns) => {
    const inside = Math.max(rows.to - rows.from, 0) * Math.max(columns.to - columns.from, 0);
    const divisor = geometry.countIncludePad ? rows.padded * columns.padded : inside;
    for (let i = rows.from; i < rows.to; i++)
      for (let j = columns.from; j < columns.to; j++)
        dx.data[(plane * h + i) * w + j]! += dy.data[output]! / divisor;
  });
  return dx;
}

/** dy [N, C, 1, 1]. */
export function globalAvgPoolBackward(x: RealTensor, dy: RealTensor): RealTensor {
  const { h, w } = mapSize(x);
  const dx = zeros(x.shape, x);
  for (let i = 0; i < dx.data.length; i++) dx.data[i] = dy.data[Math.floor(i / (h * w))]! / (h * w);
  return dx;
}
