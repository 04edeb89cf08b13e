/**
 * Applies a plan: layer by layer, in graph order, chooses the wiring, fits the ghosts and replaces the convolution. With
 * calibration pictures each layer is fitted to the old network's outputs on what the layers before it, already changed,
 * give it; channels that stay are set right by an affine of their own, so that errors do not add up unseen.
 */
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import { type Calibration, checkPlan } from '../compression.js';
import { recalibrateBatchNorm } from '../recalibrate-batch-norm.js';
import { sinkPermutations } from '../sink-permutations.js';
import { describe, fitGhost, type GhostFit } from './fit.js';
import { GaussianStatistics } from './gaussian.js';
import { nonlinearity } from './nonlinearity.js';
import { type GhostifyOptions, type GhostSettings, moduleChannels } from './options.js';
import { type GhostPlan, replacementsOf, withTotals } from './plan.js';
import { type Replacement, rewrite } from './rewrite.js';
import { MapWindows, SampledStatistics } from './sampled.js';
import { pairCosts, selectWiring, type Wiring } from './select.js';
import { type LayerStatistics, reachOf, tapsOf } from './statistics.js';
import { findUnits, type Unit } from './units.js';
import { type ChannelAffine, keptWeights, moduleWeights, oldChannels, unitAffine } from './weights.js';

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

interface Observed {
  readonly old: MapWindows;
  readonly now: MapWindows;
}

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

/** For every channel the affine of its present raw output that comes nearest to the old v, by least squares. */
function channelsNow(unit: Unit, weights: Weights, { old, now }: Observed): ChannelAffine[] {
  const before = oldChannels(unit, weights);
  const [scale, shift] = unitAffine(unit, weights);
  const bias = unit.conv.bias === undefined ? undefined : weights.get(unit.conv.bias)?.data;
  if (old === now) return before;
  const x = new Float64Array(now.samples);
  const v = new Float64Array(old.samples);
  return before.map((channel, c) => {
    now.read(c, 0, 0, x);
    old.read(c, 0, 0, v);
    const [a, b, offset] = [scale[c] as number, shift[c] as number, bias?.[c] ?? 0];
    let [sx, sv, xx, xv] = [0, 0, 0, 0];
    for (let k = 0; k < x.length; k++) {
      const raw = (x[k] as number) - offset;
      const goal = a * (v[k] as number) + b;
      sx += raw;
      sv += goal;
      xx += raw * raw;
      xv += raw * goal;
    }
    const mean = sx / x.length;
    const variance = xx / x.length - mean * mean;
    if (!(variance > 1e-12)) return { ...channel, shift: sv / x.length - channel.scale * mean, mean };
    const slope = (xv / x.length - mean * (sv / x.length)) / variance;
    return { scale: slope, shift: sv / x.length - slope * mean, mean, variance };
  });
}

interface FittedModule {
  readonly wiring: Wiring;
  readonly fits: readonly GhostFit[];
  readonly channels: readonly ChannelAffine[];
  /** Of the whole layer, relative. */
  readonly error: number;
}

function fitModule(
  unit: Unit,
  settings: GhostSettings,
  weights: Weights,
  observed: Observed | undefined,
): FittedModule {
  const { conv } = unit;
  const channels = observed ? channelsNow(unit, weights, observed) : oldChannels(unit, weights);
  const statistics = observed
    ? sampledStatistics(unit, settings, weights, channels, observed)
    : gaussianStatistics(unit, settings, weights);
  const { cheapOperation, cheapKernel, ratio, placement } = settings;
  const f = nonlinearity(unit.activation?.function ?? null);
  // a copy without a norm of its own has nothing to fit
  const fixed =
    (cheapOperation === 'identity' && placement === 'inside') ||
    (!unit.norm && cheapOperation !== 'depthwise' && cheapOperation !== 'affine');
  const weight = weights.get(conv.weight)?.data ?? new Float32Array(0);
  const size = weight.length / conv.outChannels;
  const norms = Float64Array.from({ length: conv.outChannels }, (_, c) =>
    weight.subarray(c * size, (c + 1) * size).reduce((sum, value) => sum + Math.abs(value), 0),
  );
  const pairs = pairCosts(statistics, fixed);
  const { intrinsic } = moduleChannels(conv.outChannels, settings);
  const wiring = selectWiring(settings.selection, pairs, norms, { intrinsic, ratio });
  const fits = wiring.ghosts.map((o, j) => {
    const i = wiring.intrinsic[Math.floor(j / (ratio - 1))] as number;
    const pair = statistics.pair(i, o, tapsOf(cheapOperation, cheapKernel, j));
    if (!fixed) return fitGhost(pair, f);
    // an activated copy is compared with the old channel after its activation
    const copy = placement === 'inside' && cheapOperation === 'identity';
    const target = copy ? pair.target.map(f.value) : pair.target;
    return describe({ ...pair, target }, Float64Array.of(1), 0, copy ? nonlinearity(null) : f);
  });
  const total = pairs.targetVariance.reduce((sum, value) => sum + value, 0);
  const kept = observed ? intrinsicError(unit, weights, channels, wiring, observed) : 0;
  const lost = fits.reduce((sum, fit) => sum + fit.error, kept);
  return { wiring, fits, channels, error: total > 0 ? lost / total : 0 };
}

/** Squared error of the channels that stay, after the activation, summed over channels. */
function intrinsicError(
  unit: Unit,
  weights: Weights,
  channels: readonly ChannelAffine[],
  wiring: Wiring,
  { old, now }: Observed,
): number {
  if (old === now) return 0;
  const f = nonlinearity(unit.activation?.function ?? null);
  const [scale, shift] = unitAffine(unit, weights);
  const bias = unit.conv.bias === undefined ? undefined : weights.get(unit.conv.bias)?.data;
  const x = new Float64Array(now.samples);
  const v = new Float64Array(old.samples);
  let total = 0;
  for (const c of wiring.intrinsic) {
    now.read(c, 0, 0, x);
    old.read(c, 0, 0, v);
    const channel = channels[c] as ChannelAffine;
    let sum = 0;
    for (let k = 0; k < x.length; k++) {
      const p = channel.scale * ((x[k] as number) - (bias?.[c] ?? 0)) + channel.shift;
      sum += (f.value(p) - f.value((scale[c] as number) * (v[k] as number) + (shift[c] as number))) ** 2;
    }
    total += sum / x.length;
  }
  return total;
}

/** From the present raw output, bias included, to what the cheap operation reads before `inner`. */
function innerAffine(
  unit: Unit,
  settings: GhostSettings,
  weights: Weights,
  channels: readonly ChannelAffine[],
): [Float64Array, Float64Array] {
  const bias = unit.conv.bias === undefined ? undefined : weights.get(unit.conv.bias)?.data;
  const raw = settings.placement === 'after' && unit.norm !== undefined;
  const scale = Float64Array.from(channels, (channel) => (raw ? 1 : channel.scale));
  const shift = Float64Array.from(
    channels,
    (channel, c) => (raw ? 0 : channel.shift) - (scale[c] as number) * (bias?.[c] ?? 0),
  );
  return [scale, shift];
}

function sampledStatistics(
  unit: Unit,
  settings: GhostSettings,
  weights: Weights,
  channels: readonly ChannelAffine[],
  observed: Observed,
): LayerStatistics {
  const f = nonlinearity(unit.activation?.function ?? null);
  return new SampledStatistics({
    ...observed,
    oldAffine: unitAffine(unit, weights),
    nowAffine: innerAffine(unit, settings, weights, channels),
    inner: settings.placement === 'inside' ? f.value : (x) => x,
    outer: f.value,
    taps: tapsOf(settings.cheapOperation, settings.cheapKernel, 0),
  });
}

function gaussianStatistics(unit: Unit, settings: GhostSettings, weights: Weights): LayerStatistics {
  const { conv, norm } = unit;
  const weight = weights.get(conv.weight)?.data ?? new Float32Array(0);
  const size = weight.length / conv.outChannels;
  const channels = oldChannels(unit, weights);
  // without a norm: white inputs of variance 1
  const deviationOf = (channel: ChannelAffine, c: number): number => {
    if (norm) return Math.sqrt(channel.variance);
    return Math.sqrt(
      weight.subarray(c * size, (c + 1) * size).reduce((sum, value) => sum + value * value, 0),
    );
  };
  const raw = channels.map((channel, c) => ({ mean: channel.mean, deviation: deviationOf(channel, c) }));
  const f = nonlinearity(unit.activation?.function ?? null);
  const inside = settings.placement === 'inside';
  const through = settings.placement === 'after' && norm !== undefined;
  return new GaussianStatistics({
    conv,
    weight,
    mean: Float64Array.from(channels, ({ scale, shift, mean }) => scale * mean + shift),
    deviation: Float64Array.from(channels, ({ scale }, c) => scale * (raw[c]?.deviation ?? 0)),
    inner: inside ? f.value : (x) => x,
    outer: f.value,
    taps: tapsOf(settings.cheapOperation, settings.cheapKernel, 0),
    ...(through
      ? {
          innerMean: Float64Array.from(raw, ({ mean }) => mean),
          innerDeviation: Float64Array.from(raw, ({ deviation }) => deviation),
        }
      : {}),
  });
}
