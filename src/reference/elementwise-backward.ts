/** Gradients of activations, softmax, the gate, and of ops that only move values, as plain loops. */
import { unreachable } from '../errors.js';
import type { ActivationName } from '../graph/nodes.js';
import { mapSize, type RealTensor, zeros } from './tensor.js';

/** The derivative of an activation at x; at a corner, that of the flat side. */
export function activationSlope(name: ActivationName, x: number): number {
  const sigmoid = 1 / (1 + Math.exp(-x));
  switch (name) {
    case 'relu':
      return x > 0 ? 1 : 0;
    case 'relu6':
      return x > 0 && x < 6 ? 1 : 0;
    case 'hardSigmoid':
      return x > -3 && x < 3 ? 1 / 6 : 0;
    case 'hardSwish':
      return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case 'sigmoid':
      return sigmoid * (1 - sigmoid);
    case 'silu':
      return sigmoid * (1 + x * (1 - sigmoid));
    default:
      return unreachable(name);
  }
}

export function activationBackward(x: RealTensor, dy: RealTensor, name: ActivationName): RealTensor {
  const dx = zeros(x.shape, x);
  for (let i = 0; i < dx.data.length; i++) dx.data[i] = dy.data[i]! * activationSlope(name, x.data[i]!);
  return dx;
}

/** Of the product a b, where b may be a gate [N, C, 1, 1]. */
export function mulBackward(
  a: RealTensor,
  b: RealTensor,
  dy: RealTensor,
): { readonly a: RealTensor; readonly b: RealTensor } {
  const gradients = { a: zeros(a.shape, a), b: zeros(b.shape, b) };
  const pixels = a.data.length / b.data.length;
  for (let i = 0; i < a.data.length; i++) {
    const j = Math.floor(i / pixels);
    gradients.a.data[i] = dy.data[i]! * b.data[j]!;
    gradients.b.data[j]! += dy.data[i]! * a.data[i]!;
  }
  return gradients;
}

/** From the softmax's output y over C: dx = y (dy - sum over C of dy y). */
export function softmaxBackward(y: RealTensor, dy: RealTensor): RealTensor {
  const { n, c, h, w } = mapSize(y);
  const dx = zeros(y.shape, y);
  for (let image = 0; image < n; image++)
    for (let pixel = 0; pixel < h * w; pixel++) {
      const at = (channel: number): number => (image * c + channel) * h * w + pixel;
      let sum = 0;
      for (let k = 0; k < c; k++) sum += dy.data[at(k)]! * y.data[at(k)]!;
      for (let k = 0; k < c; k++) dx.data[at(k)] = y.data[at(k)]! * (dy.data[at(k)]! - sum);
    }
  return dx;
}

/**
 * Of an op that only moves or repeats values (slice, concat of one part, pad, shuffle, shift, flatten, upsample): each
 * gradient goes back to where its value came from. `forward` is the op itself; it is run on the numbers 1, 2, ...
 */
export function moveBackward(
  x: RealTensor,
  dy: RealTensor,
  forward: (places: RealTensor) => RealTensor,
): RealTensor {
  const places = forward({ shape: x.shape, data: Float64Array.from(x.data, (_, i) => i + 1) });
  const dx = zeros(x.shape, x);
  for (let i = 0; i < dy.data.length; i++) {
    const place = places.data[i]! - 1;
    if (place >= 0) dx.data[place]! += dy.data[i]!;
  }
  return dx;
}
