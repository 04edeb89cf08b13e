/**
 * 3x3 convolutions that are large enough for Winograd's scheme: every remainder of the map by the tile, uneven padding,
 * channels that fill no quad, activations, shortcuts, readers and writers in shared buffers. winograd.test.ts checks that
 * the compiler does take that way here.
 */
import { convolution, endings } from './convolution-case.js';
import { cycle, type OpCase, opCase } from './op-case.js';

const single = (
  [
    { shape: [16, 16, 16], outChannels: 16, padding: 1 },
    { shape: [12, 15, 17], outChannels: 26, padding: 1, batch: 2 },
    { shape: [20, 15, 14], outChannels: 12, padding: 1 },
    { shape: [13, 18, 16], outChannels: 17, padding: 0 },
    { shape: [17, 14, 19], outChannels: 13, padding: 2 },
    { shape: [24, 13, 13], outChannels: 40, padding: [0, 1, 2, 1] },
    { shape: [40, 17, 20], outChannels: 24, padding: [1, 0, 0, 2], batch: 3 },
    { shape: [16, 4, 61], outChannels: 16, padding: 1 },
    { shape: [40, 14, 16], outChannels: 10, padding: 1 },
    { shape: [64, 8, 8], outChannels: 64, padding: 1 },
    { shape: [20, 7, 7], outChannels: 18, padding: 1, batch: 2 },
    { shape: [16, 7, 7], outChannels: 20, padding: [5, 6, 3, 4] },
    { shape: [16, 3, 30], outChannels: 16, padding: [0, 9, 9, 0] },
  ] as const
).map((row, i) =>
  convolution('winograd', { ...row, kernel: 3, bias: i % 2 === 0, activation: cycle(endings, i) }),
);

const fused: readonly OpCase[] = [
  opCase(
    'winograd bn + shortcut, relu',
    [18, 14, 15],
    (g, x) => {
      const y = g.batchNorm('bn', g.conv2d('conv', x, { outChannels: 18, kernel: 3, padding: 1 }));
      return g.activation('act', g.add('add', y, x), 'relu');
    },
    { batch: 2 },
  ),
  opCase('winograd of a slice of a concatenation', [12, 15, 16], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 17, kernel: 3, padding: 1, bias: true });
    const b = g.activation('b', g.conv2d('b0', x, { outChannels: 14 }), 'hardSwish');
    const joined = g.concat('joined', [a, b]);
    return g.conv2d('c', g.slice('cut', joined, 5, 27), { outChannels: 21, kernel: 3, padding: 1 });
  }),
  opCase('winograd after winograd, both read again', [20, 15, 15], (g, x) => {
    const a = g.activation('ra', g.conv2d('a', x, { outChannels: 20, kernel: 3, padding: 1 }), 'relu');
    const b = g.conv2d('b', a, { outChannels: 20, kernel: 3, padding: 1 });
    return g.add('out', g.activation('rb', b, 'silu'), g.add('sum', a, b));
  }),
];

export const winogradCases: readonly OpCase[] = [...single, ...fused];
