/**
 * What needs Node: model files on disk, PyTorch checkpoints, ONNX export, downloads, picture decoding. Everything of
 * `ghostnet` that runs anywhere is in the main entry; this one adds to it.
 * @module
 */

export type { Loss } from './autodiff/nodes.js';
export { type CalibrationOptions, calibrationOf } from './calibration.js';
export { imagenetLabels } from './data/imagenet-labels.js';
export { type DecodeOptions, decodePicture, decodePictureFile } from './data/node/decode.js';
export { greyToRgb, type RgbPicture, rgbaToRgb, rgbPicture } from './data/picture.js';
export { centreCrop, fitPicture, preprocess, resizeShortSide } from './data/preprocess.js';
export { type Interpolation, resizePicture } from './data/resize.js';
export { type LoadWeightsOptions, loadWeights, WeightsMismatchError } from './formats/key-mapping.js';
export { loadModel, type Model, saveModel } from './formats/model-file.js';
export { cacheFolder } from './formats/node/cache-folder.js';
export {
  type ReadModelOptions,
  readModelFile,
  readQuantizedFile,
  readTensors,
  writeModelFile,
  writeQuantizedFile,
} from './formats/node/model-file.js';
export {
  listPullable,
  type PullOptions,
  type PullResult,
  pulledModel,
  pullModel,
} from './formats/node/pull.js';
export type { PullEntry } from './formats/node/pull-registry.js';
export { exportOnnx, type OnnxExportOptions } from './formats/onnx/export.js';
export { importOnnx, type OnnxImportOptions } from './formats/onnx/import.js';
export { readPytorch } from './formats/pytorch.js';
export { readSafetensors, writeSafetensors } from './formats/safetensors.js';
export * from './passes/compression-passes.js';
export { ghostify, ghostifyPass, ghostifyTrained } from './passes/ghostify/ghostify.js';
export type { GhostifyOptions, GhostSettings, Placement, Selection } from './passes/ghostify/options.js';
export type { GhostPlan } from './passes/ghostify/plan.js';
export { recalibrateBatchNorm } from './passes/recalibrate-batch-norm.js';
export { sinkPermutations } from './passes/sink-permutations.js';
export type { ShipOptions, Shipped } from './ship/build.js';
export { writeShippedModel } from './ship/node/write-folder.js';
export { type ShipPrecision, shipPrecisions } from './ship/precisions.js';
export * from './train/index.js';
export { DivergedError, type EpochRow, type Progress, type StepReport } from './train/loop.js';
export { type Evaluation, Evaluator } from './train/metrics.js';
export { withNewHead } from './train/new-head.js';
export { type Checkpoint, readCheckpoint, writeCheckpoint } from './train/node/checkpoint.js';
export { evaluateStore } from './train/node/evaluate-store.js';
export { type RunOptions, type RunOutcome, runTraining } from './train/node/run-training.js';
export {
  type Teacher,
  type TrainingRecipe,
  type TrainNetworkOptions,
  type TrainNetworkResult,
  trainNetwork,
} from './train/node/train-network.js';
export { openTrainingData, type TrainingData, type TrainingDataOptions } from './train/node/training-data.js';
export { type Recipe, recipe, recipeNames } from './train/recipes.js';
