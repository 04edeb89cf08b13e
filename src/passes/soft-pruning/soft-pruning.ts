/**
 * Soft filter pruning (He et al. 2018, "Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks",
 * algorithm 1): after every epoch of training the filters with the smallest l2 norms are set to zero but go on being
 * trained; at the end those that are zero are removed. The choice is by coupled units, so that what is zeroed can go.
 * Training is the caller's: `train` is one epoch. Without it the filters are zeroed once and removed.
 */
import type { Graph, Weights } from '../../graph/graph.js';
import type { CompressionPass } from '../compression.js';
import { analyzeCoupling } from '../coupling/analyze.js';
import { maskMakers } from '../coupling/mask.js';
import { chooser } from '../prune/choose.js';
import type { PruneOptions } from '../prune/options.js';
import { countsOfPlan } from '../prune/plan.js';
import { prunePass } from '../prune/prune-pass.js';
import { filterScores } from '../prune/scores.js';

export interface SoftPruningOptions extends PruneOptions {
  /** Epochs of `train`. Default 0. */
  readonly epochs?: number;
  /** Trains the network for one epoch (from 0) and gives its weights. Zeroed filters must not be held at zero. */
  readonly train?: (graph: Graph, weights: Weights, epoch: number) => Promise<Weights>;
}

const hard = prunePass<SoftPruningOptions>({
  name: 'sfp',
  summary:
    'zeroes the filters with the smallest l2 norm between epochs of training, then removes them (He et al. 2018)',
  scope: 'each',
  score: ({ graph, weights, coupling }) => filterScores(graph, weights, coupling, 'l2'),
});

export const softPruning: CompressionPass<SoftPruningOptions> = {
  ...hard,
  async apply(graph, weights, plan, options = {}, calibration) {
    const { epochs = 0, train } = options;
    const coupling = analyzeCoupling(graph);
    const groups = coupling.groups.filter(({ fixed }) => fixed === undefined);
    const counts = countsOfPlan('sfp', graph, groups, plan);
    let current = weights;
    for (let epoch = 0; train && epoch < epochs; epoch++) {
      const trained = await train(graph, current, epoch);
      const scores = filterScores(graph, trained, coupling, 'l2');
      current = maskMakers(graph, trained, coupling, chooser(coupling, groups, scores)(counts));
    }
    // zeroed filters have the smallest norm there is, so the hard choice is the last soft one
    return hard.apply(graph, current, plan, options, calibration);
  },
};
