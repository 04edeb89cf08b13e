/** Pools, and everything that moves channels or pixels: concat, slice, shuffle, padding, shift, upsampling. */
import type { Pair } from '../../src/graph/nodes.js';
import { Random } from '../../src/models/random.js';
import { batches, channelCounts, cycle, mapSizes, type OpCase, opCase } from './op-case.js';

/** Kernel, stride, padding, ceil mode and map size of pools. */
const pools = [
  { kernel: 2, size: [6, 8] },
  { kernel: 2, size: [7, 5] },
  { kernel: 3, stride: 2, padding: 1, size: [8, 7] },
  { kernel: 3, stride: 2, padding: 1, size: [1, 1] },
  { kernel: 3, stride: 1, padding: 1, size: [4, 9] },
  { kernel: 3, stride: 2, ceilMode: true, size: [8, 10] },
  { kernel: 3, stride: 2, padding: 1, ceilMode: true, size: [8, 7] },
  { kernel: 2, stride: 2, ceilMode: true, size: [5, 7] },
  { kernel: [2, 3], stride: [1, 2], padding: [1, 0], size: [5, 9] },
  { kernel: 1, stride: 2, size: [7, 6] },
  { kernel: 5, stride: 1, padding: 2, size: [5, 4] },
  { kernel: 3, stride: 3, padding: [0, 1, 1, 0], size: [9, 8] },
  { kernel: 3, stride: 1, padding: [1, 0, 0, 1], size: [4, 4] },
  { kernel: 2, stride: 3, padding: 1, ceilMode: true, size: [9, 8] },
  { kernel: [7, 1], stride: 1, size: [7, 3] },
] as const;

const poolCases = pools.flatMap(({ size, ...pool }, i) => {
  const what = Object.entries(pool)
    .map(([key, value]) => `${key} ${value}`)
    .join(' ');
  const shape = [cycle(channelCounts, i + 2), size[0], size[1]];
  const batch = cycle(batches, i);
  return [
    opCase(`max pool ${what}`, shape, (g, x) => g.maxPool('pool', x, pool), { batch }),
    opCase(`average pool ${what}`, shape, (g, x) => g.avgPool('pool', x, pool), { batch }),
    opCase(
      `average pool ${what} without padding`,
      shape,
      (g, x) => g.avgPool('pool', x, { ...pool, countIncludePad: false }),
      {
        batch,
      },
    ),
  ];
});

const globalPools = mapSizes.map(([h, w], i) =>
  opCase('global average pool', [cycle(channelCounts, i), h, w], (g, x) => g.globalAvgPool('pool', x), {
    batch: cycle(batches, i),
  }),
);

function offsets(channels: number, reach: number): Pair[] {
  const random = new Random(channels * 31 + reach);
  const one = (): number => random.below(2 * reach + 1) - reach;
  return Array.from({ length: channels }, () => [one(), one()] as const);
}

const moves = [
  opCase('concat x x', [4, 3, 3], (g, x) => g.concat('y', [x, x])),
  opCase('concat of one', [5, 3, 3], (g, x) => g.concat('y', [x])),
  ...(
    [
      [3, 5],
      [4, 8],
      [1, 2, 7],
      [5, 4, 3, 13],
    ] as const
  ).map((parts, i) =>
    opCase(
      `concat of ${parts.join(', ')} channels`,
      [3, 4, 5],
      (g, x) =>
        g.concat(
          'y',
          parts.map((outChannels, j) => g.conv2d(`c${j}`, x, { outChannels })),
        ),
      { batch: cycle(batches, i) },
    ),
  ),
  ...(
    [
      [0, 3],
      [1, 4],
      [4, 8],
      [5, 13],
      [12, 13],
    ] as const
  ).map(([start, end], i) =>
    opCase(`slice ${start}:${end}`, [13, 3, 4], (g, x) => g.slice('y', x, start, end), {
      batch: cycle(batches, i),
    }),
  ),
  opCase('slice of features', [13], (g, x) => g.slice('y', x, 3, 10), { batch: 2 }),
  opCase('concat of features', [6], (g, x) => g.concat('y', [x, g.slice('s', x, 1, 4)]), { batch: 2 }),
  opCase(
    'slices, one through a convolution, concat, shuffle (ShuffleNet unit)',
    [12, 5, 6],
    (g, x) => {
      const right = g.activation(
        'act',
        g.conv2d('conv', g.slice('b', x, 6, 12), { outChannels: 6, bias: true }),
        'relu',
      );
      return g.shuffle('y', g.concat('cat', [g.slice('a', x, 0, 6), right]), 2);
    },
    { batch: 2 },
  ),
  opCase('shuffle nest', [12, 3, 4], (g, x) => {
    const a = g.shuffle('a', x, 3);
    const b = g.slice('b', a, 2, 9);
    const c = g.concat('c', [b, g.slice('d', x, 0, 5), b]);
    return g.conv2d('y', g.slice('e', c, 1, 18), { outChannels: 6, kernel: 3, padding: 1 });
  }),
  opCase('convolution on a slice of a convolution', [3, 6, 6], (g, x) => {
    const y = g.conv2d('a', x, { outChannels: 11, kernel: 3, padding: 1 });
    return g.conv2d('b', g.slice('s', y, 3, 10), { outChannels: 5, kernel: 3, padding: 1, bias: true });
  }),
  opCase('depthwise on a shuffled concat', [5, 6, 6], (g, x) => {
    const y = g.concat('cat', [
      g.conv2d('a', x, { outChannels: 6 }),
      g.conv2d('b', x, { outChannels: 3 }),
      g.slice('s', x, 1, 4),
    ]);
    return g.conv2d('dw', g.shuffle('sh', y, 4), { outChannels: 12, groups: 12, kernel: 3, padding: 1 });
  }),
  opCase('grouped convolution on a concat of odd parts', [3, 5, 5], (g, x) => {
    const y = g.concat('cat', [
      g.conv2d('a', x, { outChannels: 5 }),
      g.conv2d('b', x, { outChannels: 7, kernel: 3, padding: 1 }),
    ]);
    return g.conv2d('y', y, { outChannels: 8, groups: 4, kernel: 3, padding: 1 });
  }),
  opCase('sum of two differently built maps', [6, 4, 5], (g, x) => {
    const a = g.concat('ca', [g.conv2d('a', x, { outChannels: 3 }), g.conv2d('b', x, { outChannels: 6 })]);
    const b = g.slice('s', g.conv2d('c', x, { outChannels: 11 }), 2, 11);
    return g.activation('y', g.add('add', a, b), 'relu');
  }),
  opCase('activations of parts of a concat that is read on', [5, 4, 5], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 4 });
    const b = g.conv2d('b', x, { outChannels: 4, kernel: 3, padding: 1 });
    const r = g.activation('r', g.slice('s', g.concat('cat', [a, b]), 0, 4), 'relu');
    const early = g.conv2d('early', g.concat('cat2', [r, b]), { outChannels: 6 });
    const late = g.concat('cat3', [g.activation('t', b, 'silu'), b]);
    return g.add('y', early, g.conv2d('late', late, { outChannels: 6 }));
  }),
  opCase('pools of a concat', [5, 6, 6], (g, x) => {
    const y = g.concat('cat', [x, g.conv2d('a', x, { outChannels: 2 })]);
    return g.concat('y', [g.maxPool('m', y, { kernel: 2 }), g.avgPool('v', y, { kernel: 2 })]);
  }),
  ...[2, 3, 4, 6, 12].map((groups) =>
    opCase(`shuffle ${groups} groups`, [12, 3, 3], (g, x) => g.shuffle('y', x, groups)),
  ),
  opCase('permute channels', [5, 3, 4], (g, x) => g.permuteChannels('y', x, [3, 0, 4, 1, 2]), { batch: 2 }),
  opCase('permute features', [6], (g, x) => g.permuteChannels('y', x, [5, 3, 1, 0, 2, 4]), { batch: 2 }),
  opCase('Ghost module, its channels reordered, plus a shortcut, relu, convolution', [8, 5, 6], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 4, kernel: 3, padding: 1 });
    const b = g.conv2d('b', a, { outChannels: 4, groups: 4, kernel: 3, padding: 1 });
    const y = g.permuteChannels('p', g.concat('cat', [a, b]), [4, 0, 6, 1, 2, 7, 3, 5]);
    const sum = g.activation('relu', g.add('add', y, x), 'relu');
    return g.conv2d('y', sum, { outChannels: 6, kernel: 3, padding: 1 });
  }),
  ...(
    [
      [0, 4, 4],
      [2, 3, 5],
      [0, 1, 8],
      [3, 0, 6],
    ] as const
  ).map(([before, after, c]) =>
    opCase(`pad channels ${before}, ${after}`, [c, 3, 4], (g, x) => g.padChannels('y', x, before, after)),
  ),
  opCase('option A shortcut', [6, 8, 7], (g, x) => {
    const y = g.conv2d('conv', x, { outChannels: 12, kernel: 3, stride: 2, padding: 1 });
    const short = g.padChannels('pad', g.avgPool('half', x, { kernel: 1, stride: 2 }), 0, 6);
    return g.activation('y', g.add('add', y, short), 'relu');
  }),
  ...[1, 5, 8].map((c, i) =>
    opCase(`shift by up to ${i + 1}`, [c, 5, 6], (g, x) => g.shift('y', x, offsets(c, i + 1)), {
      batch: cycle(batches, i),
    }),
  ),
  opCase('shift by more than the map', [4, 2, 3], (g, x) => g.shift('y', x, offsets(4, 4))),
  ...([1, 2, 3, [1, 2], [3, 1]] as const).map((scale, i) =>
    opCase(`upsample x${scale}`, [cycle(channelCounts, i + 2), 3, 4], (g, x) => g.upsample('y', x, scale), {
      batch: cycle(batches, i),
    }),
  ),
  opCase('feature pyramid sum', [5, 6, 8], (g, x) => {
    const low = g.conv2d('low', x, { outChannels: 7, kernel: 3, stride: 2, padding: 1 });
    const side = g.conv2d('side', x, { outChannels: 7, bias: true });
    return g.conv2d('y', g.add('add', g.upsample('up', low, 2), side), {
      outChannels: 7,
      kernel: 3,
      padding: 1,
    });
  }),
  opCase('dropout and identity', [5, 3, 3], (g, x) => g.identity('y', g.dropout('d', x, 0.5))),
  opCase('identity between convolution and relu', [5, 3, 3], (g, x) =>
    g.activation('y', g.identity('i', g.conv2d('c', x, { outChannels: 6 })), 'relu'),
  ),
];

export const windowCases: readonly OpCase[] = [...poolCases, ...globalPools, ...moves];
