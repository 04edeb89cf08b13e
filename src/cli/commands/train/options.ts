/** Parsers of the training's option values, for commander (see options.ts). */
import { InvalidArgumentError } from 'commander';

/** `pattern=factor` with commas between. */
export function rateRules(text: string): readonly { readonly match: string; readonly factor: number }[] {
  return text.split(',').map((rule) => {
    const [match, factor, ...more] = rule.split('=').map((part) => part.trim());
    if (!match || !factor || more.length > 0 || !(Number(factor) >= 0))
      throw new InvalidArgumentError('Expected pattern=factor with commas between, e.g. "blocks.*=0.1".');
    return { match, factor: Number(factor) };
  });
}
