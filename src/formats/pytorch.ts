/**
 * Reads PyTorch checkpoints (`.pth`, `.pt`): a zip of a pickle and one file a storage. State dictionaries, also under
 * `state_dict`, `model` or `ema`; nothing is ever run (see pickle.ts). Needs a zip library, so it is not part of the
 * browser entry.
 */
import { unzipSync } from 'fflate';
import { FormatError } from '../errors.js';
import type { Tensor } from '../graph/graph.js';
import { float16ToNumber } from './float16.js';
import { type PickleStorage, type PickleTensor, type PickleValue, readPickle } from './pickle.js';
import { bfloat16ToNumber } from './safetensors.js';

/** Unpacked bytes that a checkpoint may have in all. */
export const maxCheckpointBytes = 2 ** 31;
/** Elements that all tensors together may have (views may repeat a storage). */
export const maxCheckpointElements = 2 ** 29;

/** Deflate cannot expand more than this. */
const maxExpansion = 1032;

interface StorageType {
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number;
}

const storageTypes: Readonly<Record<string, StorageType>> = {
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

function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  let total = 0;
  try {
    const files = unzipSync(bytes, {
      filter: (file) => {
        if (file.originalSize > file.size * maxExpansion + 64)
          throw new FormatError(
            'PTH_LIMIT',
            `checkpoint: "${file.name}" claims to unpack ${file.size} bytes to ${file.originalSize}`,
          );
        total += file.originalSize;
        if (total > maxCheckpointBytes)
          throw new FormatError(
            'PTH_LIMIT',
            `checkpoint: it unpacks to more than ${maxCheckpointBytes} bytes`,
          );
        return true;
      },
    });
    return new Map(Object.entries(files));
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError('PTH_ZIP', `checkpoint: the zip archive is damaged (${(cause as Error).message})`, {
      cause,
    });
  }
}

/** Copies a strided view of a storage into row-major floats. */
function readTensor(name: string, tensor: PickleTensor, storages: ReadonlyMap<string, Uint8Array>): Tensor {
  const { storage, offset, shape, strides } = tensor;
  const fail = (what: string): never => {
    throw new FormatError('PTH_TENSOR', `checkpoint: tensor "${name.slice(0, 200)}": ${what}`);
  };
  const type = storageType(storage, fail);
  const bytes = storages.get(storage.key) ?? fail(`its storage "${storage.key.slice(0, 100)}" is missing`);
  const available = Math.floor(bytes.length / type.bytes);
  if (storage.elements > available)
    fail(`its storage has ${available} elements, the checkpoint says ${storage.elements}`);
  const count = shape.reduce((product, size) => product * size, 1);
  if (count > maxCheckpointElements) fail(`${count} elements, at most ${maxCheckpointElements}`);
  if (count === 0) return { shape, data: new Float32Array(0) };
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), offset);
  if (last >= available) fail(`it reaches element ${last} of a storage of ${available}`);
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

function storageType(storage: PickleStorage, fail: (what: string) => never): StorageType {
  return storageTypes[storage.type] ?? fail(`storage type ${storage.type} is not known`);
}

/** The dictionary of tensors in a checkpoint's value: itself, or under a usual key. */
function findStateDict(value: PickleValue): Map<PickleValue, PickleValue> {
  if (value instanceof Map) {
    for (const key of ['state_dict', 'model', 'state_dict_ema', 'ema', 'net', 'network']) {
      const inner = value.get(key);
      if (inner instanceof Map) return inner;
    }
    return value;
  }
  throw new FormatError(
    'PTH_NOT_STATE_DICT',
    'checkpoint: it holds no dictionary of tensors; save model.state_dict()',
  );
}

/** Whether bytes look like a checkpoint that `readPytorch` understands or knows by name. */
export function isPytorch(bytes: Uint8Array): boolean {
  return (bytes[0] === 0x50 && bytes[1] === 0x4b) || isLegacy(bytes);
}

/** The format before PyTorch 1.6 begins with a pickled magic number; tar archives are older still. */
function isLegacy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && (bytes[1] as number) >= 2 && (bytes[1] as number) <= 5;
}

/**
 * Tensors of a checkpoint by name, as 32-bit floats. Throws FormatError `PTH_LEGACY` (the format before PyTorch 1.6,
 * with how to convert it), `PTH_ZIP`, `PTH_LIMIT`, `PTH_TENSOR`, `PTH_NOT_STATE_DICT`, `PTH_BYTE_ORDER` or those of
 * readPickle.
 */
export function readPytorch(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  if (isLegacy(bytes))
    throw new FormatError(
      'PTH_LEGACY',
      'checkpoint: this is the format before PyTorch 1.6; convert it with torch.save(torch.load(path), path)',
      { offset: 0 },
    );
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b)
    throw new FormatError('PTH_ZIP', 'checkpoint: neither a zip archive nor a pickle', { offset: 0 });
  const files = unzip(bytes);
  const pickleName = [...files.keys()].find((name) => name === 'data.pkl' || name.endsWith('/data.pkl'));
  if (pickleName === undefined)
    throw new FormatError(
      'PTH_ZIP',
      'checkpoint: the archive holds no data.pkl, so it is not a PyTorch checkpoint',
    );
  const root = pickleName.slice(0, -'data.pkl'.length);
  const order = files.get(`${root}byteorder`);
  if (order && new TextDecoder().decode(order).trim() !== 'little')
    throw new FormatError(
      'PTH_BYTE_ORDER',
      'checkpoint: it is big-endian; save it again on a little-endian machine',
    );
  const storages = new Map<string, Uint8Array>();
  for (const [name, content] of files)
    if (name.startsWith(`${root}data/`)) storages.set(name.slice(root.length + 'data/'.length), content);
  const tensors = new Map<string, Tensor>();
  let elements = 0;
  for (const [key, value] of findStateDict(readPickle(files.get(pickleName) as Uint8Array))) {
    if (typeof key !== 'string' || (value as PickleTensor | null)?.kind !== 'tensor') continue;
    const tensor = value as PickleTensor;
    elements += tensor.shape.reduce((product, size) => product * size, 1);
    if (elements > maxCheckpointElements)
      throw new FormatError(
        'PTH_LIMIT',
        `checkpoint: its tensors have more than ${maxCheckpointElements} elements`,
      );
    tensors.set(key, readTensor(key, tensor, storages));
  }
  if (tensors.size === 0)
    throw new FormatError('PTH_NOT_STATE_DICT', 'checkpoint: it holds no tensors by name');
  return tensors;
}
