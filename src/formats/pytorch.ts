/**
 * Reads PyTorch checkpoints (`.pth`, `.pt`): since 1.6 a zip of a pickle and one file a storage, before that pickles
 * one after the other with the storages behind (pytorch-legacy.ts). State dictionaries, also under `state_dict`,
 * `model` or `ema`; nothing is ever run (see pickle.ts). Needs a zip library, so it is not part of the browser entry.
 */
import { FormatError } from '../errors.js';
import type { Tensor } from '../graph/graph.js';
import { readPickle } from './pickle.js';
import type { PickleTensor, PickleValue } from './pickle-tensors.js';
import { isLegacy, readLegacy } from './pytorch-legacy.js';
import { copyTensor, type Storages } from './pytorch-storage.js';
import { ZipArchive } from './zip.js';

/** Bytes that all tensors of a checkpoint may have as 32-bit floats. */
export const maxTensorBytes = 2 ** 30;
/** The same, as a multiple of the storages that they show: views may repeat elements, but not without end. */
export const maxTensorGrowth = 16;

/** Keys under which training scripts keep the state dictionary of a network. */
const wrapperKeys = ['state_dict', 'model_state_dict', 'model', 'state_dict_ema', 'ema', 'net', 'network'];

/** Whether bytes look like a checkpoint that `readPytorch` understands or knows by name. */
export function isPytorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || isLegacy(bytes) || isTar(bytes);
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b;
}

/** Before PyTorch 0.1.10 a checkpoint was a tar archive. */
function isTar(bytes: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(bytes.subarray(257, 262)) === 'ustar';
}

/**
 * Tensors of a checkpoint by name, as 32-bit floats. Throws FormatError `PTH_LEGACY` (a tar or another pickle, with
 * how to convert it), `PTH_NOT_A_CHECKPOINT`, `PTH_LIMIT`, `PTH_TENSOR`, `PTH_NOT_STATE_DICT`, `PTH_BYTE_ORDER`, or
 * those of ZipArchive and readPickle.
 */
export function readPytorch(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  if (isTar(bytes))
    throw new FormatError(
      'PTH_LEGACY',
      'checkpoint: this is the tar format before PyTorch 0.1.10; convert it with torch.save(torch.load(path), path)',
      { offset: 0 },
    );
  if (isLegacy(bytes)) {
    const { value, storages } = readLegacy(bytes);
    return collect(value, storages, maxTensorGrowth * bytes.length);
  }
  if (!isZip(bytes))
    throw new FormatError('PTH_NOT_A_CHECKPOINT', 'checkpoint: neither a zip archive nor a pickle', {
      offset: 0,
    });
  return readZip(new ZipArchive(bytes));
}

function readZip(archive: ZipArchive): ReadonlyMap<string, Tensor> {
  const pickleName = archive.names.find((name) => name === 'data.pkl' || name.endsWith('/data.pkl'));
  if (pickleName === undefined)
    throw new FormatError(
      'PTH_NOT_A_CHECKPOINT',
      'checkpoint: the zip archive holds no data.pkl, so PyTorch did not write it',
    );
  const root = pickleName.slice(0, -'data.pkl'.length);
  if (archive.has(`${root}constants.pkl`))
    throw new FormatError(
      'PTH_NOT_STATE_DICT',
      'checkpoint: this is a TorchScript program, not weights; save them with torch.save(model.state_dict(), path)',
    );
  const order = archive.has(`${root}byteorder`) ? archive.read(`${root}byteorder`) : undefined;
  if (order && new TextDecoder().decode(order).trim() !== 'little')
    throw new FormatError(
      'PTH_BYTE_ORDER',
      'checkpoint: it is big-endian; save it again on a little-endian machine',
    );
  const value = readPickle(archive.read(pickleName));
  const read = new Map<string, Uint8Array>();
  let unpacked = 0;
  const storages: Storages = (key) => {
    const name = `${root}data/${key}`;
    const known = read.get(key);
    if (known || !archive.has(name)) return known;
    const content = archive.read(name);
    unpacked += content.length;
    read.set(key, content);
    return content;
  };
  return collect(value, storages, () => maxTensorGrowth * unpacked);
}

/** Copies every tensor of the state dictionary. `growth` is the limit that the storages read so far allow. */
function collect(
  value: PickleValue,
  storages: Storages,
  growth: number | (() => number),
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  let size = 0;
  for (const [key, item] of findStateDict(value)) {
    if (typeof key !== 'string' || !isTensor(item)) continue;
    const content = storages(item.storage.key);
    size += 4 * item.shape.reduce((product, length) => product * length, 1);
    const limit = Math.min(maxTensorBytes, 1024 + (typeof growth === 'number' ? growth : growth()));
    if (size > limit)
      throw new FormatError(
        'PTH_LIMIT',
        `checkpoint: its tensors up to ${JSON.stringify(key.slice(0, 200))} need ${size} bytes, at most ${limit} ` +
          `(${maxTensorBytes} in all, and ${maxTensorGrowth} times what is stored)`,
      );
    tensors.set(key, copyTensor(key, item, content));
  }
  if (tensors.size === 0)
    throw new FormatError(
      'PTH_NOT_STATE_DICT',
      'checkpoint: it holds no tensors by name; save model.state_dict()',
    );
  return tensors;
}

function isTensor(value: PickleValue): value is PickleTensor {
  return (value as PickleTensor | null)?.kind === 'tensor';
}

/** The dictionary of tensors in a checkpoint's value: itself, or under a usual key, also twice wrapped. */
function findStateDict(value: PickleValue): Map<PickleValue, PickleValue> {
  let current = value;
  for (let depth = 0; depth < 3 && current instanceof Map; depth++) {
    const dictionary: Map<PickleValue, PickleValue> = current;
    const key = wrapperKeys.find((candidate) => dictionary.get(candidate) instanceof Map);
    if (key === undefined && [...dictionary.values()].some(isTensor)) return dictionary;
    if (key === undefined) break;
    current = dictionary.get(key) ?? null;
  }
  const found =
    current instanceof Map
      ? `found the keys ${
          [...current.keys()]
            .slice(0, 8)
            .map((key) => JSON.stringify(String(key).slice(0, 40)))
            .join(', ') || '(none)'
        }`
      : 'found no dictionary';
  throw new FormatError(
    'PTH_NOT_STATE_DICT',
    `checkpoint: it holds no tensors by name (${found}; expected tensors, or one of ${wrapperKeys.join(', ')}); save model.state_dict()`,
  );
}
