/**
 * Parsers of option values, for commander: each gives a value or throws InvalidArgumentError, which commander reports
 * with the option's name and exit code 2.
 */
import { InvalidArgumentError } from 'commander';

/** A whole number of at least `least`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(
        most === Number.MAX_SAFE_INTEGER
          ? `Expected a whole number of at least ${least}.`
          : `Expected a whole number from ${least} to ${most}.`,
      );
    return value;
  };
}

/** A number of at least `least` and at most `most`. */
export function decimal(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most)
      throw new InvalidArgumentError(
        most === Number.POSITIVE_INFINITY
          ? `Expected a number of at least ${least}.`
          : `Expected a number from ${least} to ${most}.`,
      );
    return value;
  };
}

/** `CxHxW`, e.g. 3x224x224. */
export function inputShape(text: string): readonly [number, number, number] {
  const match = /^(\d+)[x×](\d+)[x×](\d+)$/i.exec(text);
  const [c, h, w] = (match ?? []).slice(1).map(Number);
  if (!c || !h || !w) throw new InvalidArgumentError('Expected CxHxW, e.g. 3x224x224.');
  return [c, h, w];
}

/** Words with commas between. */
export function list(text: string): readonly string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.some((word) => word === ''))
    throw new InvalidArgumentError('Expected names with commas between.');
  return [...new Set(words)];
}

/** One of some words. */
export function oneOf(words: readonly string[]): (text: string) => string {
  return (text) => {
    if (!words.includes(text)) throw new InvalidArgumentError(`Expected one of ${words.join(', ')}.`);
    return text;
  };
}
