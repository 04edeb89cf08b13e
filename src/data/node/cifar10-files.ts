/**
 * CIFAR-10's files on disk: the five training batches or the test batch of a folder, as one store.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EnvironmentError, errorCode } from '../../errors.js';
import { cifar10Labels } from '../../models/ghost-resnet-bn-after.js';
import {
  cifar10RecordBytes,
  cifar10Side,
  cifar10TestFile,
  cifar10TrainFiles,
  joinPictures,
  readCifar10,
} from '../cifar10.js';
import { type MemoryStore, squareStore } from './picture-store.js';

export const cifar10Classes: readonly string[] = cifar10Labels;

function missingBatch(file: string, cause: unknown): unknown {
  if (errorCode(cause) !== 'ENOENT') return cause;
  return new EnvironmentError(
    'CIFAR_MISSING',
    `${file}: no such file; fetch CIFAR-10 with \`ghostnet data cifar10 <folder>\`, or name the folder of its .bin files`,
    { cause },
  );
}

async function readBatch(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw missingBatch(file, cause);
  }
}

/** The part of CIFAR-10 in `folder`. Throws EnvironmentError `CIFAR_MISSING` and what `readCifar10` throws. */
export async function loadCifar10(folder: string, part: 'train' | 'test'): Promise<MemoryStore> {
  const files = part === 'train' ? trainFilesOf(folder) : [join(folder, cifar10TestFile)];
  const parts = [];
  for (const file of files) parts.push(readCifar10(await readBatch(file), file));
  const { pictures, labels } = joinPictures(parts);
  return squareStore(pictures, labels, cifar10Side);
}

/** The training batches in `folder`. */
export function trainFilesOf(folder: string): string[] {
  return cifar10TrainFiles.map((name) => join(folder, name));
}

/** How many records some batches have, by their sizes. Throws EnvironmentError `CIFAR_MISSING`. */
export async function countCifar10(files: readonly string[]): Promise<number> {
  let count = 0;
  for (const file of files) {
    const info = await stat(file).catch((cause: unknown) => {
      throw missingBatch(file, cause);
    });
    count += Math.floor(info.size / cifar10RecordBytes);
  }
  return count;
}

/** One batch file of any name. */
export async function loadCifar10File(file: string): Promise<MemoryStore> {
  const { pictures, labels } = readCifar10(await readBatch(file), file);
  return squareStore(pictures, labels, cifar10Side);
}

/** Whether a path is CIFAR-10: a `.bin` file, or a folder that holds one of its batches (also in `cifar-10-batches-bin`). */
export async function findCifar10(path: string): Promise<{ folder: string; file?: string } | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return path.endsWith('.bin') ? { folder: path, file: basename(path) } : undefined;
  if (!info?.isDirectory()) return undefined;
  for (const folder of [path, join(path, 'cifar-10-batches-bin')])
    for (const name of [cifar10TestFile, cifar10TrainFiles[0]!])
      if (await stat(join(folder, name)).catch(() => undefined)) return { folder };
  return undefined;
}
