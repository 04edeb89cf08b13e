/**
 * Hard-swish and hard-sigmoid behind every kind of layer, at scales from where they are lines to where their ends are
 * all that shows: in int8 their scales and zero points are as far apart as they come (one pixel of a channel has a zero
 * point of 0 or 127 where every channel has a range).
 */
import type { GraphBuilder } from '../../src/graph/builder.js';
import { channelCounts, cycle, type OpCase, opCase } from './op-case.js';

type Hard = 'hardSwish' | 'hardSigmoid';

/** A layer with the activation, and one that reads it, so that it is steps in int8. */
interface Kind {
  readonly what: string;
  readonly shape: readonly number[];
  readonly layer: (g: GraphBuilder, x: string) => string;
}

const kinds: readonly Kind[] = [
  {
    what: '1x1',
    shape: [13, 5, 6],
    layer: (g, x) => g.conv2d('layer', x, { outChannels: 10, bias: true }),
  },
  {
    what: '3x3 stride 2, batch norm',
    shape: [5, 9, 7],
    layer: (g, x) =>
      g.batchNorm('bn', g.conv2d('layer', x, { outChannels: 12, kernel: 3, stride: 2, padding: 1 })),
  },
  {
    what: 'depthwise 5x5',
    shape: [9, 7, 8],
    layer: (g, x) => g.conv2d('layer', x, { outChannels: 9, groups: 9, kernel: 5, padding: 2, bias: true }),
  },
  {
    what: 'grouped 3x3',
    shape: [8, 4, 5],
    layer: (g, x) => g.conv2d('layer', x, { outChannels: 6, groups: 2, kernel: 3, bias: true }),
  },
  {
    what: '1x1 on a pixel',
    shape: [40, 1, 1],
    layer: (g, x) => g.conv2d('layer', x, { outChannels: 21, bias: true }),
  },
];

const scales = [0.001, 0.3, 4, 60, 2000];

const layers = kinds.flatMap(({ what, shape, layer }, k) =>
  (['hardSwish', 'hardSigmoid'] as const).flatMap((fn: Hard, f) =>
    scales.map((inputScale, s) =>
      opCase(
        `${what}, ${fn}, 1x1`,
        shape,
        (g, x) =>
          g.conv2d('reader', g.activation('act', layer(g, x), fn), {
            outChannels: cycle(channelCounts, k + f + s),
          }),
        { inputScale, batch: cycle([1, 2], k + s) },
      ),
    ),
  ),
);

const more = [
  opCase(
    'linear, hard-swish, linear',
    [19],
    (g, x) =>
      g.linear('b', g.activation('act', g.linear('a', x, { outFeatures: 30 }), 'hardSwish'), {
        outFeatures: 5,
      }),
    { inputScale: 5, batch: 3 },
  ),
  ...[1, 30].flatMap((inputScale) => [
    opCase(
      'hard-swish layer with a gate',
      [7, 6, 5],
      (g, x) => {
        const y = g.activation('act', g.conv2d('a', x, { outChannels: 14, bias: true }), 'hardSwish');
        const squeezed = g.conv2d('reduce', g.globalAvgPool('pool', y), { outChannels: 4, bias: true });
        const gate = g.conv2d('expand', g.activation('relu', squeezed, 'relu'), {
          outChannels: 14,
          bias: true,
        });
        return g.conv2d('b', g.mul('mul', y, g.activation('gate', gate, 'hardSigmoid')), { outChannels: 9 });
      },
      { inputScale },
    ),
    opCase(
      'hard-swish of a map and cheap maps of it',
      [6, 5, 7],
      (g, x) => {
        const cheap = g.conv2d('cheap', x, { outChannels: 6, groups: 6, kernel: 3, padding: 1, bias: true });
        const y = g.activation('act', g.batchNorm('bn', g.concat('cat', [x, cheap])), 'hardSwish');
        return g.conv2d('b', y, { outChannels: 5 });
      },
      { inputScale },
    ),
    opCase(
      'hard-swish of a sum',
      [6, 5, 7],
      (g, x) => {
        const y = g.add('add', g.conv2d('a', x, { outChannels: 6, bias: true }), x);
        return g.conv2d('b', g.activation('act', y, 'hardSwish'), { outChannels: 8 });
      },
      { inputScale, batch: 2 },
    ),
  ]),
];

export const hardCases: readonly OpCase[] = [...layers, ...more];
