/** PyTorch's storages: flat memory of one type, of which a tensor is a strided view. */
import { FormatError } from '../errors.js';
import type { Tensor } from '../graph/graph.js';
import { float16ToNumber } from './float16.js';
import type { PickleTensor } from './pickle-tensors.js';
import { bfloat16ToNumber } from './safetensors.js';

/** The bytes of a storage by key, or undefined if the checkpoint has none. */
export type Storages = (key: string) => Uint8Array | undefined;

interface StorageType {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number;
}

/** By name; little-endian. Whole numbers beyond 2^24 are rounded when they become floats. */
export const storageTypes: Readonly<Record<string, StorageType>> = {
  FloatStorage: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  DoubleStorage: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  HalfStorage: { bytes: 2, read: (view, at) => float16ToNumber(view.getUint16(at, true)) },
  BFloat16Storage: { bytes: 2, read: (view, at) => bfloat16ToNumber(view.getUint16(at, true)) },
  LongStorage: { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) },
  IntStorage: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  ShortStorage: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  CharStorage: { bytes: 1, read: (view, at) => view.getInt8(at) },
  ByteStorage: { bytes: 1, read: (view, at) => view.getUint8(at) },
  BoolStorage: { bytes: 1, read: (view, at) => view.getUint8(at) },
};

/**
 * Copies a strided view of a storage into row-major floats. The caller has limited the element count.
 * Throws FormatError `PTH_TENSOR` when the view does not fit the storage.
 */
export function copyTensor(name: string, tensor: PickleTensor, bytes: Uint8Array | undefined): Tensor {
  const { storage, offset, shape, strides } = tensor;
  const fail = (what: string): never => {
    throw new FormatError('PTH_TENSOR', `checkpoint: tensor ${JSON.stringify(name.slice(0, 200))}: ${what}`);
  };
  const type = Object.hasOwn(storageTypes, storage.type) ? storageTypes[storage.type] : undefined;
  if (!type) return fail(`storage type ${storage.type} is not known`);
  if (!bytes) return fail(`its storage ${JSON.stringify(storage.key.slice(0, 100))} is missing`);
  const available = Math.floor(bytes.length / type.bytes);
  if (storage.elements > available)
    return fail(`its storage has ${available} elements, the checkpoint says ${storage.elements}`);
  const count = shape.reduce((product, size) => product * size, 1);
  if (count === 0) return { shape, data: new Float32Array(0) };
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] as number), offset);
  if (last >= storage.elements) return fail(`it reaches element ${last} of a storage of ${storage.elements}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Float32Array(count);
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    data[i] = type.read(view, at * type.bytes);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      at += stride;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      at -= stride * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return { shape, data };
}
