/**
 * A grid of trainings: lists of networks, s, d, seeds and any other setting, over common settings, become single
 * configurations with stable names. Pure; what it costs and how it runs is elsewhere.
 */
import { parse } from 'yaml';
import { FormatError } from '../errors.js';
import { createModel, hasModel } from '../models/registry.js';
import { checkSettings, type Settings } from './config.js';

export interface SweepRun {
  /** Of the grid's values, e.g. `ghost-vgg16-cifar_ratio2_seed1`; the name of its files. */
  readonly id: string;
  readonly settings: Settings;
}

/** Settings that only networks with Ghost modules have. */
const ghostSettings: ReadonlySet<string> = new Set(['ratio', 'cheapKernel']);

/** Whether s and d say anything to the network: it has Ghost modules, or it is a file and may have them. */
function hasGhosts(network: string): boolean {
  return !hasModel(network) || createModel(network).ghostModules.length > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The product of a grid's lists. */
function pointsOf(
  grid: Readonly<Record<string, unknown>>,
  fail: (what: string) => never,
): Record<string, unknown>[] {
  let points: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(grid)) {
    if (!Array.isArray(values) || values.length === 0)
      return fail(`grid.${name}: expected a list of at least one value, e.g. [1, 2]`);
    points = points.flatMap((point) => values.map((value: unknown) => ({ ...point, [name]: value })));
  }
  return points;
}

/**
 * Reads a sweep file: `grid` has lists by setting (`network`, `ratio`, `cheapKernel`, `seed`, ...), or is a list of such
 * grids, whose runs come one after the other, each once; everything beside it is a setting of every run. Values of s and
 * d that a network has no use for give one run, not several.
 * `file` names it in errors. Throws FormatError `SWEEP_INVALID` or `CONFIG_INVALID`.
 */
export function readSweep(text: string, file: string): readonly SweepRun[] {
  const fail = (what: string): never => {
    throw new FormatError('SWEEP_INVALID', `${file}: ${what}`);
  };
  let given: unknown;
  try {
    given = parse(text);
  } catch (error) {
    return fail((error as Error).message.split('\n')[0] ?? 'not YAML');
  }
  const grids = isRecord(given) ? [given['grid']].flat() : [];
  if (!isRecord(given) || grids.length === 0 || !grids.every(isRecord))
    return fail(
      'expected "grid:" with lists by setting, e.g. grid: { network: [resnet20-cifar], seed: [1, 2] }',
    );
  const { grid: _, ...common } = given;
  const runs = new Map<string, SweepRun>();
  for (const point of grids.flatMap((grid) => pointsOf(grid, fail))) {
    const network = String(point['network'] ?? common['network'] ?? fail('no network is named'));
    const useful = Object.entries(point).filter(([name]) => !ghostSettings.has(name) || hasGhosts(network));
    const id = [
      network,
      ...useful.filter(([name]) => name !== 'network').map(([name, value]) => `${name}${value}`),
    ]
      .join('_')
      .replaceAll(/[^\w.-]/g, '-');
    const settings = checkSettings({ ...common, ...Object.fromEntries(useful) }, `${file}: ${id}`);
    if (settings.data === undefined) fail('"data" is missing: a CIFAR-10 folder or class folders');
    runs.set(id, { id, settings });
  }
  return [...runs.values()];
}
