/**
 * ghostnet: ghost networks as data, compiled to one small WebAssembly SIMD module.
 *
 * This entry runs everywhere that WebAssembly runs: it has no dependency and no `node:` import. Files, pictures and
 * downloads are in `ghostnet/node`; pages that ship precompiled networks need only `ghostnet/runtime`.
 * @module
 */
export * from './analysis/profile.js';
export { type CompileOptions, compile, compileQuantized } from './compiler/compile.js';
export { createNetwork, createQuantizedNetwork, type NetworkOptions } from './create-network.js';
export { EnvironmentError, errorCode, FormatError } from './errors.js';
export {
  type LoadWeightsOptions,
  loadWeights,
  type Misshaped,
  WeightsMismatchError,
} from './formats/key-mapping.js';
export {
  type FiniteOptions,
  loadModel,
  type Model,
  type SaveModelOptions,
  saveModel,
} from './formats/model-file.js';
export { loadQuantizedModel, saveQuantizedModel } from './formats/quantized-file.js';
export {
  readSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsWriteOptions,
  toTensor,
  writeSafetensors,
} from './formats/safetensors.js';
export * from './graph/builder.js';
export * from './graph/graph.js';
export { fromJson, toJson } from './graph/json.js';
export * from './graph/nodes.js';
export { describeNode, printGraph } from './graph/print.js';
export { inferShapes, type ShapeOptions, type Shapes } from './graph/shapes.js';
export { type GhostModuleOptions, ghostChannels, ghostModule } from './models/ghost-module.js';
export { ghostResNet56BnAfter } from './models/ghost-resnet-bn-after.js';
export { type GhostNetOptions, ghostBottleneck, ghostNet, makeDivisible } from './models/ghostnet.js';
export { initializeWeights } from './models/initialize.js';
export {
  createModel,
  hasModel,
  listModels,
  type ModelEntry,
  type ModelOptions,
  modelEntry,
} from './models/registry.js';
export { cifarResNet, resNet50 } from './models/resnet.js';
export { cifarVgg16 } from './models/vgg.js';
export { eliminateDeadNodes } from './passes/eliminate-dead-nodes.js';
export { foldBatchNorm } from './passes/fold-batch-norm.js';
export { foldBranches } from './passes/fold-branches.js';
export { type PassResult, type PlanStep, printPlan } from './passes/pass.js';
export type { QuantizedNetwork } from './passes/quantize/network.js';
export {
  printQuantizationPlan,
  type QuantizationResult,
  type QuantizationStep,
  type QuantizeOptions,
} from './passes/quantize/quantize.js';
export { type CalibratedOptions, type CalibrationInput, quantize } from './quantize-network.js';
export {
  type Backend,
  type CompiledModel,
  detectFeatures,
  type Features,
  instantiate,
  type Manifest,
  Network,
} from './runtime/index.js';
