/**
 * Applies a plan: layer by layer, in graph order, chooses the wiring, fits the ghosts and replaces the convolution. With
 * calibration pictures each layer is fitted to the old network's outputs on what the layers before it, already changed,
 * give it; channels that stay are set right by an affine of their own, so that errors do not add up unseen.
 */
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import { type Calibration, checkPlan } from '../compression.js';
import { recalibrateBatchNorm } from '../recalibrate-batch-norm.js';
import { sinkPermutations } from '../sink-permutations.js';
import { channelsNow, fitModule, type Observed } from './fit-module.js';
import type { GhostifyOptions, GhostSettings } from './options.js';
import { type GhostPlan, replacementsOf, withTotals } from './plan.js';
import { type Replacement, rewrite } from './rewrite.js';
import { MapWindows } from './sampled.js';
import { reachOf } from './statistics.js';
import { findUnits, type Unit } from './units.js';
import { keptWeights, moduleWeights } from './weights.js';

export interface ApplyHooks {
  /** Called before each layer, and at the end with `done` equal to `total`. */
  readonly onLayer?: (layer: string, done: number, total: number) => void;
}

/** Samples a layer: fewer where there are many channels, so that second moments stay quick. */
function sampleCount(channels: number): number {
  return Math.max(1024, Math.min(4096, Math.floor(2 ** 20 / channels)));
}

/** Layers whose old outputs are collected in one run. */
const layersPerRun = 12;

/** Pure. Throws RangeError `PLAN_MISFIT`, `BAD_GHOSTIFY` and what running the network throws. */
export async function applyGhostify(
  graph: Graph,
  weights: Weights,
  given: GhostPlan,
  options: GhostifyOptions & ApplyHooks = {},
  calibration?: Calibration,
): Promise<{ graph: Graph; weights: Weights; plan: GhostPlan }> {
  checkPlan(given, 'ghostify', graph);
  const plan = withTotals(graph, given);
  const chosen = replacementsOf(graph, plan);
  const sequential = options.sequential ?? true;
  const units = findUnits(graph, { minChannels: 2 });
  const firstChanged = units.findIndex((unit) => chosen.has(unit.conv.name));
  // before the first change there is nothing to set right
  const work =
    firstChanged < 0
      ? []
      : units
          .slice(firstChanged)
          .filter((unit) => chosen.has(unit.conv.name) || (sequential && calibration && canShift(unit)));

  const done = new Map<string, Replacement>();
  const current = new Map(weights);
  const errors = new Map<string, number>();
  let old = new Map<string, MapWindows>();
  for (const [index, unit] of work.entries()) {
    const { conv } = unit;
    options.onLayer?.(conv.name, index, work.length);
    const windows = (one: Unit): MapWindows =>
      new MapWindows(one.conv.name, one.map, {
        samples: sampleCount(one.conv.outChannels),
        pictures: calibration?.count ?? 1,
        reach: reachFor(chosen.get(one.conv.name)?.settings),
        seed: options.seed ?? 1,
      });
    let observed: Observed | undefined;
    if (calibration) {
      if (!old.has(conv.name))
        old = await observe(calibration, graph, weights, work.slice(index, index + layersPerRun), windows);
      const before = old.get(conv.name) as MapWindows;
      const now =
        sequential && done.size > 0
          ? (await observe(calibration, rewrite(graph, done), current, [unit], windows)).get(conv.name)
          : before;
      observed = { old: before, now: now ?? before };
    }
    const replacement = chosen.get(conv.name);
    if (!replacement) {
      if (observed)
        for (const [name, tensor] of keptWeights(unit, weights, channelsNow(unit, weights, observed)))
          current.set(name, tensor);
      continue;
    }
    const { wiring, fits, channels, error } = fitModule(unit, replacement.settings, weights, observed);
    for (const [name, tensor] of moduleWeights(unit, replacement.settings, weights, {
      wiring,
      channels,
      fits,
    }))
      current.set(name, tensor);
    done.set(conv.name, { ...replacement, wiring });
    errors.set(conv.name, error);
  }
  options.onLayer?.('', work.length, work.length);

  const rewritten = rewrite(graph, done);
  const named = new Set(Object.keys(rewritten.parameters));
  const sunk = sinkPermutations(rewritten, new Map([...current].filter(([name]) => named.has(name))));
  const finished =
    calibration && done.size > 0 && (options.recalibrate ?? true)
      ? await recalibrateBatchNorm(sunk.graph, sunk.weights, calibration)
      : sunk.weights;
  return {
    graph: sunk.graph,
    weights: finished,
    plan: {
      ...plan,
      layers: plan.layers.map((layer) => {
        const error = errors.get(layer.layer);
        return error === undefined ? layer : { ...layer, error };
      }),
    },
  };
}

/** Whether a layer that stays has numbers that can follow what its input became. */
function canShift(unit: Unit): boolean {
  return unit.norm !== undefined || unit.conv.bias !== undefined;
}

function reachFor(settings: GhostSettings | undefined): number {
  return settings ? reachOf(settings.cheapOperation, settings.cheapKernel) : 0;
}

async function observe(
  calibration: Calibration,
  graph: Graph,
  weights: Weights,
  units: readonly Unit[],
  windows: (unit: Unit) => MapWindows,
): Promise<Map<string, MapWindows>> {
  const kept = new Map(units.map((unit) => [unit.conv.name, windows(unit)]));
  await calibration.run(graph, weights, [...kept.keys()], (values) => {
    for (const [name, window] of kept) window.add(values.get(name) as Tensor);
  });
  return kept;
}
