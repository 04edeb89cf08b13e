/**
 * One layer's part of the pass: from the old weights, and what was observed where there are pictures, to the wiring, the
 * channels that stay and a fit for each ghost. Neither runs nor rewrites a network.
 */
import type { Weights } from '../../graph/graph.js';
import { describe, fitGhost, type GhostFit } from './fit.js';
import { GaussianStatistics } from './gaussian.js';
import { nonlinearity } from './nonlinearity.js';
import { type GhostSettings, moduleChannels } from './options.js';
import { type MapWindows, SampledStatistics } from './sampled.js';
import { pairCosts, selectWiring, type Wiring } from './select.js';
import { type LayerStatistics, tapsOf } from './statistics.js';
import type { Unit } from './units.js';
import { type ChannelAffine, oldChannels, unitAffine } from './weights.js';

/** Windows of a layer's raw outputs in the old network and in the network as it is now. */
export interface Observed {
  readonly old: MapWindows;
  readonly now: MapWindows;
}

/**
 * For every channel the affine of its present raw output that has the mean and variance of the old v. Least squares would
 * take the smaller slope, and maps would fade from layer to layer; with their variance kept, a ghostified ResNet-20
 * answered about a tenth more of its pictures right before any fine-tuning (docs/ghostify.md).
 */
export function channelsNow(unit: Unit, weights: Weights, { old, now }: Observed): ChannelAffine[] {
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
    let [sx, sv, xx, xv, vv] = [0, 0, 0, 0, 0];
    for (let k = 0; k < x.length; k++) {
      const raw = (x[k] as number) - offset;
      const goal = a * (v[k] as number) + b;
      sx += raw;
      sv += goal;
      xx += raw * raw;
      xv += raw * goal;
      vv += goal * goal;
    }
    const mean = sx / x.length;
    const variance = xx / x.length - mean * mean;
    if (!(variance > 1e-12)) return { ...channel, shift: sv / x.length - channel.scale * mean, mean };
    const goalMean = sv / x.length;
    const goalVariance = Math.max(0, vv / x.length - goalMean * goalMean);
    const both = xv / x.length - mean * goalMean;
    const slope = (both < 0 ? -1 : 1) * Math.sqrt(goalVariance / (variance + 1e-3 * goalVariance));
    return { scale: slope, shift: sv / x.length - slope * mean, mean, variance };
  });
}

export interface FittedModule {
  readonly wiring: Wiring;
  readonly fits: readonly GhostFit[];
  readonly channels: readonly ChannelAffine[];
  /** Of the whole layer, relative. */
  readonly error: number;
}

export function fitModule(
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
