/** Sum and product of two tensors, as plain loops. */
import { mapSize, type RealTensor, zeros } from './tensor.js';

/** a + b; equal shapes. */
export function addForward(a: RealTensor, b: RealTensor): RealTensor {
  const y = zeros(a.shape, a);
  for (let i = 0; i < y.data.length; i++) y.data[i] = (a.data[i] as number) + (b.data[i] as number);
  return y;
}

/** a * b; equal shapes, or a [N, C, H, W] with b a gate [N, C, 1, 1]. */
export function mulForward(a: RealTensor, b: RealTensor): RealTensor {
  const { h, w } = mapSize(a);
  const repeat = b.data.length === a.data.length ? 1 : h * w;
  const y = zeros(a.shape, a);
  for (let i = 0; i < y.data.length; i++)
    y.data[i] = (a.data[i] as number) * (b.data[Math.floor(i / repeat)] as number);
  return y;
}
