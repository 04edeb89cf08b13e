/** The loss and its gradient as steps: one pass over the logits of every part of the loss. */
import type { Loss } from '../../autodiff/nodes.js';
import type { Block, LoweringContext } from './context.js';
import { emitLoss, type LossSpec } from './kernels/loss.js';
import { quadsOf, type View } from './maps.js';

export interface LossPlaces {
  readonly loss: Loss;
  /** Logits, [N, classes]. */
  readonly output: View;
  /** Where their gradient goes. */
  readonly to: View;
  /** Targets, and those of the teacher, a row an image. */
  readonly hard: Block;
  readonly soft: Block;
  /** Two floats an image for the logarithms of sums, for each part. */
  readonly logSums: Block;
  readonly sharp: Block;
}

export function lowerLoss(
  context: LoweringContext,
  { loss, output, to, hard, soft, logSums, sharp }: LossPlaces,
): void {
  const quads = quadsOf(output.channels);
  const row = quads * 16;
  const batch = context.shares.reduce((sum, { count }) => sum + count, 0);
  const part = (spec: LossSpec, targets: Block, sums: Block): void =>
    context.step(
      () => ({ key: `loss ${JSON.stringify(spec)}`, emit: () => emitLoss(spec) }),
      (share) => [
        context.at(output, share),
        targets.address + share.first * row,
        context.at(to, share),
        sums.address + share.first * 8,
        share.count,
      ],
      [output, to],
    );
  const common = { classes: output.channels, quads, sharpness: 1, add: false };
  switch (loss.kind) {
    case 'crossEntropy':
      part({ ...common, kind: 'crossEntropy', factor: 1 / batch }, hard, logSums);
      break;
    case 'distillation': {
      const { temperature, weight } = loss;
      part({ ...common, kind: 'crossEntropy', factor: (1 - weight) / batch }, hard, logSums);
      const factor = (weight * temperature) / batch;
      part({ ...common, kind: 'crossEntropy', sharpness: 1 / temperature, factor, add: true }, soft, sharp);
      break;
    }
    case 'meanSquaredError':
      part({ ...common, kind: 'meanSquaredError', factor: 1 / (batch * output.channels) }, hard, logSums);
      break;
  }
}
