/**
 * ghostify: convolutions of a network that exists become Ghost modules, and keep what they learned. A compression pass
 * like the others: plan, look, apply. The parts: units.ts finds layers, plan.ts counts, select.ts chooses filters,
 * fit.ts fits ghosts, weights.ts and rewrite.ts make the module, apply.ts goes through the network.
 *
 * Source: Han et al., GhostNet: More Features from Cheap Operations, CVPR 2020, section 3.1; what is kept of the weights
 * is this project's.
 */
import type { Graph, Weights } from '../../graph/graph.js';
import { type Calibration, type CompressionPass, checkPlan } from '../compression.js';
import { applyGhostify } from './apply.js';
import type { GhostifyOptions, GhostSettings } from './options.js';
import { type GhostPlan, planGhostify, replacementsOf, withTotals } from './plan.js';
import { rewrite } from './rewrite.js';

/** Layers that stay cost what they cost; the plan of `ghostify` itself says what they would as modules. */
function asApplied(plan: GhostPlan): GhostPlan {
  return { ...plan, layers: plan.layers.map((row) => (row.apply ? row : { ...row, after: row.before })) };
}

export const ghostifyPass: CompressionPass<GhostifyOptions, GhostSettings> = {
  name: 'ghostify',
  summary: 'Ghost modules in place of convolutions (Han et al. 2020), weights by least squares',
  plan: async (graph, _weights, options) => asApplied(planGhostify(graph, options)),
  recount: async (graph, _weights, plan) => {
    checkPlan(plan, 'ghostify', graph);
    return asApplied(withTotals(graph, plan));
  },
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
