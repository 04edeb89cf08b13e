/** What a trainer is told and what it tells: options, a step's input and result, its state. Types and defaults only. */
import type { Loss } from '../autodiff/nodes.js';
import type { TrainingTrial } from '../compiler/training/assemble.js';
import type { OptimizerRule } from '../compiler/training/kernels/optimizer.js';
import type { Tensor, Weights } from '../graph/graph.js';

/** How weights are updated. Defaults: SGD momentum 0.9; RMSprop decay 0.9, momentum 0.9, eps 1e-3; AdamW 0.9, 0.999, 1e-8. */
export type OptimizerOptions = (
  | { readonly kind: 'sgd'; readonly momentum?: number; readonly nesterov?: boolean }
  | { readonly kind: 'rmsprop'; readonly decay?: number; readonly momentum?: number; readonly eps?: number }
  | { readonly kind: 'adamw'; readonly beta1?: number; readonly beta2?: number; readonly eps?: number }
) & {
  readonly weightDecay?: number;
  /** Weight decay on batch norm and biases too. Default false. */
  readonly decayNormAndBias?: boolean;
};

export interface TrainerOptions {
  readonly batch: number;
  /** Default 1. */
  readonly threads?: number;
  /** Default cross-entropy. */
  readonly loss?: Loss;
  readonly optimizer: OptimizerOptions;
  /** Largest global norm of the gradient; 0 (default): no clipping. */
  readonly clipNorm?: number;
  /** Keep an exponential moving average of the weights in the compiled step. */
  readonly ema?: { readonly decay: number };
  /** Learning-rate factor by parameter name; 0: frozen. Default 1 for all. */
  readonly lrScale?: (parameter: string) => number;
  /**
   * Keep no outputs of batch norm for the backward pass: make them again from its inputs there. Less memory,
   * the same bits. Default false.
   */
  readonly recompute?: boolean;
  /**
   * Check every load and store of a step against the memory plan: RangeError `MEMORY_VIOLATION` after a wrong one. Slow.
   * Default false.
   */
  readonly checked?: boolean;
  /** Of dropout. Default 0. */
  readonly seed?: number;
  /** Fused multiply-add of relaxed SIMD. Default: when the engine has it. */
  readonly relaxed?: boolean;
  /** @internal For tests of the threads' order. */
  readonly trial?: TrainingTrial;
}

export interface StepInput {
  /** [N, C, H, W], normalised. */
  readonly images: Float32Array;
  /** Class indices [N], or target rows [N, classes] (mixup, or values for mean squared error). */
  readonly targets: Int32Array | Float32Array;
  /** Distillation: the teacher's logits [N, classes]. */
  readonly teacher?: Float32Array;
  readonly learningRate: number;
}

export interface StepResult {
  /** Mean over the batch, without weight decay. */
  readonly loss: number;
  /** Images whose largest logit is at the (largest) target. */
  readonly correct: number;
}

/** Everything that a resumed run needs for the same bits. */
export interface TrainerState {
  readonly weights: Weights;
  /** By `first/<parameter>`, `second/<parameter>` and `average/<parameter>`. */
  readonly optimizer: ReadonlyMap<string, Tensor>;
  readonly step: number;
}

/**
 * Least milliseconds of a node's steps for the whole batch on one thread. Batch norm counts for the activation that it is
 * fused with, a shortcut's sum for its ReLU; preparing weights for the gradient counts as backward. The update is not in it.
 */
export interface LayerTime {
  readonly node: string;
  readonly forward: number;
  readonly backward: number;
}

export function ruleOf(optimizer: OptimizerOptions): OptimizerRule {
  switch (optimizer.kind) {
    case 'sgd':
      return { kind: 'sgd', momentum: optimizer.momentum ?? 0.9, nesterov: optimizer.nesterov ?? false };
    case 'rmsprop': {
      const { decay = 0.9, momentum = 0.9, eps = 1e-3 } = optimizer;
      return { kind: 'rmsprop', decay, momentum, eps };
    }
    case 'adamw': {
      const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = optimizer;
      return { kind: 'adamw', beta1, beta2, eps };
    }
  }
}
