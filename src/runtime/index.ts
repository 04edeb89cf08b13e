/**
 * ghostnet/runtime: runs compiled networks. All that a page needs which ships precompiled modules; holds no compiler,
 * no dependency and no `node:` import.
 * @module
 */
export type { CompiledModel, Manifest, ManifestStep, Port } from '../compiler/compiled-model.js';
export { EnvironmentError, errorCode } from '../errors.js';
export { detectFeatures, type Features, type ThreadSupport } from './features.js';
export { type Backend, type InstantiateOptions, instantiate, Network } from './network.js';
