/** Fully connected layer, as plain loops. Shape legend: N batch, F input features, O output features. */
import { mapSize, type RealTensor, zeros } from './tensor.js';

/** y = x W^T + b. x [N, F], weight [O, F], bias [O] or undefined; result [N, O]. */
export function linearForward(x: RealTensor, weight: RealTensor, bias: RealTensor | undefined): RealTensor {
  const { n: batch, c: inFeatures } = mapSize(x);
  const { n: outFeatures } = mapSize(weight);
  const y = zeros([batch, outFeatures], x);
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outFeatures; o++) {
      let sum = bias?.data[o] ?? 0;
      for (let f = 0; f < inFeatures; f++)
        sum += (weight.data[o * inFeatures + f] as number) * (x.data[n * inFeatures + f] as number);
      y.data[n * outFeatures + o] = sum;
    }
  }
  return y;
}
