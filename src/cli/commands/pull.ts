/** `ghostnet pull`: published weights by name into the cache, where `--model NAME` finds them. */
import { errorCode } from '../../errors.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { onInterrupt } from '../output/interrupt.js';
import { type Progress, progress } from '../output/progress.js';
import { reportError, UsageError } from '../output/report-error.js';
import { byteSize, print, printJson, table } from '../output/terminal.js';

interface PullCommandOptions {
  readonly list?: boolean;
  readonly force?: boolean;
  readonly mirror?: string;
  readonly json?: boolean;
}

export const registerPull: Register = (program, act) => {
  program
    .command('pull')
    .description('download published weights into the cache, for --model NAME')
    .argument('[name]', 'what to get; --list shows the names')
    .option('--list', 'list what there is, where it comes from, and whether the cache has it')
    .option('--force', 'download again although the cache has it')
    .option('--mirror <url>', 'get it from a mirror with the same paths')
    .option('--json', 'print { name, path, bytes, cached, network, verified }, or a list of { name, ... }')
    .addHelpText(
      'after',
      `
The cache is GHOSTNET_CACHE, or the cache folder of your system. A download that was stopped, by Ctrl-C or by the network,
goes on where it was when you pull again. What does not have the right checksum is thrown away.

Examples:
  ghostnet pull ghostnet-1.0x
  ghostnet classify photo.jpg --model ghostnet-1.0x
  ghostnet pull --list`,
    )
    .action(act(pullCommand));
};

async function pullCommand(name: string | undefined, options: PullCommandOptions): Promise<number> {
  if (options.list) return listCommand(options.json === true);
  if (name === undefined)
    throw new UsageError('pull: name what to get; "ghostnet pull --list" shows the names');
  const { pullModel } = await import('../../formats/node/pull.js');
  const controller = new AbortController();
  const release = onInterrupt(() => controller.abort());
  let line: Progress | undefined;
  try {
    const result = await pullModel(name, {
      signal: controller.signal,
      force: options.force === true,
      ...(options.mirror === undefined ? {} : { baseUrl: options.mirror }),
      onProgress: ({ received, total }) => {
        if (total !== undefined) line ??= progress(name, total, 'bytes');
        line?.update(received);
      },
    });
    line?.stop();
    if (options.json) printJson({ name, ...result });
    else
      print(
        `${result.cached ? 'already there' : 'pulled'}: ${result.path} (${byteSize(result.bytes)}, checked by ${result.verified})`,
      );
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

async function listCommand(json: boolean): Promise<number> {
  const { listPullable, pulledModel } = await import('../../formats/node/pull.js');
  const rows = listPullable().map(({ name, network, origin, url }) => ({
    name,
    network,
    origin,
    url,
    path: pulledModel(name)?.path ?? null,
  }));
  if (json) printJson(rows);
  else
    print(
      table(
        rows.map(({ name, network, origin, path }) => [name, network, origin, path ?? 'not pulled']),
        'llll',
      ),
    );
  return exitCodes.ok;
}
