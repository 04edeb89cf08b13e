/** Learning-rate factors of parameters by pattern: what is frozen, what learns slower or faster. */
import { FormatError } from '../errors.js';
import type { RunConfig } from './config.js';

/** Whether `name` fits a pattern in which `*` stands for any text. */
export function matchesPattern(name: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

/**
 * The learning-rate factor of each parameter: 0 where `freeze` matches, else the last match of `learningRates`, else 1.
 * Throws FormatError `CONFIG_INVALID` for a pattern that matches no parameter.
 */
export function learningRateFactors(
  parameters: readonly string[],
  config: Pick<RunConfig, 'freeze' | 'learningRates'>,
): ReadonlyMap<string, number> {
  const rules = [...config.learningRates, ...config.freeze.map((match) => ({ match, factor: 0 }))];
  const factors = new Map(parameters.map((name) => [name, 1]));
  for (const { match, factor } of rules) {
    const hits = parameters.filter((name) => matchesPattern(name, match));
    if (hits.length === 0)
      throw new FormatError(
        'CONFIG_INVALID',
        `pattern "${match}" matches no parameter; names are like ${parameters.slice(0, 3).join(', ')}`,
      );
    for (const name of hits) factors.set(name, factor);
  }
  return factors;
}
