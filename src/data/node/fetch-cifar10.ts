/**
 * CIFAR-10 from its authors: downloads the official archive of the binary version (going on where it stopped), unpacks
 * the six batches and checks each by its SHA-256. Batches that are there and right are left alone.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { extract } from 'tar';
import { FormatError } from '../../errors.js';
import { sha256 } from '../../formats/node/checksum.js';
import { download } from '../../formats/node/download.js';
import { makeFolder } from '../../formats/node/make-folder.js';
import type { PullProgress } from '../../formats/node/transfer.js';

/** Where the authors publish it (https://www.cs.toronto.edu/~kriz/cifar.html). */
export const cifar10Url = 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz';

/** SHA-256 of the unpacked batches. */
export const cifar10Sums: Readonly<Record<string, string>> = {
  'data_batch_1.bin': 'ba5d63faae03893b8c11beafc1fa5f5b6cc9b13e6ed84db5e3380629889864c8',
  'data_batch_2.bin': '2f96c88f69ac88f35356888db138941a9e9cbce4520fbf0cdb2ca3b170c0d4a5',
  'data_batch_3.bin': '57749be360c6f0a39c6826887979686d4d257217f45da9b795d4bf109413f1ad',
  'data_batch_4.bin': 'bac2ce29d1e58d567dc6d4314344dc3165d04a3aff5a75bd699959e37629b636',
  'data_batch_5.bin': '17a6b6f5930108eac5525e2a1272825fc5c1801654278310fe0236c1af28e7eb',
  'test_batch.bin': 'b94270954313214c1ef7cddb45a685f20d072fe967ca32492723f74657e57067',
};

export interface FetchCifar10Options {
  /** Default: the authors' address. */
  readonly url?: string;
  /** Default: those of the official files. */
  readonly sums?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly retries?: number;
  readonly retryDelayMs?: number;
}

/** The official archive has 170 MB. */
const maxBytes = 400_000_000;

async function right(file: string, sum: string): Promise<boolean> {
  return existsSync(file) && (await sha256(file)) === sum;
}

/**
 * Puts the batches into `folder`; resolves to whether they were there already. Throws what `download` throws, FormatError
 * `CIFAR_ARCHIVE` (it cannot be unpacked, or lacks a batch) or `CIFAR_CHECKSUM`; then the archive is removed.
 */
export async function fetchCifar10(
  folder: string,
  options: FetchCifar10Options = {},
): Promise<{ readonly cached: boolean }> {
  const { url = cifar10Url, sums = cifar10Sums, ...transfer } = options;
  const wanted: string[] = [];
  for (const [name, sum] of Object.entries(sums))
    if (!(await right(join(folder, name), sum))) wanted.push(name);
  if (wanted.length === 0) return { cached: true };
  await makeFolder(folder);
  const archive = join(folder, 'cifar-10-binary.tar.gz');
  const unpacked = join(folder, '.unpacking');
  await download(url, archive, { ...transfer, checksum: { kind: 'hub' }, maxBytes });
  try {
    await rm(unpacked, { recursive: true, force: true });
    await mkdir(unpacked);
    await extract({
      file: archive,
      cwd: unpacked,
      strip: 1,
      strict: true,
      filter: (path) => wanted.includes(basename(path)),
    }).catch((cause: Error) => {
      throw new FormatError('CIFAR_ARCHIVE', `"${archive}": ${cause.message}; it was removed, try again`, {
        cause,
      });
    });
    for (const name of wanted) {
      const file = join(unpacked, name);
      if (!existsSync(file))
        throw new FormatError(
          'CIFAR_ARCHIVE',
          `"${archive}": it lacks ${name}; is it CIFAR-10's binary form?`,
        );
      const found = await sha256(file);
      if (found !== sums[name])
        throw new FormatError(
          'CIFAR_CHECKSUM',
          `${name} of ${url}: SHA-256 ${found}, expected ${sums[name]}; the archive was removed, try again`,
        );
    }
    for (const name of wanted) await rename(join(unpacked, name), join(folder, name));
    return { cached: false };
  } finally {
    await rm(unpacked, { recursive: true, force: true });
    await rm(archive, { force: true });
  }
}
