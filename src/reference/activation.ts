/** Elementwise activations and softmax, as plain loops over 64-bit numbers. */
import { unreachable } from '../errors.js';
import type { ActivationName } from '../graph/nodes.js';
import { mapSize, mapValues, type RealTensor, zeros } from './tensor.js';

function relu6(x: number): number {
  return Math.min(Math.max(x, 0), 6);
}

/** One value through an activation. hardSwish x*relu6(x+3)/6, hardSigmoid relu6(x+3)/6, silu x/(1+e^-x). */
export function activate(name: ActivationName, x: number): number {
  switch (name) {
    case 'relu':
      return Math.max(x, 0);
    case 'relu6':
      return relu6(x);
    case 'hardSwish':
      return (x * relu6(x + 3)) / 6;
    case 'hardSigmoid':
      return relu6(x + 3) / 6;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x));
    case 'silu':
      return x / (1 + Math.exp(-x));
    default:
      return unreachable(name);
  }
}

/** Any shape; the result has the same. */
export function activationForward(x: RealTensor, name: ActivationName): RealTensor {
  return mapValues(x, (value) => activate(name, value));
}

/** Softmax over C. x and result [N, C] or [N, C, H, W]; the largest value is taken off first. */
export function softmaxForward(x: RealTensor): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const y = zeros(x.shape, x);
  const exponentials = new Float64Array(channels);
  for (let n = 0; n < batch; n++) {
    for (let pixel = 0; pixel < h * w; pixel++) {
      const index = (c: number): number => (n * channels + c) * h * w + pixel;
      let largest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < channels; c++) largest = Math.max(largest, x.data[index(c)] as number);
      let sum = 0;
      for (let c = 0; c < channels; c++) {
        const value = Math.exp((x.data[index(c)] as number) - largest);
        exponentials[c] = value;
        sum += value;
      }
      for (let c = 0; c < channels; c++) y.data[index(c)] = (exponentials[c] as number) / sum;
    }
  }
  return y;
}
