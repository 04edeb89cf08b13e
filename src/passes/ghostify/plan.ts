/**
 * The plan of ghostify: every convolution with what it costs now and as a Ghost module, and what is done with it. Counts
 * and predicts; measures nothing and touches no weights.
 */
import { profile } from '../../analysis/profile.js';
import { rangeError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { describeNode } from '../../graph/print.js';
import type { CompressionPlan, LayerCost } from '../compression.js';
import { convolutionMs, movementMs } from './cost-model.js';
import {
  checkSettings,
  type GhostifyOptions,
  type GhostLayerPlan,
  type GhostSettings,
  moduleChannels,
  settingsOf,
} from './options.js';
import { type Replacement, rewrite } from './rewrite.js';
import { findUnits, type Unit, unknownNames } from './units.js';

export type GhostPlan = CompressionPlan<GhostSettings>;

/** What the unit costs as it is. */
function costBefore({ conv, norm, map }: Unit): LayerCost {
  const window = conv.kernel[0] * conv.kernel[1];
  const perOutput = (conv.inChannels / conv.groups) * window;
  const extras = (conv.bias === undefined ? 0 : conv.outChannels) + (norm ? 2 * conv.outChannels : 0);
  return {
    params: conv.outChannels * perOutput + extras,
    macs: conv.outChannels * perOutput * (map[1] ?? 1) * (map[2] ?? 1),
    predictedMs: convolutionMs(conv, map),
  };
}

/** What it would cost as a Ghost module. */
export function costAfter({ conv, norm, map }: Unit, settings: GhostSettings): LayerCost {
  const { intrinsic, ghosts } = moduleChannels(conv.outChannels, settings);
  const { cheapOperation, placement } = settings;
  const pixels = (map[1] ?? 1) * (map[2] ?? 1);
  const perOutput = conv.inChannels * conv.kernel[0] * conv.kernel[1];
  const side = { depthwise: settings.cheapKernel, affine: 1, haar: 2, identity: 0, shift: 0 }[cheapOperation];
  const learned = cheapOperation === 'depthwise' || cheapOperation === 'affine';
  let params = intrinsic * perOutput + (learned ? ghosts * side * side : 0);
  if (!norm) params += intrinsic;
  if (cheapOperation === 'affine' || (cheapOperation === 'depthwise' && !norm)) params += ghosts;
  if (norm) {
    const inside = intrinsic + (cheapOperation === 'identity' ? 0 : ghosts);
    params += 2 * (placement === 'inside' ? inside : conv.outChannels);
  }
  const cheap = {
    inChannels: intrinsic,
    outChannels: ghosts,
    groups: intrinsic,
    kernel: [side, side],
    stride: [1, 1],
    dilation: [1, 1],
  } as const;
  return {
    params,
    macs: pixels * (intrinsic * perOutput + ghosts * side * side),
    predictedMs:
      convolutionMs({ ...conv, outChannels: intrinsic }, map) +
      (side > 0 ? convolutionMs(cheap, map) : movementMs([ghosts, ...map.slice(1)])),
  };
}

function planUnit(unit: Unit, settings: GhostSettings, options: GhostifyOptions): GhostLayerPlan {
  const { conv } = unit;
  const before = costBefore(unit);
  const common = { layer: conv.name, shape: describeNode(conv), settings, before };
  const left = (reason: string): GhostLayerPlan => ({ ...common, apply: false, reason, after: before });
  if (unit.reason !== undefined) return left(unit.reason);
  const { intrinsic } = moduleChannels(conv.outChannels, settings);
  if (intrinsic >= conv.outChannels)
    return left(`${conv.outChannels} channels rounded to ${settings.roundTo} leave no ghosts`);
  const after = costAfter(unit, settings);
  if (after.macs >= before.macs || after.params >= before.params)
    return left('the module would cost more than it saves');
  if ((after.predictedMs ?? 0) > (before.predictedMs ?? 0))
    return {
      ...common,
      apply: options.allowSlower ?? false,
      reason: 'predicted to get slower',
      after,
    };
  return { ...common, apply: true, after };
}

/**
 * The plan for all convolutions of `graph`. Throws RangeError `BAD_GHOSTIFY` for options that cannot be and for names
 * in `skip` and `only` that match no convolution.
 */
export function planGhostify(graph: Graph, options: GhostifyOptions = {}): GhostPlan {
  const settings = settingsOf(options);
  const unknown = unknownNames(graph, options);
  if (unknown.length > 0)
    throw rangeError(
      'BAD_GHOSTIFY',
      `ghostify "${graph.name}": skip and only: no convolution is named ${unknown.map((name) => `"${name}"`).join(', ')}; the plan lists them`,
    );
  const layers = findUnits(graph, options).map((unit) => planUnit(unit, settings, options));
  const none = { params: 0, macs: 0 };
  return withTotals(graph, {
    pass: 'ghostify',
    network: graph.name,
    layers,
    before: none,
    after: none,
  });
}

/**
 * The plan after its settings were edited: costs of each layer and the totals counted anew; measured times of layers
 * whose settings are the same stay, others are estimated. Throws RangeError `PLAN_MISFIT` where a layer cannot become a module.
 */
export function withTotals(graph: Graph, plan: GhostPlan): GhostPlan {
  const units = new Map(findUnits(graph, { minChannels: 2 }).map((unit) => [unit.conv.name, unit]));
  const layers = plan.layers.map((layer): GhostLayerPlan => {
    const unit = units.get(layer.layer);
    if (!unit || !layer.apply) return layer;
    const after = costAfter(unit, layer.settings);
    return { ...layer, after: { ...after, ...measuredOf(layer, after) } };
  });
  const counted = profile(graph);
  const changed = profile(rewrite(graph, replacementsOf(graph, { ...plan, layers })));
  const sum = (key: 'predictedMs' | 'measuredMs', when: 'before' | 'after'): number =>
    layers.reduce(
      (total, layer) => total + ((when === 'after' && layer.apply ? layer.after : layer.before)[key] ?? 0),
      0,
    );
  const times = (when: 'before' | 'after'): Partial<LayerCost> => ({
    predictedMs: sum('predictedMs', when),
    ...(layers.some((layer) => layer.before.measuredMs !== undefined)
      ? { measuredMs: sum('measuredMs', when) }
      : {}),
  });
  return {
    ...plan,
    layers,
    before: { params: counted.params, macs: counted.macs, ...times('before') },
    after: { params: changed.params, macs: changed.macs, ...times('after') },
  };
}

/**
 * The measured time of a layer's module. Where its settings were changed since, what is expected: the old convolution's
 * measured time, times the change that is predicted.
 */
function measuredOf({ before, after }: GhostLayerPlan, now: LayerCost): Partial<LayerCost> {
  if (after.measuredMs !== undefined && after.predictedMs === now.predictedMs)
    return { measuredMs: after.measuredMs };
  if (before.measuredMs === undefined || !before.predictedMs || now.predictedMs === undefined) return {};
  return { measuredMs: (before.measuredMs * now.predictedMs) / before.predictedMs };
}

/** The units that the plan changes. Throws RangeError `PLAN_MISFIT`, `BAD_GHOSTIFY`. */
export function replacementsOf(graph: Graph, plan: GhostPlan): Map<string, Replacement> {
  const units = new Map(findUnits(graph, { minChannels: 2 }).map((unit) => [unit.conv.name, unit]));
  const replacements = new Map<string, Replacement>();
  for (const { layer, apply, settings } of plan.layers) {
    if (!apply) continue;
    const unit = units.get(layer);
    const why = unit ? unit.reason : 'it is no convolution of this network';
    if (!unit || why !== undefined)
      throw rangeError(
        'PLAN_MISFIT',
        `plan for "${plan.network}": layer "${layer}" cannot become a Ghost module: ${why}`,
      );
    checkSettings(`plan, layer "${layer}"`, settings);
    if (moduleChannels(unit.conv.outChannels, settings).intrinsic >= unit.conv.outChannels)
      throw rangeError('PLAN_MISFIT', `plan, layer "${layer}": its settings leave no ghosts`);
    replacements.set(layer, { unit, settings });
  }
  return replacements;
}
