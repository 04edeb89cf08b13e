/** The closed list of kernels: from a spec to its function. */
import type { FunctionBuilder } from '../emitter/function.js';
import { type ConvSpec, emitConv } from './conv.js';
import { type DepthwiseSpec, emitDepthwise } from './depthwise.js';
import { type ElementwiseSpec, emitElementwise } from './elementwise.js';
import { emitInt8Kernel, type Int8Spec } from './int8/registry.js';
import type { Isa } from './kernel.js';
import {
  type ExportSpec,
  emitExport,
  emitImport,
  emitPad,
  emitRepack,
  emitUpsample,
  type ImportSpec,
  type PadSpec,
  type RepackSpec,
  type UpsampleSpec,
} from './movement.js';
import { rangeClass } from './pairs.js';
import { emitPointwise, type PointwiseSpec } from './pointwise.js';
import { emitGlobalPool, emitPool, type GlobalPoolSpec, type PoolSpec } from './pool.js';
import { emitSoftmax, type SoftmaxSpec } from './softmax.js';
import {
  emitWinogradInput,
  emitWinogradOutput,
  emitWinogradProducts,
  type WinogradInputSpec,
  type WinogradOutputSpec,
  type WinogradProductsSpec,
} from './winograd.js';

export type KernelSpec =
  | PointwiseSpec
  | ConvSpec
  | DepthwiseSpec
  | PoolSpec
  | GlobalPoolSpec
  | ElementwiseSpec
  | SoftmaxSpec
  | PadSpec
  | ImportSpec
  | ExportSpec
  | RepackSpec
  | UpsampleSpec
  | WinogradInputSpec
  | WinogradProductsSpec
  | WinogradOutputSpec
  | Int8Spec;

/** Specs with the same key are the same function. */
export function kernelKey(spec: KernelSpec): string {
  return JSON.stringify('ranges' in spec ? { ...spec, ranges: rangeClass(spec.ranges) } : spec);
}

/** The function of a spec. Its parameters are stated where each kernel is emitted. */
export function emitKernel(spec: KernelSpec, isa: Isa): FunctionBuilder {
  switch (spec.kind) {
    case 'pointwise':
      return emitPointwise(spec, isa);
    case 'conv':
      return emitConv(spec, isa);
    case 'depthwise':
      return emitDepthwise(spec, isa);
    case 'pool':
      return emitPool(spec);
    case 'globalPool':
      return emitGlobalPool(spec);
    case 'elementwise':
      return emitElementwise(spec);
    case 'softmax':
      return emitSoftmax(spec);
    case 'pad':
      return emitPad(spec);
    case 'import':
      return emitImport(spec);
    case 'export':
      return emitExport(spec);
    case 'repack':
      return emitRepack(spec);
    case 'upsample':
      return emitUpsample(spec);
    case 'winogradInput':
      return emitWinogradInput(spec, isa);
    case 'winogradProducts':
      return emitWinogradProducts(spec, isa);
    case 'winogradOutput':
      return emitWinogradOutput(spec, isa);
    default:
      return emitInt8Kernel(spec, isa);
  }
}
