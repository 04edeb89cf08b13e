/**
 * FBNet-A, B and C (Wu et al. 2019) as their authors publish them: inverted residuals of expansion 1, 3 and 6, kernels
 * 3 and 5, some with two groups in the 1x1 convolutions. A skipped block is not in the table.
 */
import { imagenetEntries, type ModelEntry } from './model-entry.js';
import { type SearchedRow, searchedNet } from './searched-net.js';

/** Kernel, expansion, output channels, stride, squeeze-and-excite (never), groups. */
export const fbNetTables: Readonly<
  Record<'a' | 'b' | 'c', { readonly head: number; readonly stages: readonly (readonly SearchedRow[])[] }>
> = {
  a: {
    head: 1504,
    stages: [
      [
        [3, 3, 24, 2],
        [3, 1, 24, 1],
      ],
      [
        [5, 6, 32, 2],
        [3, 3, 32, 1],
        [5, 1, 32, 1],
        [3, 3, 32, 1],
      ],
      [
        [5, 6, 64, 2],
        [5, 3, 64, 1],
        [5, 1, 64, 1, 0, 2],
        [5, 6, 64, 1],
      ],
      [
        [3, 6, 112, 1],
        [5, 1, 112, 1, 0, 2],
        [5, 3, 112, 1],
        [3, 1, 112, 1, 0, 2],
      ],
      [
        [5, 6, 184, 2],
        [5, 6, 184, 1],
        [5, 3, 184, 1],
        [5, 6, 184, 1],
      ],
      [[5, 6, 352, 1]],
    ],
  },
  b: {
    head: 1984,
    stages: [
      [[3, 1, 16, 1]],
      [
        [3, 6, 24, 2],
        [5, 1, 24, 1],
        [3, 1, 24, 1],
        [3, 1, 24, 1],
      ],
      [
        [5, 6, 32, 2],
        [5, 3, 32, 1],
        [3, 6, 32, 1],
        [5, 6, 32, 1],
      ],
      [
        [5, 6, 64, 2],
        [5, 6, 64, 1],
        [5, 3, 64, 1],
      ],
      [
        [5, 6, 112, 1],
        [3, 1, 112, 1],
        [5, 1, 112, 1],
        [5, 3, 112, 1],
      ],
      [
        [5, 6, 184, 2],
        [5, 1, 184, 1],
        [5, 6, 184, 1],
        [5, 6, 184, 1],
      ],
      [[3, 6, 352, 1]],
    ],
  },
  c: {
    head: 1984,
    stages: [
      [[3, 1, 16, 1]],
      [
        [3, 6, 24, 2],
        [3, 1, 24, 1],
        [3, 1, 24, 1],
      ],
      [
        [5, 6, 32, 2],
        [5, 3, 32, 1],
        [5, 6, 32, 1],
        [3, 6, 32, 1],
      ],
      [
        [5, 6, 64, 2],
        [5, 3, 64, 1],
        [5, 6, 64, 1],
        [5, 6, 64, 1],
      ],
      [
        [5, 6, 112, 1],
        [5, 6, 112, 1],
        [5, 6, 112, 1],
        [5, 3, 112, 1],
      ],
      [
        [5, 6, 184, 2],
        [5, 6, 184, 1],
        [5, 6, 184, 1],
        [5, 6, 184, 1],
      ],
      [[3, 6, 352, 1]],
    ],
  },
};

export const fbNetEntries: readonly ModelEntry[] = (['a', 'b', 'c'] as const).flatMap((letter) =>
  imagenetEntries(
    {
      name: `fbnet_${letter}`,
      summary: `FBNet-${letter.toUpperCase()} (Wu et al. 2019)`,
      aliases: [`fbnet${letter}_100`],
      ghost: letter === 'b',
    },
    (options) => searchedNet({ ...options, ...fbNetTables[letter], stem: 16, activation: 'relu' }),
  ),
);
