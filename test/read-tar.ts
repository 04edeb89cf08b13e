/** Reads plain tar archives, in which big test material is kept. Test code only. */
import { readFileSync } from 'node:fs';

/** The wanted files of a plain tar archive, by name, in the archive's order. */
export function readTar(path: string, wanted: { has(name: string): boolean }): Map<string, Uint8Array> {
  const bytes = readFileSync(path);
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const name = bytes.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    if (wanted.has(name)) files.set(name, bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
