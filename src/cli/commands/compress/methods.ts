/**
 * The compression passes by the names of the command line, each loaded when it is asked for, and the options of the
 * command line that each understands.
 */
import type { CompressionPass } from '../../../passes/compression.js';
import { UsageError } from '../../output/report-error.js';

export const methodNames = ['l1', 'cp', 'slimming', 'sfp', 'width', 'lowrank', 'ghost', 'int8'] as const;
export type MethodName = (typeof methodNames)[number];

/** What the command line says of every pass. */
export interface CommonOptions {
  readonly ratio?: number;
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
      return (await import('../../../passes/l1-norm/l1-norm.js')).l1Norm;
    case 'cp':
      return (await import('../../../passes/channel-pruning/channel-pruning.js')).channelPruning;
    case 'slimming':
      return (await import('../../../passes/slimming/slimming.js')).slimming;
    case 'sfp':
      return (await import('../../../passes/soft-pruning/soft-pruning.js')).softPruning;
    case 'width':
      return (await import('../../../passes/width/width.js')).uniformWidth;
    case 'lowrank':
      return (await import('../../../passes/low-rank/low-rank.js')).lowRank;
    case 'ghost':
      return (await import('../../../passes/ghostify/ghostify.js')).ghostifyPass as unknown as AnyPass;
    case 'int8':
      return (await import('../../../passes/quantize/int8-pass.js')).int8 as unknown as AnyPass;
  }
}

/** Options that choose layers and channels, which int8 does not. */
const choosing = {
  ratio: 'ratio',
  keep: 'keep',
  only: 'only',
  minChannels: 'min-channels',
  roundTo: 'round-to',
};

/** The options of a pass. Throws UsageError for one that the pass does not have. */
export function optionsFor(method: MethodName, given: CommonOptions): CommonOptions {
  const { keep, ratio = 2 } = given;
  if (method === 'int8') {
    const wrong = Object.entries(choosing).find(([name]) => given[name as keyof CommonOptions] !== undefined);
    const flag = wrong?.[1] ?? (given.skip.length > 0 ? 'skip' : undefined);
    if (flag) throw new UsageError(`--${flag}: int8 is for the whole network and has one size`);
    return given;
  }
  if (keep !== undefined && (method === 'lowrank' || method === 'ghost'))
    throw new UsageError(`--keep: ${method} does not remove channels; give --ratio`);
  if (method === 'ghost' && !(Number.isInteger(ratio) && ratio >= 2))
    throw new UsageError(
      `--ratio: given ${ratio}, expected a whole number of at least 2 for ghost (s of the paper)`,
    );
  return { ...given, ratio };
}
