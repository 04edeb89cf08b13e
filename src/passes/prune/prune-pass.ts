/**
 * A pruning pass from what sets it apart: how it scores channels and whether layers compete. Plans, applies and counts
 * are the same for all. Passes that repair weights after the choice give `repair`.
 */
import { rangeError } from '../../errors.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { Calibration, CompressionPass, CompressionPlan } from '../compression.js';
import { analyzeCoupling, type ChannelGroup, type Coupling } from '../coupling/analyze.js';
import { macCounter } from '../coupling/count.js';
import { removeUnits } from '../coupling/remove.js';
import { chooser, type KeepCounts, keepHighest, keepShare, searchShare } from './choose.js';
import { type PruneOptions, type ResolvedPruneOptions, resolvePruneOptions } from './options.js';
import { countsOfPlan, keepEdits, prunePlan, shapesAsWeights } from './plan.js';

/** All that a score or a repair may look at. */
export interface PruneContext<Options extends PruneOptions> {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly coupling: Coupling;
  /** Groups that may lose channels. */
  readonly groups: readonly ChannelGroup[];
  readonly options: Options;
  readonly calibration: Calibration | undefined;
}

export interface Repaired {
  /** Graph with the old channels, perhaps with biases added, and weights for it. */
  readonly graph: Graph;
  readonly weights: Weights;
  /** Error by layer, as in a plan. */
  readonly errors?: ReadonlyMap<string, number>;
}

export interface PrunePassSpec<Options extends PruneOptions> {
  readonly name: string;
  readonly summary: string;
  /** `each`: every group keeps the same share; `all`: groups compete for what stays. */
  readonly scope: 'each' | 'all';
  /** By unit: what it is worth; NaN where the pass has no opinion, then its group stays whole. */
  score(context: PruneContext<Options>): Float64Array | Promise<Float64Array>;
  /** When applied: scores for the counts that are to stay, where `score` only served to plan. */
  rescore?(context: PruneContext<Options>, counts: KeepCounts): Promise<Float64Array>;
  /** Called once it is known what goes, before it goes. */
  repair?(context: PruneContext<Options>, removed: ReadonlySet<number>): Promise<Repaired>;
}

function freeGroups(
  coupling: Coupling,
  options: ResolvedPruneOptions,
): { readonly groups: readonly ChannelGroup[]; readonly reasons: Map<string, string> } {
  const reasons = new Map<string, string>();
  const groups = coupling.groups.filter(({ name, producers, fixed }) => {
    if (fixed !== undefined) return false;
    const reason = producers.map(options.excluded).find((why) => why !== undefined);
    if (reason !== undefined) reasons.set(name, reason);
    return reason === undefined;
  });
  return { groups, reasons };
}

/** The pass. Its errors: RangeError `BAD_OPTION`, `PLAN_MISFIT`, `WEIGHTS_MISSING`, `NOTHING_TO_PRUNE`. */
export function prunePass<Options extends PruneOptions>(
  spec: PrunePassSpec<Options>,
): CompressionPass<Options> {
  const { name, summary } = spec;
  const prepare = async (graph: Graph, weights: Weights, options: Options, calibration?: Calibration) => {
    const resolved = resolvePruneOptions(name, graph, options);
    const coupling = analyzeCoupling(graph);
    const { groups: free, reasons } = freeGroups(coupling, resolved);
    const context = { graph, weights, coupling, groups: free, options, calibration };
    const scores = await spec.score(context);
    const groups = free.filter((group) => {
      const known = group.units.every((unit) => !Number.isNaN(scores[unit]));
      if (!known) reasons.set(group.name, `${name} has no measure for it`);
      return known;
    });
    if (groups.length === 0)
      throw rangeError(
        'NOTHING_TO_PRUNE',
        `${name}: no channel of "${graph.name}" may go; see skip and only`,
      );
    const choose = chooser(coupling, groups, scores);
    return { resolved, coupling, groups, reasons, scores, choose, context: { ...context, groups } };
  };
  return {
    name,
    summary,
    async plan(graph, weights, options = {} as Options, calibration) {
      const made = await prepare(graph, weights, options, calibration);
      const { resolved, coupling, groups, scores, choose, reasons } = made;
      const countsAt = (share: number): KeepCounts =>
        spec.scope === 'each'
          ? keepShare(groups, share, resolved)
          : keepHighest(groups, scores, share, resolved);
      const macs = macCounter(graph, coupling);
      const counts =
        resolved.keep === undefined
          ? searchShare(macs(new Set()) / resolved.ratio, countsAt, (given) => macs(choose(given)))
          : countsAt(resolved.keep);
      const pruned = removeUnits(graph, shapesAsWeights(graph), coupling, choose(counts)).graph;
      return prunePlan(name, graph, coupling, { pruned, counts, reasons });
    },
    async recount(graph, weights, plan, options = {} as Options, calibration) {
      const made = await prepare(graph, weights, options, calibration);
      const { coupling, groups, reasons, choose } = made;
      const counts = countsOfPlan(name, graph, groups, plan);
      const pruned = removeUnits(graph, shapesAsWeights(graph), coupling, choose(counts)).graph;
      return keepEdits(prunePlan(name, graph, coupling, { pruned, counts, reasons }), plan);
    },
    async apply(graph, weights, plan, options = {} as Options, calibration) {
      const made = await prepare(graph, weights, options, calibration);
      const { coupling, groups, reasons, context } = made;
      const counts = countsOfPlan(name, graph, groups, plan);
      const scores = await spec.rescore?.(context, counts);
      const removed = (scores ? chooser(coupling, groups, scores) : made.choose)(counts);
      const repaired = await spec.repair?.(context, removed);
      const pruned = removeUnits(repaired?.graph ?? graph, repaired?.weights ?? weights, coupling, removed);
      const applied = prunePlan(name, graph, coupling, { pruned: pruned.graph, counts, reasons });
      return { graph: pruned.graph, weights: pruned.weights, plan: withErrors(applied, repaired?.errors) };
    },
  };
}

function withErrors(plan: CompressionPlan, errors?: ReadonlyMap<string, number>): CompressionPlan {
  if (!errors) return plan;
  const layers = plan.layers.map((row) => {
    const error = errors.get(row.layer);
    return error === undefined ? row : { ...row, error };
  });
  return { ...plan, layers };
}
