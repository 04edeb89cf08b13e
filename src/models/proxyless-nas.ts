/**
 * ProxylessNAS (Cai et al. 2019), the networks found for a mobile phone, a CPU and a GPU, from the authors' published
 * configurations. A block that the search left out is not in the table.
 */
import { imagenetEntries, type ModelEntry } from './model-entry.js';
import { type SearchedRow, searchedNet } from './searched-net.js';

type Target = 'mobile' | 'cpu' | 'gpu';

/** Kernel, expansion, output channels, stride. */
export const proxylessTables: Readonly<
  Record<
    Target,
    { readonly stem: number; readonly head: number; readonly stages: readonly (readonly SearchedRow[])[] }
  >
> = {
  mobile: {
    stem: 32,
    head: 1280,
    stages: [
      [[3, 1, 16, 1]],
      [
        [5, 3, 32, 2],
        [3, 3, 32, 1],
      ],
      [
        [7, 3, 40, 2],
        [3, 3, 40, 1],
        [5, 3, 40, 1],
        [5, 3, 40, 1],
      ],
      [
        [7, 6, 80, 2],
        [5, 3, 80, 1],
        [5, 3, 80, 1],
        [5, 3, 80, 1],
      ],
      [
        [5, 6, 96, 1],
        [5, 3, 96, 1],
        [5, 3, 96, 1],
        [5, 3, 96, 1],
      ],
      [
        [7, 6, 192, 2],
        [7, 6, 192, 1],
        [7, 3, 192, 1],
        [7, 3, 192, 1],
      ],
      [[7, 6, 320, 1]],
    ],
  },
  cpu: {
    stem: 40,
    head: 1432,
    stages: [
      [[3, 1, 24, 1]],
      [
        [3, 6, 32, 2],
        [3, 3, 32, 1],
        [3, 3, 32, 1],
        [3, 3, 32, 1],
      ],
      [
        [3, 6, 48, 2],
        [3, 3, 48, 1],
        [3, 3, 48, 1],
        [5, 3, 48, 1],
      ],
      [
        [3, 6, 88, 2],
        [3, 3, 88, 1],
      ],
      [
        [5, 6, 104, 1],
        [3, 3, 104, 1],
        [3, 3, 104, 1],
        [3, 3, 104, 1],
      ],
      [
        [5, 6, 216, 2],
        [5, 3, 216, 1],
        [5, 3, 216, 1],
        [3, 3, 216, 1],
      ],
      [[5, 6, 360, 1]],
    ],
  },
  gpu: {
    stem: 40,
    head: 1728,
    stages: [
      [[3, 1, 24, 1]],
      [[5, 3, 32, 2]],
      [
        [7, 3, 56, 2],
        [3, 3, 56, 1],
      ],
      [
        [7, 6, 112, 2],
        [5, 3, 112, 1],
      ],
      [
        [5, 6, 128, 1],
        [3, 3, 128, 1],
        [5, 3, 128, 1],
      ],
      [
        [7, 6, 256, 2],
        [7, 6, 256, 1],
        [7, 6, 256, 1],
        [5, 6, 256, 1],
      ],
      [[7, 6, 432, 1]],
    ],
  },
};

export const proxylessEntries: readonly ModelEntry[] = (['mobile', 'cpu', 'gpu'] as const).flatMap((target) =>
  imagenetEntries(
    {
      name: `proxylessnas_${target}`,
      summary: `ProxylessNAS for ${target === 'mobile' ? 'mobile phones' : `a ${target.toUpperCase()}`} (Cai et al. 2019)`,
      ghost: target === 'mobile',
    },
    (options) => searchedNet({ ...options, ...proxylessTables[target], activation: 'relu6' }),
  ),
);
