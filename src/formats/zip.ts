/**
 * The directory of a zip archive, and its files one at a time. The archive may come from anywhere: every size, offset
 * and count is checked against the bytes and the limits before memory is taken, and every file against its CRC-32.
 * Stored and deflated files, zip64; no encryption, no archives in several parts, no writing.
 */
import { Inflate } from 'fflate';
import { FormatError } from '../errors.js';

/** At most this many files in an archive. */
export const maxZipEntries = 100_000;
/** At most this many bytes that the files which are read unpack to, together. */
export const maxUnpackedBytes = 2 ** 30;

/** Deflate cannot expand more than this. */
const maxExpansion = 1032;
/** Compressed bytes that are handed to inflate at once, so that too much output is noticed early. */
const inflateStep = 1 << 14;

export interface ZipEntry {
  readonly name: string;
  /** Bytes when unpacked, as the directory says. */
  readonly size: number;
  readonly packedSize: number;
  readonly deflated: boolean;
  readonly crc: number;
  /** Where the local header begins. */
  readonly offset: number;
}

export class ZipArchive {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  #unpacked = 0;

  /** Reads the directory. Throws FormatError `ZIP_DAMAGED`, `ZIP_UNSUPPORTED` or `ZIP_LIMIT`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#entries = this.#readDirectory();
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * A file's bytes: a view of the archive if it is stored, else unpacked. Throws FormatError `ZIP_DAMAGED` (torn, or
   * its CRC-32 is wrong) or `ZIP_LIMIT`.
   */
  read(name: string): Uint8Array {
    const entry = this.#entries.get(name);
    if (!entry) throw new FormatError('ZIP_DAMAGED', `zip: there is no file ${quote(name)}`);
    const { offset, size, packedSize } = entry;
    const fail = (what: string): never => damaged(`file ${quote(name)}: ${what}`, offset);
    this.#unpacked += size;
    if (this.#unpacked > maxUnpackedBytes)
      throw new FormatError(
        'ZIP_LIMIT',
        `zip: its files unpack to more than ${maxUnpackedBytes} bytes; ${quote(name)} alone claims ${size}`,
        { offset },
      );
    if (offset + 30 > this.#bytes.length || this.#view.getUint32(offset, true) !== 0x04034b50)
      fail('its header is not where the directory says');
    const start =
      offset + 30 + this.#view.getUint16(offset + 26, true) + this.#view.getUint16(offset + 28, true);
    if (start + packedSize > this.#bytes.length) fail(`its ${packedSize} bytes reach beyond the archive`);
    const packed = this.#bytes.subarray(start, start + packedSize);
    const bytes = entry.deflated ? inflate(packed, size, fail) : packed;
    if (crc32(bytes) !== entry.crc) fail('its checksum is wrong; the archive was damaged, get it again');
    return bytes;
  }

  #readDirectory(): ReadonlyMap<string, ZipEntry> {
    const { count, start, end } = this.#findDirectory();
    if (count > maxZipEntries)
      throw new FormatError('ZIP_LIMIT', `zip: ${count} files, at most ${maxZipEntries} are read`);
    const entries = new Map<string, ZipEntry>();
    let at = start;
    for (let i = 0; i < count; i++) {
      if (at + 46 > end || this.#view.getUint32(at, true) !== 0x02014b50)
        damaged(`the directory is torn at file ${i} of ${count}`, at);
      const next =
        at +
        46 +
        this.#view.getUint16(at + 28, true) +
        this.#view.getUint16(at + 30, true) +
        this.#view.getUint16(at + 32, true);
      if (next > end) damaged(`the directory is torn at file ${i} of ${count}`, at);
      const entry = this.#readEntry(at);
      if (entries.has(entry.name)) damaged(`two files are named ${quote(entry.name)}`, at);
      entries.set(entry.name, entry);
      at = next;
    }
    return entries;
  }

  #readEntry(at: number): ZipEntry {
    const view = this.#view;
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(this.#bytes.subarray(at + 46, nameEnd));
    const method = view.getUint16(at + 10, true);
    if ((view.getUint16(at + 8, true) & 1) !== 0) unsupported(`file ${quote(name)} is encrypted`, at);
    if (method !== 0 && method !== 8)
      unsupported(`file ${quote(name)} is packed by method ${method}; stored and deflated are read`, at);
    const sizes = [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ];
    this.#widen(sizes, nameEnd, nameEnd + view.getUint16(at + 30, true));
    const [size, packedSize, offset] = sizes as [number, number, number];
    const possible = method === 0 ? size === packedSize : size <= packedSize * maxExpansion + 64;
    if (!possible)
      throw new FormatError(
        'ZIP_LIMIT',
        `zip: file ${quote(name)} claims that ${packedSize} bytes unpack to ${size}, which cannot be`,
        { offset: at },
      );
    if (offset + packedSize > this.#bytes.length)
      damaged(`file ${quote(name)} reaches beyond the archive of ${this.#bytes.length} bytes`, at);
    return { name, size, packedSize, deflated: method === 8, crc: view.getUint32(at + 16, true), offset };
  }

  /** Zip64: values of 0xffffffff are in an extra field, in this order. */
  #widen(values: number[], from: number, to: number): void {
    if (!values.includes(0xffffffff)) return;
    for (let at = from; at + 4 <= to; ) {
      const end = at + 4 + this.#view.getUint16(at + 2, true);
      if (this.#view.getUint16(at, true) === 1) {
        let field = at + 4;
        values.forEach((value, i) => {
          if (value !== 0xffffffff || field + 8 > Math.min(end, to)) return;
          values[i] = Number(this.#view.getBigUint64(field, true));
          field += 8;
        });
        return;
      }
      at = end;
    }
  }

  /** The end record lies at the end of the file, before a comment of at most 65,535 bytes. */
  #findDirectory(): { count: number; start: number; end: number } {
    const view = this.#view;
    const lowest = Math.max(0, this.#bytes.length - 22 - 65_535);
    let at = this.#bytes.length - 22;
    while (at >= lowest && view.getUint32(at, true) !== 0x06054b50) at--;
    if (at < lowest) return damaged('it has no directory at its end; the file is torn or is not a zip', 0);
    if (view.getUint16(at + 4, true) !== 0) unsupported('it is one part of several', at);
    let count = view.getUint16(at + 10, true);
    let size = view.getUint32(at + 12, true);
    let start = view.getUint32(at + 16, true);
    if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
      const wide = Number(view.getBigUint64(at - 12, true));
      if (wide + 56 > at - 20 || view.getUint32(wide, true) !== 0x06064b50)
        damaged('its zip64 end record is not where it says', at - 20);
      count = Number(view.getBigUint64(wide + 32, true));
      size = Number(view.getBigUint64(wide + 40, true));
      start = Number(view.getBigUint64(wide + 48, true));
    }
    if (start + size > at) damaged(`its directory of ${size} bytes at ${start} is not inside the file`, at);
    return { count, start, end: start + size };
  }
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

function damaged(what: string, offset: number): never {
  throw new FormatError('ZIP_DAMAGED', `zip: ${what}`, { offset });
}

function unsupported(what: string, offset: number): never {
  throw new FormatError('ZIP_UNSUPPORTED', `zip: ${what}`, { offset });
}

/** Unpacks into exactly `size` bytes, in steps, so that never much more than that is made. */
function inflate(packed: Uint8Array, size: number, fail: (what: string) => never): Uint8Array {
  const bytes = new Uint8Array(size);
  let length = 0;
  const stream = new Inflate((chunk) => {
    if (length + chunk.length > size) fail(`it unpacks to more than the ${size} bytes that it claims`);
    bytes.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let at = 0; at < packed.length; at += inflateStep)
      stream.push(packed.subarray(at, at + inflateStep), at + inflateStep >= packed.length);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    fail(`its packed data is damaged (${(cause as Error).message})`);
  }
  if (length !== size) fail(`it unpacks to ${length} bytes, but claims ${size}`);
  return bytes;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++)
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[i] as number)) & 255] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
