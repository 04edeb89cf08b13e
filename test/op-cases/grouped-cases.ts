/** Depthwise and grouped convolutions. */
import { convolution, endings, windows } from './convolution-case.js';
import { batches, channelCounts, cycle, mapSizes, type OpCase } from './op-case.js';

const depthwise = windows.flatMap(({ size, ...window }, i) =>
  [0, 1].map((j) => {
    const channels = cycle(channelCounts.slice(1), i + 5 * j);
    return convolution('depthwise', {
      ...window,
      shape: [channels, size[0], size[1]],
      outChannels: channels,
      groups: channels,
      bias: (i + j) % 2 === 0,
      activation: cycle(endings, i + 2 * j),
      batch: cycle(batches, i + j),
    });
  }),
);

const depthwiseSizes = mapSizes.map(([h, w], i) =>
  convolution('depthwise', {
    shape: [8, h, w],
    outChannels: 8,
    groups: 8,
    kernel: cycle([3, 5, 7], i),
    padding: 'same',
    stride: 1 + (i & 1),
    bias: true,
  }),
);

/** Rows of several tiles, so that borders, insides and their seams all occur. */
const wideRows = [
  { kernel: 3, size: [3, 33] },
  { kernel: 3, stride: 2, size: [4, 50] },
  { kernel: 5, size: [2, 41] },
  { kernel: 5, stride: 2, size: [3, 64] },
  { kernel: 7, size: [2, 29] },
  { kernel: 3, dilation: [1, 2], size: [3, 37] },
  { kernel: 3, dilation: [2, 1], size: [5, 35] },
  { kernel: 3, dilation: [1, 3], stride: [1, 2], size: [2, 55] },
  { kernel: [3, 1], size: [3, 26] },
  { kernel: [1, 5], size: [2, 31] },
] as const;

const wideMaps = wideRows.flatMap(({ size, ...window }, i) => {
  const row = { ...window, padding: 'same', bias: true, activation: cycle(endings, i) } as const;
  return [
    convolution('depthwise', { ...row, shape: [6, ...size], outChannels: 6, groups: 6 }),
    convolution('conv', { ...row, shape: [3, ...size], outChannels: 5 }),
  ];
});

const multiplied = [2, 3, 4, 5].flatMap((multiplier, i) =>
  [3, 8].map((channels) =>
    convolution('depthwise', {
      shape: [channels, 6, 5],
      outChannels: channels * multiplier,
      groups: channels,
      kernel: 3,
      padding: 1,
      stride: 1 + (i % 2),
      activation: cycle(endings, i),
    }),
  ),
);

const grouped = [
  [4, 4, 2, 1],
  [6, 9, 3, 1],
  [8, 8, 2, 3],
  [8, 16, 4, 3],
  [12, 12, 3, 1],
  [16, 16, 8, 3],
  [10, 20, 5, 3],
  [20, 20, 4, 1],
  [20, 10, 10, 3],
  [24, 12, 2, 1],
  [14, 6, 2, 3],
  [32, 32, 2, 1],
  [16, 8, 8, 1],
].map(([inChannels, outChannels, groups, kernel], i) =>
  convolution('grouped', {
    shape: [inChannels as number, 5 + (i % 3), 6 - (i % 2)],
    outChannels: outChannels as number,
    groups: groups as number,
    kernel: kernel as number,
    padding: 'same',
    stride: 1 + (i % 2),
    bias: i % 3 !== 0,
    activation: cycle(endings, i),
    batch: cycle(batches, i),
  }),
);

export const groupedCases: readonly OpCase[] = [
  ...depthwise,
  ...depthwiseSizes,
  ...wideMaps,
  ...multiplied,
  ...grouped,
];
