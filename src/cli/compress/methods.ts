/**
 * The compression passes by the names of the command line, each loaded when it is asked for, and the options of the
 * command line that each understands.
 */
import type { CompressionPass } from '../../passes/compression.js';
import { UsageError } from '../report-error.js';

export const methodNames = ['l1', 'cp', 'slimming', 'sfp', 'width', 'lowrank', 'ghost'] as const;
export type MethodName = (typeof methodNames)[number];

/** What the command line says of every pass. */
export interface CommonOptions {
  readonly ratio: number;
  readonly keep?: number;
  readonly skip: readonly string[];
  readonly only?: readonly string[];
  readonly minChannels?: number;
  readonly roundTo?: number;
}

/** A pass whose options are whatever `optionsFor` makes. */
export type AnyPass = CompressionPass<object>;

export async function loadPass(method: MethodName): Promise<AnyPass> {
  switch (method) {
    case 'l1':
      return (await import('../../passes/l1-norm/l1-norm.js')).l1Norm;
    case 'cp':
      return (await import('../../passes/channel-pruning/channel-pruning.js')).channelPruning;
    case 'slimming':
      return (await import('../../passes/slimming/slimming.js')).slimming;
    case 'sfp':
      return (await import('../../passes/soft-pruning/soft-pruning.js')).softPruning;
    case 'width':
      return (await import('../../passes/width/width.js')).uniformWidth;
    case 'lowrank':
      return (await import('../../passes/low-rank/low-rank.js')).lowRank;
    case 'ghost':
      return (await import('../../passes/ghostify/ghostify.js')).ghostifyPass as unknown as AnyPass;
  }
}

/** The options of a pass. Throws UsageError for one that the pass does not have. */
export function optionsFor(method: MethodName, given: CommonOptions): CommonOptions {
  const { keep, ratio } = given;
  if (keep !== undefined && (method === 'lowrank' || method === 'ghost'))
    throw new UsageError(`--keep: ${method} does not remove channels; give --ratio`);
  if (method === 'ghost' && !(Number.isInteger(ratio) && ratio >= 2))
    throw new UsageError(
      `--ratio: given ${ratio}, expected a whole number of at least 2 for ghost (s of the paper)`,
    );
  return given;
}
