/**
 * Checkpoints of PyTorch 0.1.10 to 1.5, and of later ones on request: five pickles one after the other (magic number,
 * protocol version, system, value, keys of the storages), then every storage as a 64-bit count and its elements. The
 * authors' own GhostNet weights are of that time.
 */
import { FormatError } from '../errors.js';
import { Unpickler } from './pickle.js';
import type { PickleStorage, PickleValue } from './pickle-tensors.js';
import { type Storages, storageTypes } from './pytorch-storage.js';

/** Protocol 2, then the number 0x1950a86a20f9469cfc6c, then the end of the pickle. */
const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const protocolVersion = 1001;

/** Whether bytes begin with a pickle (protocols 2 to 5), of PyTorch or not. */
export function isLegacy(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && (bytes[1] as number) >= 2 && (bytes[1] as number) <= 5;
}

/**
 * The value that was saved, and the storages that its tensors show (views of `bytes`). Throws FormatError `PTH_LEGACY`
 * (a pickle of something else), `PTH_BYTE_ORDER`, `PTH_TRUNCATED`, `PTH_TENSOR` or those of readPickle.
 */
export function readLegacy(bytes: Uint8Array): { value: PickleValue; storages: Storages } {
  if (!magic.every((byte, i) => bytes[i] === byte))
    throw new FormatError(
      'PTH_LEGACY',
      'checkpoint: this is a pickle that torch.save did not write; load it in Python and write it with torch.save(state_dict, path)',
      { offset: 0 },
    );
  let at = magic.length;
  const next = (): Unpickler => {
    const unpickler = new Unpickler(bytes, at);
    unpickler.run();
    at = unpickler.position;
    return unpickler;
  };
  const version = next().result;
  if (version !== protocolVersion)
    throw new FormatError(
      'PTH_LEGACY',
      `checkpoint: protocol ${typeof version === 'number' ? version : 'unknown'}, expected ${protocolVersion}; convert it with torch.save(torch.load(path), path)`,
      { offset: magic.length },
    );
  const system = next().result;
  if (system instanceof Map && system.get('little_endian') === false)
    throw new FormatError(
      'PTH_BYTE_ORDER',
      'checkpoint: it is big-endian; save it again on a little-endian machine',
    );
  const main = next();
  const declared = new Map<string, PickleStorage>(main.storages.map((storage) => [storage.key, storage]));
  const keys = next().result;
  const found = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = typeof key === 'string' ? declared.get(key) : undefined;
    const type =
      storage && Object.hasOwn(storageTypes, storage.type) ? storageTypes[storage.type] : undefined;
    if (!storage || !type)
      throw new FormatError('PTH_TENSOR', 'checkpoint: a storage that no tensor shows', { offset: at });
    const count = at + 8 <= bytes.length ? Number(view.getBigInt64(at, true)) : -1;
    const end = at + 8 + count * type.bytes;
    if (count !== storage.elements || end > bytes.length)
      throw new FormatError(
        'PTH_TRUNCATED',
        `checkpoint: storage ${JSON.stringify(storage.key.slice(0, 100))} of ${storage.elements} elements is torn; get the file again`,
        { offset: at },
      );
    found.set(storage.key, bytes.subarray(at + 8, end));
    at = end;
  }
  return { value: main.result, storages: (key) => found.get(key) };
}
