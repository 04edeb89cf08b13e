/**
 * The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes. Files may
 * come from anywhere, so nothing of the header is believed before it is checked: every tensor's extent must fit its
 * shape and type, and the tensors must tile the data without overlap or hole (the format's own rule).
 * No weights semantics here: see model-file.ts and key-mapping.ts.
 */
import { FormatError, rangeError } from '../errors.js';
import type { Tensor } from '../graph/graph.js';
import { float16Table, float16ToNumber, numberToFloat16 } from './float16.js';

/** Bytes of one element. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type SafetensorsDtype = keyof typeof elementBytes;

export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Bytes of the tensor in the file. */
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The format's own limit for the header. */
export const maxHeaderBytes = 100_000_000;

/**
 * Reads the header and checks it against the file; tensors are views of `bytes`, not copies.
 * Throws FormatError `SAFETENSORS_TRUNCATED`, `SAFETENSORS_HEADER` or `SAFETENSORS_TENSOR`.
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  if (bytes.length < 8)
    throw new FormatError(
      'SAFETENSORS_TRUNCATED',
      `safetensors: the file has ${bytes.length} bytes, expected at least 8`,
      {
        offset: 0,
      },
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > maxHeaderBytes)
    throw new FormatError(
      'SAFETENSORS_HEADER',
      `safetensors: header of ${length} bytes, at most ${maxHeaderBytes}`,
      {
        offset: 0,
      },
    );
  if (length > bytes.length - 8)
    throw new FormatError(
      'SAFETENSORS_TRUNCATED',
      `safetensors: header of ${length} bytes, but the file has ${bytes.length}; it is torn or not a safetensors file`,
      { offset: 8 },
    );
  const header = parseHeader(bytes.subarray(8, 8 + length));
  const data = bytes.subarray(8 + length);
  const fail = (name: string, what: string): never => {
    throw new FormatError(
      'SAFETENSORS_TENSOR',
      `safetensors: tensor ${JSON.stringify(name).slice(0, 200)}: ${what}`,
      {
        offset: 8,
      },
    );
  };
  const metadata: Record<string, string> = {};
  const found: { name: string; begin: number; end: number; dtype: SafetensorsDtype; shape: number[] }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(value) || Object.values(value).some((item) => typeof item !== 'string'))
        throw new FormatError('SAFETENSORS_HEADER', 'safetensors: __metadata__ must map strings to strings', {
          offset: 8,
        });
      Object.assign(metadata, value);
      continue;
    }
    if (!isRecord(value)) return fail(name, 'expected an object');
    const { dtype, shape, data_offsets: offsets } = value;
    if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype))
      return fail(
        name,
        `type ${JSON.stringify(dtype)} is not known, expected one of ${Object.keys(elementBytes).join(', ')}`,
      );
    if (!isCounts(shape) || shape.length > 16) return fail(name, 'shape must be a list of whole numbers');
    if (!isCounts(offsets) || offsets.length !== 2)
      return fail(name, 'data_offsets must be two whole numbers');
    const [begin, end] = offsets as [number, number];
    const expected =
      shape.reduce((product, size) => product * size, 1) * elementBytes[dtype as SafetensorsDtype];
    if (end < begin || end - begin !== expected)
      return fail(
        name,
        `${end - begin} bytes of data, expected ${expected} for ${dtype} [${shape.join(', ')}]`,
      );
    if (end > data.length) {
      throw new FormatError(
        'SAFETENSORS_TRUNCATED',
        `safetensors: tensor ${JSON.stringify(name).slice(0, 200)} ends at byte ${end} of the data, which has ${data.length}; the file is torn`,
        { offset: 8 + length + begin },
      );
    }
    found.push({ name, begin, end, dtype: dtype as SafetensorsDtype, shape });
  }
  let at = 0;
  for (const { name, begin, end } of [...found].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      fail(name, `its data begins at ${begin}, expected ${at}: tensors must not overlap or leave holes`);
    at = end;
  }
  if (at !== data.length)
    throw new FormatError(
      'SAFETENSORS_HEADER',
      `safetensors: ${data.length - at} bytes after the last tensor`,
      {
        offset: 8 + length + at,
      },
    );
  return {
    metadata,
    tensors: new Map(
      found.map(({ name, begin, end, dtype, shape }) => [
        name,
        { dtype, shape, bytes: data.subarray(begin, end) },
      ]),
    ),
  };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError(
      'SAFETENSORS_HEADER',
      `safetensors: the header is not JSON; this is not a safetensors file (${(cause as Error).message.slice(0, 100)})`,
      { offset: 8, cause },
    );
  }
  if (!isRecord(value))
    throw new FormatError('SAFETENSORS_HEADER', 'safetensors: the header must be an object', { offset: 8 });
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** A tensor's values as 32-bit floats, whatever its type. Integers beyond 2^24 are rounded. */
export function toTensor(entry: SafetensorsEntry): Tensor {
  const { dtype, shape, bytes } = entry;
  const size = elementBytes[dtype];
  const data = new Float32Array(bytes.length / size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'F32') new Uint8Array(data.buffer).set(bytes);
  else if (dtype === 'F16') {
    const table = float16Table();
    for (let i = 0; i < data.length; i++) data[i] = table[view.getUint16(2 * i, true)] as number;
  } else for (let i = 0; i < data.length; i++) data[i] = readElement(view, i * size, dtype);
  return { shape, data };
}

function readElement(view: DataView, at: number, dtype: SafetensorsDtype): number {
  switch (dtype) {
    case 'BOOL':
    case 'U8':
      return view.getUint8(at);
    case 'I8':
      return view.getInt8(at);
    case 'I16':
      return view.getInt16(at, true);
    case 'U16':
      return view.getUint16(at, true);
    case 'F16':
      return float16ToNumber(view.getUint16(at, true));
    case 'BF16':
      return bfloat16ToNumber(view.getUint16(at, true));
    case 'I32':
      return view.getInt32(at, true);
    case 'U32':
      return view.getUint32(at, true);
    case 'F32':
      return view.getFloat32(at, true);
    case 'F64':
      return view.getFloat64(at, true);
    case 'I64':
      return Number(view.getBigInt64(at, true));
    case 'U64':
      return Number(view.getBigUint64(at, true));
  }
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** bfloat16 bits: the upper half of a 32-bit float. */
export function bfloat16ToNumber(value: number): number {
  bits[0] = value << 16;
  return float[0] as number;
}

export interface SafetensorsWriteOptions {
  /** Default 'F32'. F16 rounds to nearest even; a value beyond 65,504 is an error. */
  readonly dtype?: 'F32' | 'F16';
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of a safetensors file, tensors in the order given, the header padded so that data begins at a multiple
 * of 8. Throws RangeError `FLOAT16_OVERFLOW` (naming tensor and value), `SHAPE_MISMATCH` or `BAD_NAME`.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  options: SafetensorsWriteOptions = {},
): Uint8Array {
  const { dtype = 'F32', metadata } = options;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, { shape, data }] of tensors) {
    const bytes = dtype === 'F32' ? bytesOf(data) : halves(name, data);
    entries.set(name, { dtype, shape, bytes });
  }
  return writeEntries(entries, metadata);
}

/** The bytes in memory of a typed array, which are those of the file on little-endian machines, as all are. */
export function bytesOf(data: Float32Array | Int8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** As `writeSafetensors`, of tensors of any types. Throws RangeError `SHAPE_MISMATCH` or `BAD_NAME`. */
export function writeEntries(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  // no prototype, so that any name is only a name
  const header: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  if (metadata) header['__metadata__'] = metadata;
  let length = 0;
  for (const [name, { dtype, shape, bytes }] of entries) {
    if (name === '__metadata__')
      throw rangeError('BAD_NAME', 'safetensors: no tensor can be named "__metadata__"');
    const size = elementBytes[dtype];
    if (shape.reduce((a, b) => a * b, 1) * size !== bytes.length)
      throw rangeError(
        'SHAPE_MISMATCH',
        `safetensors: tensor "${name}" has ${bytes.length / size} values for [${shape.join(', ')}]`,
      );
    header[name] = { dtype, shape, data_offsets: [length, length + bytes.length] };
    length += bytes.length;
  }
  let json = new TextEncoder().encode(JSON.stringify(header));
  const padding = (8 - (json.length % 8)) % 8;
  if (padding > 0) {
    const padded = new Uint8Array(json.length + padding).fill(0x20);
    padded.set(json);
    json = padded;
  }
  const file = new Uint8Array(8 + json.length + length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const { bytes } of entries.values()) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

function halves(name: string, data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * data.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number;
    const half = numberToFloat16(value);
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(value))
      throw rangeError(
        'FLOAT16_OVERFLOW',
        `safetensors: tensor "${name}" holds ${value}, beyond F16's 65504; store F32`,
      );
    view.setUint16(2 * i, half, true);
  }
  return bytes;
}
