/**
 * The weights of one Ghost module from those of the convolution it replaces: the chosen filters as they are, each ghost
 * by its fit. What the numbers mean for batch norm is decided here; what they are, in fit.ts.
 *
 * Symbols: r is a convolution's raw output without its bias; v = scale r + shift is what goes into the activation.
 */
import type { Tensor, Weights } from '../../graph/graph.js';
import { haarFilters } from '../../models/ghost-module.js';
import { batchNormAffine } from '../fold-batch-norm.js';
import type { GhostFit } from './fit.js';
import { type GhostSettings, moduleChannels } from './options.js';
import type { Wiring } from './select.js';
import type { Unit } from './units.js';

/** v of a channel as an affine function of its raw output, with that output's statistics. */
export interface ChannelAffine {
  readonly scale: number;
  readonly shift: number;
  readonly mean: number;
  readonly variance: number;
}

const data = (weights: Weights, name: string): Float32Array => weights.get(name)?.data ?? new Float32Array(0);

/** Scale and shift from the convolution's output, its bias included, to v. */
export function unitAffine(unit: Unit, weights: Weights): [Float64Array, Float64Array] {
  const n = unit.conv.outChannels;
  if (!unit.norm) return [new Float64Array(n).fill(1), new Float64Array(n)];
  const { scale, shift } = batchNormAffine(unit.norm, weights);
  return [scale, shift];
}

/** The old layer's channels as they are. */
export function oldChannels(unit: Unit, weights: Weights): ChannelAffine[] {
  const { conv, norm } = unit;
  const [scale, shift] = unitAffine(unit, weights);
  const bias = conv.bias === undefined ? undefined : data(weights, conv.bias);
  return Array.from({ length: conv.outChannels }, (_, c) => ({
    scale: scale[c] as number,
    shift: (shift[c] as number) + (scale[c] as number) * (bias?.[c] ?? 0),
    mean: norm ? (data(weights, norm.mean)[c] as number) - (bias?.[c] ?? 0) : 0,
    variance: norm ? (data(weights, norm.variance)[c] as number) : 1,
  }));
}

/** Batch norm's four values for v = scale r + shift with these statistics of r. */
function norm(channel: ChannelAffine, eps: number): [number, number, number, number] {
  const { scale, shift, mean, variance } = channel;
  return [scale * Math.sqrt(variance + eps), shift + scale * mean, mean, variance];
}

/** A ghost's fit as the affine of its cheap operation's raw output. */
export function ghostChannel(fit: GhostFit, learned: boolean): ChannelAffine {
  if (learned) return { scale: 1, shift: fit.bias, mean: fit.mean, variance: fit.variance };
  // the filter is fixed: its one factor goes into the norm
  const factor = fit.factors[0] as number;
  const by = factor === 0 ? 0 : 1 / factor;
  return { scale: factor, shift: fit.bias, mean: fit.mean * by, variance: fit.variance * by * by };
}

const dead: ChannelAffine = { scale: 0, shift: 0, mean: 0, variance: 1 };

/** What replaces a unit's parameters; names as in rewrite.ts. */
export function moduleWeights(
  unit: Unit,
  settings: GhostSettings,
  weights: Weights,
  made: {
    readonly wiring: Wiring;
    /** By old channel. */
    readonly channels: readonly ChannelAffine[];
    /** By ghost place. */
    readonly fits: readonly GhostFit[];
  },
): Map<string, Tensor> {
  const { conv } = unit;
  const { wiring, channels, fits } = made;
  const inside = settings.placement === 'inside';
  const { intrinsic, ghosts } = moduleChannels(conv.outChannels, settings);
  const out = new Map<string, Tensor>();
  const set = (name: string, shape: readonly number[], values: Float32Array): void => {
    out.set(name, { shape, data: values });
  };
  const primary = `${conv.name}.primary_conv.0`;
  const cheap = `${conv.name}.cheap_operation.0`;
  const old = data(weights, conv.weight);
  const size = old.length / conv.outChannels;
  const primaryWeight = new Float32Array(intrinsic * size);
  wiring.intrinsic.forEach((c, m) => {
    // without a norm the channel's scale goes into its filter
    const scale = unit.norm ? 1 : (channels[c] as ChannelAffine).scale;
    for (let k = 0; k < size; k++) primaryWeight[m * size + k] = (old[c * size + k] as number) * scale;
  });
  set(`${primary}.weight`, [intrinsic, conv.inChannels, conv.kernel[0], conv.kernel[1]], primaryWeight);

  const learned = settings.cheapOperation === 'depthwise' || settings.cheapOperation === 'affine';
  if (learned) {
    const d = settings.cheapOperation === 'affine' ? 1 : settings.cheapKernel;
    const cheapWeight = new Float32Array(ghosts * d * d);
    fits.forEach((fit, j) => {
      cheapWeight.set(fit.factors, j * d * d);
    });
    set(`${cheap}.weight`, [ghosts, 1, d, d], cheapWeight);
  } else if (settings.cheapOperation === 'haar') {
    set(`${cheap}.weight`, [ghosts, 1, 2, 2], haarWeights(ghosts));
  }

  const ghostAffines = Array.from({ length: ghosts }, (_, j) =>
    fits[j] ? ghostChannel(fits[j] as GhostFit, learned) : dead,
  );
  const ofIntrinsic = wiring.intrinsic.map((c) => channels[c] as ChannelAffine);
  const shifts = (list: readonly ChannelAffine[]): Float32Array =>
    Float32Array.from(list, (channel) => channel.shift);
  if (!unit.norm) {
    set(`${primary}.bias`, [intrinsic], shifts(ofIntrinsic));
    if (learned) set(`${cheap}.bias`, [ghosts], shifts(ghostAffines));
    return out;
  }
  const setNorm = (names: readonly string[], list: readonly ChannelAffine[], eps: number): void => {
    const rows = list.map((channel) => norm(channel, eps));
    names.forEach((name, k) => {
      set(
        name,
        [list.length],
        Float32Array.from(rows, (row) => row[k] as number),
      );
    });
  };
  if (!inside) {
    const all = new Array<ChannelAffine>(conv.outChannels);
    wiring.intrinsic.forEach((c, m) => {
      all[c] = ofIntrinsic[m] as ChannelAffine;
    });
    wiring.ghosts.forEach((c, j) => {
      all[c] = ghostAffines[j] as ChannelAffine;
    });
    const { scale, shift, mean, variance, eps } = unit.norm;
    setNorm([scale, shift, mean, variance], all, eps);
    if (settings.cheapOperation === 'affine') set(`${cheap}.bias`, [ghosts], new Float32Array(ghosts));
    return out;
  }
  const names = (half: string): string[] =>
    ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${conv.name}.${half}.1.${part}`);
  setNorm(names('primary_conv'), ofIntrinsic, unit.norm.eps);
  if (settings.cheapOperation === 'affine') set(`${cheap}.bias`, [ghosts], new Float32Array(ghosts));
  if (settings.cheapOperation !== 'identity') setNorm(names('cheap_operation'), ghostAffines, unit.norm.eps);
  return out;
}

function haarWeights(ghosts: number): Float32Array {
  return Float32Array.from({ length: ghosts * 4 }, (_, k) => haarFilters[(k >> 2) % 4]?.[k & 3] ?? 0);
}

/** The numbers of a unit that stays, for channels that became v = scale r + shift. Empty where it has none to follow. */
export function keptWeights(
  unit: Unit,
  weights: Weights,
  channels: readonly ChannelAffine[],
): Map<string, Tensor> {
  const { conv } = unit;
  const out = new Map<string, Tensor>();
  const n = conv.outChannels;
  const bias = conv.bias === undefined ? undefined : data(weights, conv.bias);
  if (unit.norm) {
    const { scale, shift, mean, variance, eps } = unit.norm;
    // the convolution keeps its bias: the norm sees it
    const rows = channels.map((channel, c) => {
      const offset = bias?.[c] ?? 0;
      return norm(
        { ...channel, shift: channel.shift - channel.scale * offset, mean: channel.mean + offset },
        eps,
      );
    });
    [scale, shift, mean, variance].forEach((name, k) => {
      out.set(name, { shape: [n], data: Float32Array.from(rows, (row) => row[k] as number) });
    });
    return out;
  }
  if (conv.bias === undefined) return out;
  const old = data(weights, conv.weight);
  const size = old.length / n;
  out.set(conv.weight, {
    shape: weights.get(conv.weight)?.shape ?? [],
    data: old.map((value, k) => value * (channels[Math.floor(k / size)] as ChannelAffine).scale),
  });
  out.set(conv.bias, { shape: [n], data: Float32Array.from(channels, (channel) => channel.shift) });
  return out;
}
