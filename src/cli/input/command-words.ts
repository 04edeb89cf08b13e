/** The command line as it was given, to be kept with what it made. */
import type { Command } from 'commander';

/** `ghostnet <command> <words>`, each word quoted where a shell would need it. */
export function commandLine(command: Command): string {
  const { rawArgs } = command.parent as Command & { readonly rawArgs: readonly string[] };
  const words = rawArgs
    .slice(rawArgs.indexOf(command.name()) + 1)
    .map((word) => (/^[\w./:=,@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return ['ghostnet', command.name(), ...words].join(' ');
}
