/** `ghostnet data`: fetches data sets from those who publish them. */
import { errorCode } from '../../errors.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { onInterrupt } from '../output/interrupt.js';
import { type Progress, progress } from '../output/progress.js';
import { reportError } from '../output/report-error.js';
import { print, printJson } from '../output/terminal.js';

interface DataOptions {
  readonly url?: string;
  readonly json?: boolean;
}

export const registerData: Register = (program, act) => {
  const data = program.command('data').description('fetch data sets for training');
  data
    .command('cifar10')
    .description('CIFAR-10 in its binary form from its authors: downloaded, checked and unpacked')
    .argument('[folder]', 'where to put the six batches', 'data/cifar10')
    .option('--url <address>', 'another place of the official archive')
    .option('--json', 'print { folder, cached }')
    .addHelpText(
      'after',
      `
60,000 pictures of 32x32 in ten classes (Krizhevsky 2009), 170 MB to download. A download that broke off goes on where
it was. Batches that are there and right are not fetched again.

Example:
  ghostnet data cifar10 && ghostnet train ghostnet-32 --data data/cifar10 --out my.safetensors`,
    )
    .action(act(cifar10Command));
};

async function cifar10Command(folder: string, options: DataOptions): Promise<number> {
  const { fetchCifar10 } = await import('../../data/node/fetch-cifar10.js');
  const controller = new AbortController();
  const release = onInterrupt(() => controller.abort());
  let line: Progress | undefined;
  try {
    const { cached } = await fetchCifar10(folder, {
      signal: controller.signal,
      ...(options.url === undefined ? {} : { url: options.url }),
      onProgress: ({ received, total }) => {
        if (total !== undefined) line ??= progress('CIFAR-10', total, 'bytes');
        line?.update(received);
      },
    });
    line?.stop();
    if (options.json) printJson({ folder, cached });
    else print(`${cached ? 'already there' : 'ready'}: ${folder} (six batches, each checked by SHA-256)`);
    return exitCodes.ok;
  } catch (error) {
    line?.stop();
    if (errorCode(error) !== 'PULL_ABORTED') throw error;
    reportError(error);
    return exitCodes.interrupted;
  } finally {
    release();
  }
}
