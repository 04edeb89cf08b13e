/**
 * Filter pruning by l1 norm (Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1): the filters with
 * the smallest sums of absolute weights go, the same share in every group. Where a residual sum joins layers, their
 * filters' norms (each relative to its layer's mean) are averaged; the paper lets the shortcut's layer decide instead.
 * Looks at convolution weights only, as the paper does: a batch norm's scale is not counted in.
 */

import type { PruneOptions } from '../prune/options.js';
import { prunePass } from '../prune/prune-pass.js';
import { filterScores, type Norm } from '../prune/scores.js';

export interface FilterNormOptions extends PruneOptions {
  /** Default `l1`. */
  readonly norm?: Norm;
}

export const l1Norm = prunePass<FilterNormOptions>({
  name: 'l1',
  summary: 'removes the filters with the smallest l1 norm (Li et al. 2017)',
  scope: 'each',
  score: ({ graph, weights, coupling, options }) =>
    filterScores(graph, weights, coupling, options.norm ?? 'l1'),
});
