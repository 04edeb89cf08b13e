/**
 * Batch norm over the statistics of the batch (training), and its gradients, as plain loops.
 * Shape legend: N batch, C channels, H, W; M = N * H * W values behind each mean.
 */
import { mapSize, type RealTensor, zeros } from './tensor.js';

export interface BatchStatistics {
  readonly mean: Float64Array;
  /** Biased: divided by M. The running variance takes M / (M - 1) of it, as PyTorch's. */
  readonly variance: Float64Array;
}

function forEachValue(x: RealTensor, visit: (index: number, channel: number) => void): void {
  const { n, c, h, w } = mapSize(x);
  for (let i = 0; i < n * c * h * w; i++) visit(i, Math.floor(i / (h * w)) % c);
}

/** Mean and variance of each channel, in two passes. */
export function batchStatistics(x: RealTensor): BatchStatistics {
  const { n, c, h, w } = mapSize(x);
  const [mean, variance] = [new Float64Array(c), new Float64Array(c)];
  const share = 1 / (n * h * w);
  forEachValue(x, (i, channel) => {
    mean[channel]! += x.data[i]! * share;
  });
  forEachValue(x, (i, channel) => {
    variance[channel]! += (x.data[i]! - mean[channel]!) ** 2 * share;
  });
  return { mean, variance };
}

/** y = (x - mean) / sqrt(variance + eps) * scale + shift with the batch's own mean and variance. */
export function batchNormTrainingForward(
  x: RealTensor,
  scale: RealTensor,
  shift: RealTensor,
  eps: number,
): RealTensor {
  const { mean, variance } = batchStatistics(x);
  const y = zeros(x.shape, x);
  forEachValue(x, (i, c) => {
    y.data[i] = ((x.data[i]! - mean[c]!) / Math.sqrt(variance[c]! + eps)) * scale.data[c]! + shift.data[c]!;
  });
  return y;
}

/** dx = scale / sigma (dy - mean(dy) - xhat mean(dy xhat)); dscale = sum(dy xhat); dshift = sum(dy). */
export function batchNormTrainingBackward(
  x: RealTensor,
  scale: RealTensor,
  dy: RealTensor,
  eps: number,
): { readonly x: RealTensor; readonly scale: RealTensor; readonly shift: RealTensor } {
  const { n, h, w } = mapSize(x);
  const { mean, variance } = batchStatistics(x);
  const count = n * h * w;
  const gradients = {
    x: zeros(x.shape, x),
    scale: zeros(scale.shape, scale),
    shift: zeros(scale.shape, scale),
  };
  const normal = (i: number, c: number): number => (x.data[i]! - mean[c]!) / Math.sqrt(variance[c]! + eps);
  forEachValue(x, (i, c) => {
    gradients.scale.data[c]! += dy.data[i]! * normal(i, c);
    gradients.shift.data[c]! += dy.data[i]!;
  });
  forEachValue(x, (i, c) => {
    const centred =
      dy.data[i]! - (gradients.shift.data[c]! + normal(i, c) * gradients.scale.data[c]!) / count;
    gradients.x.data[i] = (scale.data[c]! / Math.sqrt(variance[c]! + eps)) * centred;
  });
  return gradients;
}
