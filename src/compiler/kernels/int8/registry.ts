/** The closed list of int8 kernels. */
import type { FunctionBuilder } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import { emitInt8Depthwise, type Int8DepthwiseSpec } from './depthwise.js';
import {
  emitInt8Chain,
  emitInt8Mean,
  emitInt8Product,
  emitInt8Table,
  type Int8ChainSpec,
  type Int8MeanSpec,
  type Int8ProductSpec,
  type Int8TableSpec,
} from './elementwise.js';
import { emitInt8Matrix } from './matrix.js';
import type { Int8MatrixSpec } from './matrix-spec.js';
import {
  emitInt8Export,
  emitInt8Floats,
  emitInt8Import,
  emitInt8Pad,
  emitInt8Repack,
  emitInt8Upsample,
  type Int8ExportSpec,
  type Int8FloatsSpec,
  type Int8ImportSpec,
  type Int8PadSpec,
  type Int8RepackSpec,
  type Int8UpsampleSpec,
} from './movement.js';
import { emitInt8Pool, type Int8PoolSpec } from './pool.js';

export type Int8Spec =
  | Int8MatrixSpec
  | Int8DepthwiseSpec
  | Int8ChainSpec
  | Int8ProductSpec
  | Int8TableSpec
  | Int8MeanSpec
  | Int8PoolSpec
  | Int8PadSpec
  | Int8ImportSpec
  | Int8ExportSpec
  | Int8FloatsSpec
  | Int8RepackSpec
  | Int8UpsampleSpec;

export function emitInt8Kernel(spec: Int8Spec, isa: Isa): FunctionBuilder {
  switch (spec.kind) {
    case 'int8Matrix':
      return emitInt8Matrix(spec, isa);
    case 'int8Depthwise':
      return emitInt8Depthwise(spec, isa);
    case 'int8Chain':
      return emitInt8Chain(spec, isa);
    case 'int8Product':
      return emitInt8Product(spec, isa);
    case 'int8Table':
      return emitInt8Table(spec, isa);
    case 'int8Mean':
      return emitInt8Mean(spec, isa);
    case 'int8Pool':
      return emitInt8Pool(spec, isa);
    case 'int8Pad':
      return emitInt8Pad(spec, isa);
    case 'int8Import':
      return emitInt8Import(spec, isa);
    case 'int8Export':
      return emitInt8Export(spec, isa);
    case 'int8Floats':
      return emitInt8Floats(spec, isa);
    case 'int8Repack':
      return emitInt8Repack(spec, isa);
    case 'int8Upsample':
      return emitInt8Upsample(spec, isa);
  }
}
