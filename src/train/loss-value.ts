/** Values of the losses for one image, in 64 bits, from the logits that the compiled step leaves. */
import type { Loss } from '../autodiff/nodes.js';

/** Loss of one row of logits [classes]; `soft` are the teacher's probabilities, for distillation. */
export function lossValue(
  loss: Loss,
  logits: Float32Array,
  targets: Float32Array,
  soft: Float32Array,
): number {
  switch (loss.kind) {
    case 'crossEntropy':
      return crossEntropy(logits, targets, 1);
    case 'distillation': {
      const { temperature, weight } = loss;
      // Kullback-Leibler divergence: the cross-entropy less the teacher's own entropy
      let entropy = 0;
      for (const p of soft) if (p > 0) entropy -= p * Math.log(p);
      const divergence = crossEntropy(logits, soft, 1 / temperature) - entropy;
      return (1 - weight) * crossEntropy(logits, targets, 1) + weight * temperature ** 2 * divergence;
    }
    case 'meanSquaredError': {
      let sum = 0;
      for (let c = 0; c < logits.length; c++) sum += (logits[c]! - targets[c]!) ** 2;
      return sum / logits.length;
    }
  }
}

function crossEntropy(logits: Float32Array, targets: Float32Array, sharpness: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) most = Math.max(most, logit);
  if (Number.isNaN(most)) return Number.NaN;
  let sum = 0;
  for (const logit of logits) sum += Math.exp((logit - most) * sharpness);
  const log = Math.log(sum);
  let loss = 0;
  for (let c = 0; c < logits.length; c++)
    if (targets[c] !== 0) loss += targets[c]! * (log - (logits[c]! - most) * sharpness);
  return loss;
}
