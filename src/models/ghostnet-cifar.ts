/**
 * GhostNet-32: this project's own Ghost network for 32x32 pictures, made to learn much in little time. Table 1 of the
 * paper is for 224x224 and spends its time in thin 1x1 convolutions over large maps; here the primary convolutions are
 * 3x3, as in the paper's own CIFAR networks (section 4.1.2), the maps are halved early and the blocks are few and wide,
 * so that nearly all work is dense convolution. Not the paper's GhostNet (ghostnet.ts).
 *
 * Shape legend: [N, C, H, W]; a stage halves H and W.
 */
import { rangeError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';
import { makeDivisible } from './ghostnet.js';

/** One stage: output channels of its stride-2 Ghost module, and how many residual Ghost bottlenecks follow. */
export type StageRow = readonly [channels: number, bottlenecks: number];

/** Stem channels and stages of width 1. */
export const ghostNet32Table = {
  stem: 32,
  stages: [
    [64, 1],
    [128, 1],
    [192, 1],
  ],
} as const satisfies { readonly stem: number; readonly stages: readonly StageRow[] };

export interface GhostNet32Options {
  /** Multiplies all widths. Default 1. */
  readonly width?: number;
  /** Default 10. */
  readonly classes?: number;
  /** Side of the square input, at least 8. Default 32. */
  readonly inputSize?: number;
  /** Rate of the dropout before the classifier. Default 0. */
  readonly dropout?: number;
  /** s of all Ghost modules. Default 2. */
  readonly ratio?: number;
  /** d of all Ghost modules. Default 3. */
  readonly cheapKernel?: number;
  readonly name?: string;
  readonly meta?: GraphMeta;
}

/**
 * Input `input` [3, inputSize, inputSize]; output `classifier` [N, classes].
 * A stage is a stride-2 Ghost module, then bottlenecks of two Ghost modules with a shortcut (figure 3), ReLU after the sum.
 * Throws RangeError `BAD_GHOSTNET`.
 */
export function ghostNet32(options: GhostNet32Options = {}): Graph {
  const { width = 1, classes = 10, inputSize = 32, dropout = 0, ratio = 2, cheapKernel = 3 } = options;
  if (!(width > 0 && width <= 16))
    throw rangeError('BAD_GHOSTNET', `GhostNet-32: width: given ${width}, expected above 0 and at most 16`);
  if (!Number.isInteger(inputSize) || inputSize < 8)
    throw rangeError('BAD_GHOSTNET', `GhostNet-32: inputSize: given ${inputSize}, expected at least 8`);
  const ghost = { kernel: 3, ratio, cheapKernel };
  const g = new GraphBuilder(options.name ?? 'ghostnet-32');
  let x = g.input('input', [3, inputSize, inputSize]);
  x = g.conv2d('conv_stem', x, {
    outChannels: makeDivisible(ghostNet32Table.stem * width, 8),
    kernel: 3,
    padding: 1,
  });
  x = g.activation('act1', g.batchNorm('bn1', x), 'relu');
  ghostNet32Table.stages.forEach(([channels, bottlenecks], i) => {
    const outChannels = makeDivisible(channels * width, 8);
    x = ghostModule(g, `stages.${i}.down`, x, { ...ghost, outChannels, stride: 2 });
    for (let j = 0; j < bottlenecks; j++) {
      const name = `stages.${i}.${j}`;
      let y = ghostModule(g, `${name}.ghost1`, x, { ...ghost, outChannels });
      y = ghostModule(g, `${name}.ghost2`, y, { ...ghost, outChannels, activation: null });
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, x), 'relu');
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('global_pool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('classifier', x, { outFeatures: classes })], options.meta ?? {});
}
