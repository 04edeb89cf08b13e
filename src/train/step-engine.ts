/** A trainer as the training loop sees it (loop.ts): batches in, losses out. */
import type { Trainer } from './engine.js';
import type { StepEngine } from './loop.js';

/** With mixup a batch has shares, otherwise labels. */
export function stepEngine(trainer: Trainer): StepEngine {
  return {
    async step({ images, labels, shares }, learningRate) {
      return trainer.step({ images, targets: shares ?? labels, learningRate });
    },
    weights: () => trainer.weights(),
    firstNonFinite: () => trainer.firstNonFinite(),
  };
}
