/** Whether a number of ours is the one that a paper prints, which rounds and writes `5.2 M` or `4.1 B`. */

export type Agreement = 'exact' | 'printed digits' | 'within 2 %' | 'differs' | 'unpublished';

/** The number that `5.2 M`, `141 M`, `4.1 B` or `3504872` says, and the worth of its last printed digit. */
export function readPrinted(text: string): { readonly value: number; readonly step: number } | undefined {
  const match = /^(\d+(?:\.(\d+))?)(?: ([MB]))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, digits = '', decimals = '', unit] = match;
  const factor = unit === 'M' ? 1e6 : unit === 'B' ? 1e9 : 1;
  return { value: Number(digits) * factor, step: unit ? factor / 10 ** decimals.length : 0 };
}

/** How a count agrees with what is printed; '' or '–': nothing is. */
export function agreement(count: number, printed: string): Agreement {
  const read = readPrinted(printed);
  if (!read) return 'unpublished';
  const difference = Math.abs(count - read.value);
  if (read.step === 0) return difference === 0 ? 'exact' : 'differs';
  if (difference <= (read.step / 2) * (1 + 1e-9)) return 'printed digits';
  return difference <= 0.02 * read.value ? 'within 2 %' : 'differs';
}
