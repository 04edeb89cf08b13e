/**
 * What can be asked of ghostify, with its defaults, and the settings of one layer as a plan holds them. Checks values;
 * decides nothing about layers (see units.ts).
 */
import { rangeError } from '../../errors.js';
import type { CheapOperation } from '../../graph/graph.js';
import { ghostChannels } from '../../models/ghost-module.js';
import type { LayerPlan } from '../compression.js';

/**
 * Where batch norm and activation go. `inside`: after the primary convolution and after the cheap operation, as in the
 * paper's module; the cheap operation sees activated maps. `after`: once, after the concatenation; the module itself is
 * linear.
 */
export type Placement = 'inside' | 'after';

/** How the filters that stay are chosen; select.ts says what each does and where it comes from. */
export const selections = ['first', 'norm', 'pivoted', 'grouping'] as const;
export type Selection = (typeof selections)[number];

export interface GhostifyOptions {
  /** s of the paper. Default 2. */
  readonly ratio?: number;
  /** d of the paper. Default 3. */
  readonly cheapKernel?: number;
  /** Default 'depthwise'. */
  readonly cheapOperation?: CheapOperation;
  /** Default 'inside'. */
  readonly placement?: Placement;
  /** Layers to leave: names, or a prefix that ends in `*`. */
  readonly skip?: readonly string[];
  /** Layers to consider; all others are left. Names, or a prefix that ends in `*`. */
  readonly only?: readonly string[];
  /** Fewer output channels: left. Default 8. */
  readonly minChannels?: number;
  /** The number of intrinsic channels is rounded up to a multiple of this. Default 1. */
  readonly roundTo?: number;
  /** Default 'grouping'. */
  readonly selection?: Selection;
  /** With calibration: fit each layer on what the layers before it, already changed, give it. Default true. */
  readonly sequential?: boolean;
  /** With calibration: batch-norm statistics are measured anew at the end. Default true. */
  readonly recalibrate?: boolean;
  /** Also change layers that are predicted to get slower. Default false. */
  readonly allowSlower?: boolean;
  /** Of random choices (calibration windows). Default 1. */
  readonly seed?: number;
}

/** One layer's share of the options: what the plan's JSON lets one edit. */
export interface GhostSettings {
  readonly ratio: number;
  readonly cheapKernel: number;
  readonly cheapOperation: CheapOperation;
  readonly placement: Placement;
  readonly roundTo: number;
  readonly selection: Selection;
}

export type GhostLayerPlan = LayerPlan<GhostSettings>;

const cheapOperations: readonly CheapOperation[] = ['depthwise', 'identity', 'affine', 'haar', 'shift'];

function fail(where: string, argument: string, given: unknown, expected: string): never {
  throw rangeError(
    'BAD_GHOSTIFY',
    `${where}: ${argument}: given ${JSON.stringify(given)}, expected ${expected}`,
  );
}

/** Throws RangeError `BAD_GHOSTIFY` naming the setting. */
export function checkSettings(where: string, settings: GhostSettings): void {
  const { ratio, cheapKernel, cheapOperation, placement, roundTo, selection } = settings;
  if (!Number.isInteger(ratio) || ratio < 2) fail(where, 'ratio', ratio, 'a whole number of at least 2');
  if (![1, 3, 5, 7].includes(cheapKernel)) fail(where, 'cheapKernel', cheapKernel, '1, 3, 5 or 7');
  if (!cheapOperations.includes(cheapOperation))
    fail(where, 'cheapOperation', cheapOperation, `one of ${cheapOperations.join(', ')}`);
  if (placement !== 'inside' && placement !== 'after')
    fail(where, 'placement', placement, '"inside" or "after"');
  if (!Number.isInteger(roundTo) || roundTo < 1)
    fail(where, 'roundTo', roundTo, 'a whole number of at least 1');
  if (!selections.includes(selection)) fail(where, 'selection', selection, `one of ${selections.join(', ')}`);
}

/** The settings that the options mean for every layer. Throws RangeError `BAD_GHOSTIFY`. */
export function settingsOf(options: GhostifyOptions): GhostSettings {
  const settings: GhostSettings = {
    ratio: options.ratio ?? 2,
    cheapKernel: options.cheapKernel ?? 3,
    cheapOperation: options.cheapOperation ?? 'depthwise',
    placement: options.placement ?? 'inside',
    roundTo: options.roundTo ?? 1,
    selection: options.selection ?? 'grouping',
  };
  checkSettings('ghostify', settings);
  const { minChannels = 8 } = options;
  if (!Number.isInteger(minChannels) || minChannels < 2)
    fail('ghostify', 'minChannels', minChannels, 'a whole number of at least 2');
  return settings;
}

/** m intrinsic channels and the m(s-1) that the cheap operation makes of them; together at least `channels`. */
export function moduleChannels(
  channels: number,
  { ratio, roundTo }: GhostSettings,
): { intrinsic: number; ghosts: number } {
  const least = ghostChannels(channels, ratio).intrinsic;
  const intrinsic = Math.min(Math.ceil(least / roundTo) * roundTo, channels);
  return { intrinsic, ghosts: intrinsic * (ratio - 1) };
}

/** Whether a name is in a list of names and prefixes. */
export function isListed(name: string, list: readonly string[]): boolean {
  return list.some((item) => (item.endsWith('*') ? name.startsWith(item.slice(0, -1)) : name === item));
}
