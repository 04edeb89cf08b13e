/**
 * The options by which a command takes a network of the registry in another form: width, s and d of its Ghost modules,
 * number of classes. A setting that a network does not have is an error: its number would be taken for the wanted one.
 */
import type { Command } from 'commander';
import type { ModelOptions } from '../../models/model-entry.js';
import { UsageError } from '../output/report-error.js';
import { decimal, wholeNumber } from './options.js';

/** What the options give. */
export type NetworkFlags = Pick<ModelOptions, 'width' | 'ratio' | 'cheapKernel' | 'classes'>;

const flags = {
  width: '--width',
  ratio: '--ratio',
  cheapKernel: '--cheap-kernel',
  classes: '--classes',
} as const;

/** Declares the options. */
export function withNetworkOptions(command: Command): Command {
  return command
    .option('--width <x>', 'of a network by name: all channels times x', decimal(0.01, 16))
    .option('--ratio <s>', 'of a network by name: s of its Ghost modules', wholeNumber(1, 64))
    .option('--cheap-kernel <d>', 'of a network by name: d of its Ghost modules', wholeNumber(1, 7))
    .option('--classes <n>', 'of a network by name: how many classes', wholeNumber(1));
}

/** Whether a setting changes the network: two values of it give two graphs. */
async function matters(name: string, setting: keyof NetworkFlags, value: number): Promise<boolean> {
  const { toJson } = await import('../../graph/json.js');
  const { createModel } = await import('../../models/registry.js');
  const other = setting === 'cheapKernel' ? (value === 3 ? 5 : 3) : value === 2 ? 3 : 2;
  const [first, second] = [value, other].map((given) => toJson(createModel(name, { [setting]: given })));
  return first !== second;
}

/**
 * The given settings of the network that `nameOrFile` names. Throws UsageError when it is a file, or has no such setting,
 * and the builders' errors.
 */
export async function networkOptions(nameOrFile: string, given: NetworkFlags): Promise<ModelOptions> {
  const { hasModel } = await import('../../models/registry.js');
  const options: Record<string, number> = {};
  for (const setting of Object.keys(flags) as (keyof NetworkFlags)[]) {
    const value = given[setting];
    if (value === undefined) continue;
    if (!hasModel(nameOrFile))
      throw new UsageError(`${flags[setting]} is for a network by name; "${nameOrFile}" is none`);
    if (!(await matters(nameOrFile, setting, value)))
      throw new UsageError(`${flags[setting]}: "${nameOrFile}" has no such setting`);
    options[setting] = value;
  }
  return options;
}
