/**
 * Chooses s for each layer: how much the network's outputs change when that layer alone becomes a Ghost module with that
 * s is measured on pictures (its sensitivity), and layers are then changed in the order of least change for what they
 * save, until the target is met. Greedy; sensitivities are taken to add up, which the result is checked against.
 */

import { rangeError } from '../../../errors.js';
import type { Graph, Weights } from '../../../graph/graph.js';
import type { Calibration } from '../../../passes/compression.js';
import { applyGhostify } from '../../../passes/ghostify/apply.js';
import type { GhostifyOptions, GhostLayerPlan } from '../../../passes/ghostify/options.js';
import { type GhostPlan, withTotals } from '../../../passes/ghostify/plan.js';
import { type Answers, answersOf, outputError } from '../../measure/answers.js';
import { grouped } from '../../output/terminal.js';

export type Target =
  | { readonly kind: 'macs'; readonly most: number }
  | { readonly kind: 'ms'; readonly most: number }
  | { readonly kind: 'drop'; readonly most: number };

export interface SearchInput {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly plan: GhostPlan;
  readonly options: GhostifyOptions;
  readonly ratios: readonly number[];
  readonly pictures: Calibration;
  /** How much worse the network is than the old one, for the target `drop`; a fraction. */
  readonly dropOf: (graph: Graph, weights: Weights) => Promise<number>;
  readonly onTrial?: (done: number, total: number) => void;
}

/** One layer with one s. */
export interface Trial {
  readonly layer: string;
  readonly ratio: number;
  /** Change of the network's outputs, relative. */
  readonly change: number;
  /** What the network costs with it, in the target's unit. */
  readonly cost: number;
}

const costOf = (layer: GhostLayerPlan, when: 'before' | 'after', kind: Target['kind']): number => {
  const cost = layer[when];
  return kind === 'ms' ? (cost.measuredMs ?? cost.predictedMs ?? 0) : cost.macs;
};

/** Only `layer` applied, with `ratio`. */
function onlyThis(plan: GhostPlan, layer: string, ratio: number): GhostPlan {
  return {
    ...plan,
    layers: plan.layers.map((one) =>
      one.layer === layer
        ? { ...one, apply: true, settings: { ...one.settings, ratio } }
        : { ...one, apply: false },
    ),
  };
}

/** Sensitivity of every layer that the plan applies, for every s. */
export async function sensitivities(input: SearchInput, kind: Target['kind']): Promise<Trial[]> {
  const { graph, weights, plan, options, ratios, pictures } = input;
  const layers = plan.layers.filter((layer) => layer.apply);
  const old: Answers = await answersOf(graph, weights, pictures);
  const trials: Trial[] = [];
  for (const [index, { layer }] of layers.entries())
    for (const [k, ratio] of ratios.entries()) {
      input.onTrial?.(index * ratios.length + k, layers.length * ratios.length);
      const trial = withTotals(graph, onlyThis(plan, layer, ratio));
      const changed = await applyGhostify(
        graph,
        weights,
        trial,
        { ...options, sequential: false, recalibrate: false },
        pictures,
      );
      const now = await answersOf(changed.graph, changed.weights, pictures);
      const planned = trial.layers.find((one) => one.layer === layer) as GhostLayerPlan;
      trials.push({ layer, ratio, change: outputError(old, now), cost: costOf(planned, 'after', kind) });
    }
  return trials;
}

/** The steps in the order in which they are taken: each gives one layer its next s. */
export function greedySteps(plan: GhostPlan, trials: readonly Trial[], kind: Target['kind']): Trial[] {
  const state = new Map(
    plan.layers
      .filter((layer) => layer.apply)
      .map((layer) => [layer.layer, { change: 0, cost: costOf(layer, 'before', kind), ratio: 1 }]),
  );
  const steps: Trial[] = [];
  for (;;) {
    let best: { trial: Trial; price: number } | undefined;
    for (const trial of trials) {
      const now = state.get(trial.layer);
      if (!now || trial.ratio <= now.ratio || trial.cost >= now.cost) continue;
      const price = Math.max(trial.change - now.change, 0) / (now.cost - trial.cost);
      if (!best || price < best.price) best = { trial, price };
    }
    if (!best) return steps;
    steps.push(best.trial);
    const { layer, change, cost, ratio } = best.trial;
    state.set(layer, { change, cost, ratio });
  }
}

/** The plan after the first `count` steps; layers without a step are left. */
export function afterSteps(graph: Graph, plan: GhostPlan, steps: readonly Trial[], count: number): GhostPlan {
  const ratio = new Map(steps.slice(0, count).map((step) => [step.layer, step.ratio]));
  return withTotals(graph, {
    ...plan,
    layers: plan.layers.map((layer) => {
      if (!layer.apply) return layer;
      const chosen = ratio.get(layer.layer);
      if (chosen === undefined) return { ...layer, apply: false, reason: 'not chosen by the search' };
      return { ...layer, settings: { ...layer.settings, ratio: chosen } };
    }),
  });
}

/** The plan that meets the target with the least change. Throws RangeError `TARGET_MISSED` where none does. */
export async function searchPlan(input: SearchInput, target: Target): Promise<GhostPlan> {
  const { graph, plan } = input;
  const trials = await sensitivities(input, target.kind);
  const steps = greedySteps(plan, trials, target.kind);
  if (target.kind === 'drop') return searchDrop(input, steps, target.most);
  const costAt = (count: number): number => {
    const { after } = afterSteps(graph, plan, steps, count);
    return target.kind === 'ms' ? (after.measuredMs ?? after.predictedMs ?? 0) : after.macs;
  };
  for (let count = 0; count <= steps.length; count++)
    if (costAt(count) <= target.most) return afterSteps(graph, plan, steps, count);
  const said = (value: number): string =>
    target.kind === 'ms' ? `${Number(value.toPrecision(3))} ms` : `${grouped(Math.round(value))} MACs`;
  throw rangeError(
    'TARGET_MISSED',
    `target: ${said(target.most)} cannot be reached; with every layer changed as far as it goes it is ${said(costAt(steps.length))}`,
  );
}

/** As many steps as keep the drop within `most`, by bisection: the drop is taken to grow with the steps. */
async function searchDrop(input: SearchInput, steps: readonly Trial[], most: number): Promise<GhostPlan> {
  const { graph, weights, plan, options, pictures } = input;
  let [good, bad] = [0, steps.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    const trial = afterSteps(graph, plan, steps, middle);
    const changed = await applyGhostify(graph, weights, trial, options, pictures);
    if ((await input.dropOf(changed.graph, changed.weights)) <= most) good = middle;
    else bad = middle;
  }
  return afterSteps(graph, plan, steps, good);
}
