/**
 * Uniform width: the same network with every group of channels narrower by one factor, as MobileNet's width
 * multiplier. By default with fresh weights, to be trained from scratch: the baseline that pruning has to beat
 * ("Rethinking the Value of Network Pruning", Liu et al. 2019). With `inherit` the first channels keep their weights.
 */
import { initializeWeights } from '../../models/initialize.js';
import type { CompressionPass } from '../compression.js';
import type { PruneOptions } from '../prune/options.js';
import { prunePass } from '../prune/prune-pass.js';

export interface WidthOptions extends PruneOptions {
  /** Keep the weights of the channels that stay. Default false: fresh weights. */
  readonly inherit?: boolean;
  /** Of fresh weights. Default 1. */
  readonly seed?: number;
}

const narrower = prunePass<WidthOptions>({
  name: 'width',
  summary: 'the same network, uniformly narrower, with fresh weights',
  scope: 'each',
  // the first channels stay
  score: ({ coupling }) => Float64Array.from({ length: coupling.unitCount }, (_, unit) => -unit),
});

export const uniformWidth: CompressionPass<WidthOptions> = {
  ...narrower,
  async apply(graph, weights, plan, options = {}, calibration) {
    const result = await narrower.apply(graph, weights, plan, options, calibration);
    if (options.inherit) return result;
    return { ...result, weights: initializeWeights(result.graph, options.seed ?? 1) };
  },
};
