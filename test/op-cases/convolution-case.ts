/** One convolution as a case, and the windows that dense and depthwise convolutions share. */
import type { Conv2dOptions, GraphBuilder } from '../../src/graph/builder.js';
import { type ActivationName, activationNames } from '../../src/graph/nodes.js';
import { type OpCase, opCase } from './op-case.js';

export const endings: readonly (ActivationName | null)[] = [null, ...activationNames];

export interface Row extends Conv2dOptions {
  readonly shape: readonly [number, number, number];
  readonly batch?: number;
  readonly activation?: ActivationName | null;
}

function pairText(value: number | readonly number[] | string | undefined, fallback: string): string {
  return value === undefined ? fallback : typeof value === 'object' ? value.join(',') : `${value}`;
}

/** A convolution, and an activation after it, under a name that says all of it. */
export function convolution(sort: string, row: Row): OpCase {
  const { shape, batch = 1, activation = null, ...options } = row;
  const what = [
    sort,
    `${shape[0]}→${options.outChannels}`,
    `k${pairText(options.kernel, '1')}`,
    `s${pairText(options.stride, '1')}`,
    `p${pairText(options.padding, '0')}`,
    `d${pairText(options.dilation, '1')}`,
    `g${options.groups ?? 1}`,
    options.bias ? 'bias' : 'no bias',
    ...(activation ? [activation] : []),
  ].join(' ');
  const build = (g: GraphBuilder, x: string): string => {
    const y = g.conv2d('conv', x, options);
    return activation ? g.activation('act', y, activation) : y;
  };
  return opCase(what, shape, build, { batch });
}

/** Kernel, stride, padding, dilation and map size of dense and grouped convolutions. */
export const windows = [
  { kernel: 3, padding: 1, size: [7, 7] },
  { kernel: 3, padding: 1, size: [1, 1] },
  { kernel: 3, padding: 0, size: [3, 3] },
  { kernel: 3, padding: 1, stride: 2, size: [8, 8] },
  { kernel: 3, padding: 1, stride: 2, size: [7, 9] },
  { kernel: 3, padding: 1, stride: 2, size: [1, 5] },
  { kernel: 3, padding: [0, 0, 1, 1], stride: 2, size: [6, 6] },
  { kernel: 3, padding: [2, 0, 1, 3], size: [5, 4] },
  { kernel: 3, padding: 2, dilation: 2, size: [9, 7] },
  { kernel: 3, padding: [3, 2], dilation: [3, 2], stride: [2, 1], size: [11, 6] },
  { kernel: 3, padding: [1, 2], dilation: [1, 2], size: [6, 8] },
  { kernel: 3, padding: [2, 1], dilation: [2, 1], size: [8, 6] },
  { kernel: 1, padding: 1, size: [4, 3] },
  { kernel: 2, padding: 0, stride: 2, size: [6, 7] },
  { kernel: 2, padding: [0, 0, 1, 1], size: [5, 5] },
  { kernel: 4, padding: [1, 2], stride: 2, size: [9, 10] },
  { kernel: 5, padding: 2, size: [6, 13] },
  { kernel: 5, padding: 2, stride: 2, size: [13, 6] },
  { kernel: 5, padding: 4, dilation: 2, size: [7, 5] },
  { kernel: 7, padding: 3, size: [9, 8] },
  { kernel: 7, padding: 3, stride: 2, size: [17, 16] },
  { kernel: [1, 3], padding: [0, 1], size: [4, 17] },
  { kernel: [3, 1], padding: [1, 0], stride: [2, 1], size: [17, 2] },
  { kernel: [1, 7], padding: [0, 3], size: [3, 12] },
  { kernel: [2, 5], padding: [1, 2, 0, 2], stride: [1, 3], size: [7, 11] },
  { kernel: 3, padding: 1, stride: 4, size: [16, 15] },
  { kernel: 2, padding: 0, stride: 3, size: [8, 11] },
] as const;
