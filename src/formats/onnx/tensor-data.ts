/**
 * Values of ONNX tensors: every float type to 32-bit floats, whole numbers and booleans to 64-bit floats (exact to
 * 2^53, enough for shapes). Lengths are checked before anything is made. External data comes from a function given by
 * the caller, so that this file knows no disk.
 */
import { FormatError } from '../../errors.js';
import { float16Table } from '../float16.js';
import { type OnnxFileTensor, onnxLimits } from './decode.js';
import { dataTypes } from './schema.js';

/** A tensor whose values are known. Floats are a Float32Array, whole numbers and booleans a Float64Array. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** Gives `length` bytes from `offset` of a file beside the model (undefined: to its end). */
export type ExternalData = (location: string, offset: number, length: number | undefined) => Uint8Array;

interface TypeInfo {
  readonly name: string;
  readonly bytes: number;
  readonly float?: true;
  readonly read: (view: DataView, at: number) => number;
}

const types: Readonly<Record<number, TypeInfo>> = {
  [dataTypes.float]: { name: 'float', bytes: 4, float: true, read: (view, at) => view.getFloat32(at, true) },
  [dataTypes.uint8]: { name: 'uint8', bytes: 1, read: (view, at) => view.getUint8(at) },
  [dataTypes.int8]: { name: 'int8', bytes: 1, read: (view, at) => view.getInt8(at) },
  [dataTypes.uint16]: { name: 'uint16', bytes: 2, read: (view, at) => view.getUint16(at, true) },
  [dataTypes.int16]: { name: 'int16', bytes: 2, read: (view, at) => view.getInt16(at, true) },
  [dataTypes.int32]: { name: 'int32', bytes: 4, read: (view, at) => view.getInt32(at, true) },
  [dataTypes.int64]: { name: 'int64', bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  [dataTypes.bool]: { name: 'bool', bytes: 1, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  [dataTypes.float16]: {
    name: 'float16',
    bytes: 2,
    float: true,
    read: (view, at) => float16Table()[view.getUint16(at, true)]!,
  },
  [dataTypes.double]: {
    name: 'double',
    bytes: 8,
    float: true,
    read: (view, at) => view.getFloat64(at, true),
  },
  [dataTypes.uint32]: { name: 'uint32', bytes: 4, read: (view, at) => view.getUint32(at, true) },
  [dataTypes.uint64]: { name: 'uint64', bytes: 8, read: (view, at) => Number(view.getBigUint64(at, true)) },
  [dataTypes.bfloat16]: {
    name: 'bfloat16',
    bytes: 2,
    float: true,
    read: (view, at) => bfloat16(view.getUint16(at, true)),
  },
};

const word = new DataView(new ArrayBuffer(4));

function bfloat16(bits: number): number {
  word.setUint32(0, (bits << 16) >>> 0);
  return word.getFloat32(0);
}

/** The type's name, for people. */
export function typeName(dataType: number): string {
  return types[dataType]?.name ?? `type ${dataType}`;
}

/** Whether a cast to this type keeps a float a float. */
export function isFloatType(dataType: number): boolean {
  return types[dataType]?.float === true;
}

export function isFloat(constant: Constant): boolean {
  return constant.data instanceof Float32Array;
}

function fail(tensor: OnnxFileTensor, what: string, code = 'ONNX_TENSOR'): never {
  throw new FormatError(code, `ONNX: tensor "${tensor.name.slice(0, 200)}": ${what}`);
}

/** Elements of the tensor's shape. Throws FormatError `ONNX_TENSOR` or `ONNX_LIMIT`. */
export function tensorElements(tensor: OnnxFileTensor): number {
  if (tensor.dims.length > 16) fail(tensor, `${tensor.dims.length} dimensions, at most 16`, 'ONNX_LIMIT');
  let count = 1;
  for (const dim of tensor.dims) {
    if (!(dim >= 0)) fail(tensor, `a dimension of ${dim}`);
    count *= dim;
  }
  if (count > onnxLimits.elements)
    fail(tensor, `[${tensor.dims.join(', ')}] has more than ${onnxLimits.elements} elements`, 'ONNX_LIMIT');
  return count;
}

/** Raw bytes of the tensor, from the file or from beside it; undefined when its values are in number fields. */
function rawBytes(tensor: OnnxFileTensor, expected: number, external?: ExternalData): Uint8Array | undefined {
  if (!tensor.external) return tensor.rawData;
  const location = tensor.external.get('location') ?? fail(tensor, 'external data without a location');
  const whole = (key: string): number | undefined => {
    const text = tensor.external?.get(key);
    if (text === undefined) return undefined;
    return /^\d{1,15}$/.test(text)
      ? Number(text)
      : fail(tensor, `external data: ${key} "${text.slice(0, 40)}"`);
  };
  const length = whole('length');
  if (length !== undefined && length !== expected)
    fail(tensor, `external data of ${length} bytes, expected ${expected}`);
  if (!external)
    return fail(
      tensor,
      `its values lie in another file ("${location.slice(0, 100)}"); open the model from disk`,
      'ONNX_EXTERNAL_DATA',
    );
  return external(location, whole('offset') ?? 0, expected);
}

/**
 * The values of a tensor. Throws FormatError `ONNX_TENSOR` (values do not fit the shape, unknown type), `ONNX_LIMIT`,
 * `ONNX_EXTERNAL_DATA` and what `external` throws.
 */
export function readTensor(tensor: OnnxFileTensor, external?: ExternalData): Constant {
  const count = tensorElements(tensor);
  const type = types[tensor.dataType];
  if (!type)
    return fail(tensor, `${typeName(tensor.dataType)} is not read; expected a float, integer or bool type`);
  const raw = rawBytes(tensor, count * type.bytes, external);
  const make = (length: number): Float32Array | Float64Array =>
    type.float ? new Float32Array(length) : new Float64Array(length);
  if (raw) {
    if (raw.length !== count * type.bytes)
      fail(
        tensor,
        `${raw.length} bytes, expected ${count * type.bytes} for ${type.name} [${tensor.dims.join(', ')}]`,
      );
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const data = make(count);
    for (let i = 0; i < count; i++) data[i] = type.read(view, i * type.bytes);
    return { shape: tensor.dims, data };
  }
  const values = numberField(tensor);
  if (values.length !== count)
    fail(tensor, `${values.length} values, expected ${count} for [${tensor.dims.join(', ')}]`);
  const data = make(count);
  const bits = tensor.dataType === dataTypes.float16 || tensor.dataType === dataTypes.bfloat16;
  const view = new DataView(new ArrayBuffer(2));
  for (let i = 0; i < count; i++) {
    if (bits) view.setUint16(0, values[i]!, true);
    data[i] = bits ? type.read(view, 0) : values[i]!;
  }
  return { shape: tensor.dims, data };
}

function numberField(tensor: OnnxFileTensor): readonly number[] {
  switch (tensor.dataType) {
    case dataTypes.float:
      return tensor.floats;
    case dataTypes.double:
      return tensor.doubles;
    case dataTypes.int64:
      return tensor.int64s;
    case dataTypes.uint32:
    case dataTypes.uint64:
      return tensor.uint64s;
    default:
      return tensor.int32s;
  }
}
