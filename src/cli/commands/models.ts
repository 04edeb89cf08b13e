/** `ghostnet models`: the networks that are known by name. */
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { print, printJson, table } from '../output/terminal.js';

export const registerModels: Register = (program, act) => {
  program
    .command('models')
    .description('list the networks that have a name')
    .option('--json', 'print [{ name, summary, inputSize, classes, aliases }]')
    .action(act(modelsCommand));
};

async function modelsCommand(options: { readonly json?: boolean }): Promise<number> {
  const { listModels } = await import('../../models/registry.js');
  const rows = listModels().map(({ name, summary, inputSize, classes, aliases = [] }) => ({
    name,
    summary,
    inputSize,
    classes,
    aliases,
  }));
  if (options.json) printJson(rows);
  else
    print(
      table(
        rows.map((row) => [
          row.name,
          `${row.inputSize}x${row.inputSize}`,
          `${row.classes} classes`,
          row.aliases.length > 0 ? `${row.summary}; also ${row.aliases.join(', ')}` : row.summary,
        ]),
        'lrrl',
      ),
    );
  return exitCodes.ok;
}
