/** What all pruning passes can be told, and its checks. The passes' own options are theirs. */
import { rangeError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';

export interface PruneOptions {
  /** How many times fewer MACs: they fall to about 1/ratio, as near as whole channels come. Default 2. */
  readonly ratio?: number;
  /** Instead of `ratio`: the share of each group's channels that stays, above 0 and up to 1. */
  readonly keep?: number;
  /** Layers (names, `*` stands for any text) whose channels all stay. */
  readonly skip?: readonly string[];
  /** Only channels that these layers make may go. Default all. */
  readonly only?: readonly string[];
  /** Channels that a group keeps at least. Default 4. */
  readonly minChannels?: number;
  /** Groups keep a multiple of this, where they have as many. Default 4: what the kernels are quickest with. */
  readonly roundTo?: number;
}

/** All options, with defaults in place. */
export interface ResolvedPruneOptions {
  readonly ratio: number;
  readonly keep: number | undefined;
  readonly minChannels: number;
  readonly roundTo: number;
  /** Why the channels of a layer must all stay; undefined where they need not. */
  readonly excluded: (layer: string) => string | undefined;
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const tests = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`);
  });
  return (name) => tests.some((test) => test.test(name));
}

/** Throws RangeError `BAD_OPTION` naming the option. A pattern that fits no node is an error too. */
export function resolvePruneOptions(pass: string, graph: Graph, options: PruneOptions): ResolvedPruneOptions {
  const { ratio = 2, keep, minChannels = 4, roundTo = 4, skip = [], only } = options;
  const fail = (option: string, given: unknown, expected: string): never => {
    throw rangeError('BAD_OPTION', `${pass}: ${option}: given ${given}, expected ${expected}`);
  };
  if (!(ratio >= 1 && Number.isFinite(ratio)))
    fail('ratio', ratio, 'a number of at least 1, e.g. 2 for half the MACs');
  if (keep !== undefined && !(keep > 0 && keep <= 1)) fail('keep', keep, 'a share above 0 and up to 1');
  for (const [name, value] of [
    ['minChannels', minChannels],
    ['roundTo', roundTo],
  ] as const)
    if (!Number.isInteger(value) || value < 1) fail(name, value, 'a whole number of at least 1');
  for (const [name, patterns] of [
    ['skip', skip],
    ['only', only ?? []],
  ] as const)
    for (const pattern of patterns)
      if (!graph.nodes.some((node) => matcher([pattern])(node.name)))
        fail(name, JSON.stringify(pattern), `the name of a node of "${graph.name}"`);
  const [skipped, wanted] = [matcher(skip), only === undefined ? () => true : matcher(only)];
  const excluded = (layer: string): string | undefined =>
    skipped(layer)
      ? `"${layer}" is skipped`
      : wanted(layer)
        ? undefined
        : `"${layer}" is not among the wanted`;
  return { ratio, keep, minChannels, roundTo, excluded };
}
