/**
 * ghostnet/train: training in Node and in any browser, without `node:` imports or packages. The main entry makes, counts,
 * runs and saves networks; this one adds the compiled training step. The training loop over files is in the command.
 * @module
 */
export type { Loss } from '../autodiff/nodes.js';
export {
  createTrainer,
  type LayerTime,
  type MemoryPlan,
  type OptimizerOptions,
  planTraining,
  type StepInput,
  type StepResult,
  Trainer,
  type TrainerOptions,
  type TrainerState,
} from './engine.js';
export { type RecalibrateOptions, recalibrateBatchNorm } from './recalibrate.js';
