/** The compression passes beside ghostify, and what they are made of: one list for the package's entry. */
export { type ChannelPruningOptions, channelPruning } from './channel-pruning/channel-pruning.js';
export type {
  Calibration,
  CompressionPass,
  CompressionPlan,
  CompressionResult,
  LayerCost,
  LayerPlan,
} from './compression.js';
export { planFromJson, planToJson } from './compression.js';
export { analyzeCoupling, type ChannelGroup, type Coupling } from './coupling/analyze.js';
export { maskMakers, maskReaders } from './coupling/mask.js';
export { removeUnits } from './coupling/remove.js';
export { type FilterNormOptions, l1Norm } from './l1-norm/l1-norm.js';
export { type LowRankOptions, lowRank } from './low-rank/low-rank.js';
export type { PruneOptions } from './prune/options.js';
export { type Int8Options, type Int8Settings, int8 } from './quantize/int8-pass.js';
export { restoreBatchNorm } from './restore-batch-norm.js';
export { shrinkScales, slimming } from './slimming/slimming.js';
export { type SoftPruningOptions, softPruning } from './soft-pruning/soft-pruning.js';
export { uniformWidth, type WidthOptions } from './width/width.js';
