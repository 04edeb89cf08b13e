/** Dense convolutions: pointwise, k x k, few-channel stems; and the fused neighbours of convolutions of all sorts. */
import { convolution, endings, windows } from './convolution-case.js';
import { batches, channelCounts, cycle, mapSizes, type OpCase, opCase } from './op-case.js';

const pointwise = channelCounts.flatMap((inChannels, i) =>
  [0, 3, 7].map((step, j) => {
    const [h, w] = cycle(mapSizes, i + 4 * j);
    return convolution('pointwise', {
      shape: [inChannels, h, w],
      outChannels: cycle(channelCounts, i + step),
      bias: (i + j) % 2 === 0,
      activation: cycle(endings, i + j),
      batch: cycle(batches, i + j),
    });
  }),
);

const wide = [
  [3, 64, 5, 5],
  [64, 3, 4, 7],
  [40, 33, 14, 14],
  [48, 96, 3, 5],
  [130, 17, 7, 7],
  [17, 130, 1, 3],
].map(([inChannels, outChannels, h, w], i) =>
  convolution('pointwise', {
    shape: [inChannels as number, h as number, w as number],
    outChannels: outChannels as number,
    bias: true,
    activation: cycle(endings, i),
  }),
);

/** Every remainder of the engine's tiles: 1 to 10 quads of output channels, 1 to 9 pixels. */
const tiles = Array.from({ length: 10 }, (_, i) => i + 1).flatMap((quads) => [
  convolution('pointwise', {
    shape: [9, 1, 1 + ((quads * 2) % 9)],
    outChannels: 4 * quads,
    bias: true,
    activation: cycle(endings, quads),
  }),
  convolution('conv', {
    shape: [6, 2, 1 + ((quads * 4) % 9)],
    outChannels: 4 * quads,
    kernel: 3,
    padding: 1,
    activation: cycle(endings, quads + 3),
  }),
]);

const stridedPointwise = (
  [
    { stride: 2, shape: [8, 7, 7] },
    { stride: 2, shape: [5, 6, 5] },
    { stride: [1, 2], shape: [12, 5, 9] },
    { stride: 3, shape: [4, 8, 10] },
    { stride: 1, padding: 1, shape: [6, 3, 4] },
    { stride: 2, padding: [0, 1, 2, 0], shape: [7, 4, 5] },
  ] as const
).map((row, i) => convolution('pointwise', { ...row, outChannels: 9 + i, bias: i % 2 === 0 }));

const dense = windows.flatMap(({ size, ...window }, i) =>
  [0, 1].map((j) =>
    convolution('conv', {
      ...window,
      shape: [cycle(channelCounts, 3 * i + 5 * j), size[0], size[1]],
      outChannels: cycle(channelCounts, 2 * i + 4 * j + 1),
      bias: (i + j) % 2 === 1,
      activation: cycle(endings, i + j),
      batch: cycle(batches, i + j),
    }),
  ),
);

const stems = (
  [
    { shape: [3, 16, 16], outChannels: 16, kernel: 3, stride: 2, padding: 1 },
    { shape: [3, 17, 13], outChannels: 20, kernel: 3, stride: 2, padding: 1 },
    { shape: [3, 9, 10], outChannels: 8, kernel: 3, padding: 1 },
    { shape: [3, 21, 18], outChannels: 13, kernel: 7, stride: 2, padding: 3 },
    { shape: [1, 12, 11], outChannels: 6, kernel: 5, stride: 1, padding: 2 },
    { shape: [2, 9, 9], outChannels: 12, kernel: 3, stride: 2, padding: [0, 1, 1, 0] },
    { shape: [4, 8, 9], outChannels: 24, kernel: 3, stride: 2, padding: 1 },
    { shape: [3, 16, 12], outChannels: 10, kernel: 4, stride: 4, padding: 0 },
  ] as const
).map((row, i) =>
  convolution('stem', {
    ...row,
    bias: i % 2 === 0,
    activation: cycle(endings, i + 1),
    batch: cycle(batches, i),
  }),
);

/** Convolution, batch norm, activation, shortcut in the orders that networks have. */
const fused = [
  opCase('conv bn relu', [5, 6, 7], (g, x) =>
    g.activation(
      'act',
      g.batchNorm('bn', g.conv2d('conv', x, { outChannels: 9, kernel: 3, padding: 1 })),
      'relu',
    ),
  ),
  opCase('depthwise bn relu6', [7, 6, 5], (g, x) =>
    g.activation(
      'act',
      g.batchNorm(
        'bn',
        g.conv2d('conv', x, { outChannels: 7, kernel: 3, padding: 1, groups: 7, bias: true }),
      ),
      'relu6',
    ),
  ),
  opCase('conv bn + shortcut, relu', [8, 6, 5], (g, x) => {
    const y = g.batchNorm('bn', g.conv2d('conv', x, { outChannels: 8, kernel: 3, padding: 1 }));
    return g.activation('act', g.add('add', y, x), 'relu');
  }),
  opCase('shortcut + pointwise (shortcut first)', [13, 5, 5], (g, x) =>
    g.add('add', x, g.conv2d('conv', x, { outChannels: 13, bias: true })),
  ),
  opCase('two convolutions added', [6, 4, 5], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 10 });
    const b = g.conv2d('b', x, { outChannels: 10, kernel: 3, padding: 1 });
    return g.activation('act', g.add('add', a, b), 'hardSwish');
  }),
  opCase('depthwise + shortcut', [12, 7, 6], (g, x) => {
    const y = g.conv2d('conv', x, { outChannels: 12, kernel: 5, padding: 2, groups: 12, bias: true });
    return g.activation('act', g.add('add', y, x), 'relu');
  }),
  opCase('relu before the sum', [8, 5, 5], (g, x) => {
    const y = g.activation('act', g.conv2d('conv', x, { outChannels: 8, bias: true }), 'relu');
    return g.add('add', y, x);
  }),
  opCase(
    'inverted residual',
    [6, 8, 8],
    (g, x) => {
      let y = g.activation('a1', g.batchNorm('b1', g.conv2d('c1', x, { outChannels: 18 })), 'relu6');
      y = g.conv2d('c2', y, { outChannels: 18, kernel: 3, padding: 1, groups: 18 });
      y = g.activation('a2', g.batchNorm('b2', y), 'relu6');
      return g.add('add', g.batchNorm('b3', g.conv2d('c3', y, { outChannels: 6 })), x);
    },
    { batch: 2 },
  ),
  opCase('convolution read twice', [5, 6, 6], (g, x) => {
    const y = g.conv2d('conv', x, { outChannels: 8, kernel: 3, padding: 1 });
    const a = g.activation('a', y, 'relu');
    const b = g.activation('b', y, 'silu');
    return g.add('add', a, b);
  }),
  opCase('chain of pointwise', [3, 4, 4], (g, x) => {
    let y = x;
    [5, 9, 2, 16].forEach((outChannels, i) => {
      y = g.conv2d(`c${i}`, y, { outChannels, bias: true });
    });
    return y;
  }),
];

export const convolutionCases: readonly OpCase[] = [
  ...pointwise,
  ...wide,
  ...tiles,
  ...stridedPointwise,
  ...dense,
  ...stems,
  ...fused,
];
