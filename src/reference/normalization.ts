/**
 * Batch normalisation with given statistics (the running ones: inference), as plain loops.
 * Shape legend: N batch, C channels, H, W. All four parameters are [C].
 */
import { mapSize, type RealTensor, zeros } from './tensor.js';

export interface BatchNormParameters {
  readonly scale: RealTensor;
  readonly shift: RealTensor;
  readonly mean: RealTensor;
  readonly variance: RealTensor;
}

/** y = (x - mean) / sqrt(variance + eps) * scale + shift. x and result [N, C, H, W] or [N, C]. */
export function batchNormForward(x: RealTensor, parameters: BatchNormParameters, eps: number): RealTensor {
  const { n: batch, c: channels, h, w } = mapSize(x);
  const y = zeros(x.shape, x);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      const mean = parameters.mean.data[c] as number;
      const deviation = Math.sqrt((parameters.variance.data[c] as number) + eps);
      const scale = parameters.scale.data[c] as number;
      const shift = parameters.shift.data[c] as number;
      const start = (n * channels + c) * h * w;
      for (let i = start; i < start + h * w; i++)
        y.data[i] = (((x.data[i] as number) - mean) / deviation) * scale + shift;
    }
  }
  return y;
}
