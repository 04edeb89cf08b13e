/**
 * Plans of pruning passes: one row for each convolution and linear layer, with its channels and cost before and after.
 * The row a group of channels is named after carries `channels`, how many the group keeps; the other rows follow.
 * Makes and reads plans; what to score channels by is the passes' affair.
 */
import { profile } from '../../analysis/profile.js';
import { rangeError } from '../../errors.js';
import { consumerMap, elementCount, type Graph, type Weights } from '../../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import { type CompressionPlan, checkPlan, type LayerCost, type LayerPlan } from '../compression.js';
import { type ChannelGroup, type Coupling, convolutionForm } from '../coupling/analyze.js';
import type { KeepCounts } from './choose.js';

type Layer = Conv2dNode | LinearNode;

export function layersOf(graph: Graph): Layer[] {
  return graph.nodes.filter((node) => node.kind === 'conv2d' || node.kind === 'linear');
}

/** Params (with those of a batch norm that alone reads it) and MACs of every layer. */
export function layerCosts(graph: Graph): Map<string, LayerCost> {
  const consumers = consumerMap(graph);
  const rows = new Map(profile(graph).layers.map((row) => [row.name, row]));
  return new Map(
    layersOf(graph).map((node) => {
      const row = rows.get(node.name);
      const readers = consumers.get(node.name) ?? [];
      const [reader] = readers;
      const norm =
        readers.length === 1 && reader?.kind === 'batchNorm' ? (rows.get(reader.name)?.params ?? 0) : 0;
      return [node.name, { params: (row?.params ?? 0) + norm, macs: row?.macs ?? 0 }];
    }),
  );
}

export function totalCost(graph: Graph): LayerCost {
  const { params, macs } = profile(graph);
  return { params, macs };
}

const width = (node: Layer): string =>
  node.kind === 'linear'
    ? `${node.inFeatures}→${node.outFeatures}`
    : `${node.inChannels}→${node.outChannels}`;

/** `3x3 s2 64→128`, `3x3 depthwise 64`, `linear 64→10`. */
export function layerShape(node: Layer): string {
  if (node.kind === 'linear') return `linear ${width(node)}`;
  const stride = node.stride.some((s) => s > 1) ? ` s${node.stride[0]}` : '';
  const form = convolutionForm(node);
  const kernel = node.kernel.join('x');
  if (form === 'depthwise') return `${kernel}${stride} depthwise ${width(node)}`;
  return `${kernel}${stride}${form === 'grouped' ? ` groups ${node.groups}` : ''} ${width(node)}`;
}

/** A graph of the same nodes without values: what counting and planning need of weights is their shape. */
export function shapesAsWeights(graph: Graph): Weights {
  return new Map(
    Object.entries(graph.parameters).map(([name, { shape }]) => [
      name,
      { shape, data: new Float32Array(elementCount(shape)) },
    ]),
  );
}

/** The rows of a network that became `pruned`. `counts` are of the groups that may lose channels. */
export function prunePlan(
  pass: string,
  graph: Graph,
  coupling: Coupling,
  changes: {
    readonly pruned: Graph;
    readonly counts: KeepCounts;
    readonly reasons: ReadonlyMap<string, string>;
  },
): CompressionPlan {
  const { pruned, counts, reasons } = changes;
  const [before, after] = [layerCosts(graph), layerCosts(pruned)];
  const newLayers = new Map(layersOf(pruned).map((node) => [node.name, node]));
  const groupOf = new Map(
    coupling.groups.filter(({ fixed }) => fixed === undefined).map((group) => [group.name, group]),
  );
  const layers = layersOf(graph).map((node): LayerPlan => {
    const count = counts.get(node.name);
    const [old, now] = [before.get(node.name) as LayerCost, after.get(node.name) as LayerCost];
    const becomes = newLayers.get(node.name) as Layer;
    const same = width(becomes) === width(node);
    const size = groupOf.get(node.name)?.units.length ?? 0;
    const leads = count !== undefined;
    const reason = leads
      ? count < size
        ? ''
        : 'nothing to remove at this size'
      : (reasons.get(node.name) ?? followed(node, coupling));
    return {
      layer: node.name,
      shape: same ? layerShape(node) : `${layerShape(node)} to ${width(becomes)}`,
      apply: leads ? count < size : !same,
      settings: leads ? { channels: count } : {},
      ...(reason === '' ? {} : { reason }),
      before: old,
      after: now,
    };
  });
  return { pass, network: graph.name, layers, before: totalCost(graph), after: totalCost(pruned) };
}

/** Which groups a layer's channels belong to, when none is named after it. */
function followed(node: Layer, coupling: Coupling): string {
  const own = new Set(coupling.units.get(node.name));
  const groups = coupling.groups.filter(({ units }) => units.some((unit) => own.has(unit)));
  const free = groups.filter(({ fixed }) => fixed === undefined).map(({ name }) => name);
  if (free.length > 0) return `channels as in ${free.join(', ')}`;
  const [group] = groups;
  return group?.fixed ? `channels stay: ${group.fixed}` : '';
}

/**
 * How many channels each group keeps, from a plan (perhaps edited).
 * Throws RangeError `PLAN_MISFIT` for a plan of something else or a count that cannot be.
 */
export function countsOfPlan(
  pass: string,
  graph: Graph,
  groups: readonly ChannelGroup[],
  plan: CompressionPlan,
): KeepCounts {
  checkPlan(plan, pass, graph);
  const rows = new Map(plan.layers.map((row) => [row.layer, row]));
  return new Map(
    groups.map(({ name, units }) => {
      const row = rows.get(name);
      const channels = row?.settings['channels'] ?? units.length;
      if (
        typeof channels !== 'number' ||
        !Number.isInteger(channels) ||
        channels < 1 ||
        channels > units.length
      )
        throw rangeError(
          'PLAN_MISFIT',
          `plan for "${plan.network}": layer "${name}": channels: given ${channels}, expected a whole number from 1 to ${units.length}`,
        );
      return [name, row?.apply ? channels : units.length];
    }),
  );
}

/** A plan counted anew, with what an editor wrote into rows that it leaves: it may be wanted again. */
export function keepEdits(counted: CompressionPlan, edited: CompressionPlan): CompressionPlan {
  const rows = new Map(edited.layers.map((row) => [row.layer, row]));
  const layers = counted.layers.map((row): LayerPlan => {
    const given = rows.get(row.layer);
    if (!given || given.apply || row.apply || row.settings['channels'] === undefined) return row;
    const { reason: _, ...rest } = row;
    return {
      ...rest,
      settings: given.settings,
      ...(given.reason === undefined ? {} : { reason: given.reason }),
    };
  });
  return { ...counted, layers };
}
