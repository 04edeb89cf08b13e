/** Checksums of files on disk, read in pieces. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** How git names a file's content: the SHA-1 of `blob <length>\0` and the bytes. */
export async function gitBlobSha1(path: string): Promise<string> {
  const { size } = await stat(path);
  return digest(path, 'sha1', `blob ${size}\0`);
}

export function sha256(path: string): Promise<string> {
  return digest(path, 'sha256', '');
}

async function digest(path: string, algorithm: string, prefix: string): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
