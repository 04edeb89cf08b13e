/**
 * ghostify: convolutions of a network that exists become Ghost modules, and keep what they learned. A compression pass
 * like the others: plan, look, apply. The parts: units.ts finds layers, plan.ts counts, select.ts chooses filters,
 * fit.ts fits ghosts, weights.ts and rewrite.ts make the module, apply.ts goes through the network.
 *
 * Source: Han et al., GhostNet: More Features from Cheap Operations, CVPR 2020, section 3.1; what is kept of the weights
 * is this project's.
 */
import type { Graph, Weights } from '../../graph/graph.js';
import type { Calibration, CompressionPass } from '../compression.js';
import { applyGhostify } from './apply.js';
import type { GhostifyOptions, GhostSettings } from './options.js';
import { type GhostPlan, planGhostify, replacementsOf } from './plan.js';
import { rewrite } from './rewrite.js';

export const ghostifyPass: CompressionPass<GhostifyOptions, GhostSettings> = {
  name: 'ghostify',
  summary: 'Ghost modules in place of convolutions (Han et al. 2020), weights by least squares',
  plan: (graph, _weights, options) => Promise.resolve(planGhostify(graph, options)),
  apply: (graph, weights, plan, options, calibration) =>
    applyGhostify(graph, weights, plan, options, calibration),
};

/**
 * The graph alone, without weights: eligible convolutions as Ghost modules, and the plan that says which and why.
 * Throws RangeError `BAD_GHOSTIFY`.
 */
export function ghostify(graph: Graph, options: GhostifyOptions = {}): { graph: Graph; plan: GhostPlan } {
  const plan = planGhostify(graph, options);
  return { graph: rewrite(graph, replacementsOf(graph, plan)), plan };
}

/** Plans and applies in one: graph, fitted weights and the plan with the errors. Throws as `ghostify`. */
export function ghostifyTrained(
  graph: Graph,
  weights: Weights,
  options: GhostifyOptions = {},
  calibration?: Calibration,
): Promise<{ graph: Graph; weights: Weights; plan: GhostPlan }> {
  return applyGhostify(graph, weights, planGhostify(graph, options), options, calibration);
}
