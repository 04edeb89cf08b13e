/** A trainer as the training loop sees it (loop.ts): batches in, losses out; with a teacher its logits on the way. */
import type { Trainer } from './engine.js';
import type { StepEngine } from './loop.js';

export interface StepEngineOptions {
  /** Whether the trainer keeps a moving average; then its weights are the run's. */
  readonly average: boolean;
  /** Logits [N, classes] of the network to learn from, for the same images [N, C, H, W]. */
  readonly teacher?: (images: Float32Array) => Float32Array | Promise<Float32Array>;
}

/** With mixup a batch has shares, otherwise labels. */
export function stepEngine(trainer: Trainer, options: StepEngineOptions): StepEngine {
  return {
    async step({ images, labels, shares }, learningRate) {
      const teacher = await options.teacher?.(images);
      return trainer.step({
        images,
        targets: shares ?? labels,
        learningRate,
        ...(teacher ? { teacher } : {}),
      });
    },
    weights: () => trainer.weights(options.average ? 'average' : 'current'),
    firstNonFinite: () => trainer.firstNonFinite(),
  };
}
