/** Norms, activations, sums, products and gates, classifier heads, several outputs. */
import type { GraphBuilder } from '../../src/graph/builder.js';
import { activationNames } from '../../src/graph/nodes.js';
import { batches, channelCounts, cycle, mapSizes, type OpCase, opCase } from './op-case.js';

const activations = activationNames.flatMap((fn, i) => [
  opCase(fn, [cycle([5, 8, 3], i), 6, 7], (g, x) => g.activation('act', x, fn), { inputScale: 8 }),
  opCase(fn, [11], (g, x) => g.activation('act', x, fn), { inputScale: 8, batch: 3 }),
  opCase(`relu then ${fn}`, [4, 3, 3], (g, x) => g.activation('b', g.activation('a', x, 'relu'), fn), {
    inputScale: 5,
    batch: 2,
  }),
  opCase(fn, [2, 4, 4], (g, x) => g.activation('act', x, fn), { inputScale: 100 }),
]);

const norms = [
  ...[3, 4, 13].map((c, i) =>
    opCase('batch norm', [c, 5, 4], (g, x) => g.batchNorm('bn', x), { batch: cycle(batches, i) }),
  ),
  opCase('batch norm', [9], (g, x) => g.batchNorm('bn', x), { batch: 2 }),
  opCase('batch norm eps 0.001', [6, 3, 3], (g, x) => g.batchNorm('bn', x, { eps: 1e-3 })),
  opCase('bn relu conv (pre-activation)', [7, 5, 5], (g, x) =>
    g.conv2d('conv', g.activation('act', g.batchNorm('bn', x), 'relu'), {
      outChannels: 6,
      kernel: 3,
      padding: 1,
    }),
  ),
  opCase('concat bn relu', [5, 4, 4], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 3 });
    return g.activation('act', g.batchNorm('bn', g.concat('cat', [a, x])), 'relu');
  }),
  opCase('bn bn', [6, 4, 3], (g, x) => g.batchNorm('b', g.batchNorm('a', x))),
  opCase('conv read by bn and by the sum', [4, 4, 4], (g, x) => {
    const y = g.conv2d('conv', x, { outChannels: 5 });
    return g.add('add', g.batchNorm('bn', y), y);
  }),
  opCase(
    'linear bn relu',
    [10],
    (g, x) => g.activation('act', g.batchNorm('bn', g.linear('fc', x, { outFeatures: 7 })), 'relu'),
    { batch: 2 },
  ),
];

const squeeze = (g: GraphBuilder, x: string, channels: number, name = 'se'): string => {
  let gate = g.globalAvgPool(`${name}.pool`, x);
  gate = g.activation(
    `${name}.act`,
    g.conv2d(`${name}.reduce`, gate, { outChannels: channels, bias: true }),
    'relu',
  );
  gate = g.conv2d(`${name}.expand`, gate, { outChannels: g.channels(x), bias: true });
  return g.mul(`${name}.mul`, x, g.activation(`${name}.gate`, gate, 'hardSigmoid'));
};

const sums = [
  ...channelCounts.map((c, i) => {
    const [h, w] = cycle(mapSizes, i);
    const what = cycle(['add', 'mul'] as const, i);
    return opCase(
      `${what} of x and sigmoid(x)`,
      [c, h, w],
      (g, x) => g[what]('y', x, g.activation('s', x, 'sigmoid')),
      {
        batch: cycle(batches, i),
      },
    );
  }),
  opCase('x + x', [5, 3, 4], (g, x) => g.add('y', x, x)),
  opCase('x * x', [5, 3, 4], (g, x) => g.mul('y', x, x), { batch: 2 }),
  opCase('add then relu', [6, 3, 4], (g, x) =>
    g.activation('y', g.add('add', x, g.activation('s', x, 'silu')), 'relu'),
  ),
  opCase('add, read twice', [6, 3, 4], (g, x) => {
    const sum = g.add('add', x, g.activation('s', x, 'silu'));
    return g.mul('y', g.activation('r', sum, 'relu'), sum);
  }),
  opCase('add of features', [7], (g, x) => g.add('y', x, g.linear('fc', x, { outFeatures: 7 })), {
    batch: 2,
  }),
  opCase(
    'gate',
    [5, 6, 7],
    (g, x) => g.mul('y', x, g.activation('gate', g.globalAvgPool('pool', x), 'sigmoid')),
    { batch: 2 },
  ),
  opCase('gate on 1x1', [8, 1, 1], (g, x) => g.mul('y', x, g.activation('gate', x, 'sigmoid'))),
  ...[4, 7, 16, 20].map((c, i) =>
    opCase('squeeze and excite', [c, 5, 6], (g, x) => squeeze(g, x, 4 + i), { batch: cycle(batches, i) }),
  ),
  opCase('squeeze and excite inside a block', [6, 7, 7], (g, x) => {
    const y = g.activation('act', g.conv2d('a', x, { outChannels: 10, bias: true }), 'relu');
    return g.add('add', g.conv2d('b', squeeze(g, y, 4), { outChannels: 6, bias: true }), x);
  }),
  opCase('gated map also read before the gate', [8, 5, 5], (g, x) => {
    const y = g.conv2d('a', x, { outChannels: 8, kernel: 3, padding: 1 });
    return g.add('add', squeeze(g, y, 4), y);
  }),
  opCase('two gates on one map', [9, 4, 5], (g, x) =>
    g.concat('cat', [squeeze(g, x, 3, 'a'), squeeze(g, x, 5, 'b')]),
  ),
];

const heads = [
  ...channelCounts.map((inFeatures, i) =>
    opCase(
      `linear →${cycle(channelCounts, i + 5)}`,
      [inFeatures],
      (g, x) => g.linear('fc', x, { outFeatures: cycle(channelCounts, i + 5), bias: i % 2 === 0 }),
      { batch: cycle(batches, i) },
    ),
  ),
  opCase('linear →100', [130], (g, x) => g.linear('fc', x, { outFeatures: 100 }), { batch: 2 }),
  opCase('linear relu linear', [9], (g, x) =>
    g.linear('b', g.activation('r', g.linear('a', x, { outFeatures: 17 }), 'relu'), { outFeatures: 3 }),
  ),
  opCase('flatten', [5, 3, 4], (g, x) => g.flatten('y', x), { batch: 2 }),
  opCase('flatten 1x1', [6, 1, 1], (g, x) => g.flatten('y', x)),
  opCase(
    'flatten linear',
    [5, 3, 4],
    (g, x) => g.linear('fc', g.flatten('f', g.conv2d('c', x, { outChannels: 6 })), { outFeatures: 7 }),
    { batch: 2 },
  ),
  opCase(
    'flatten of a concat, linear',
    [3, 2, 3],
    (g, x) => {
      const y = g.concat('cat', [g.conv2d('a', x, { outChannels: 5 }), g.conv2d('b', x, { outChannels: 6 })]);
      return g.linear('fc', g.flatten('f', y), { outFeatures: 5 });
    },
    { batch: 2 },
  ),
  opCase(
    'pool flatten dropout linear',
    [13, 4, 4],
    (g, x) =>
      g.linear('fc', g.dropout('d', g.flatten('f', g.globalAvgPool('p', x)), 0.2), { outFeatures: 10 }),
    { batch: 3 },
  ),
  opCase(
    'logits of a 1x1 convolution, flattened',
    [13, 4, 4],
    (g, x) => g.flatten('f', g.conv2d('fc', g.globalAvgPool('p', x), { outChannels: 10 })),
    { batch: 3 },
  ),
  opCase(
    'softmax of means, flattened',
    [11, 4, 5],
    (g, x) => g.softmax('y', g.dropout('d', g.flatten('f', g.globalAvgPool('p', x)), 0.2)),
    { batch: 2 },
  ),
  opCase('means that an output and a layer read', [6, 3, 5], (g, x) => {
    const pool = g.globalAvgPool('p', x);
    const flat = g.flatten('f', pool);
    return [flat, g.flatten('g', g.conv2d('fc', pool, { outChannels: 7 }))];
  }),
  ...[1, 2, 5, 8, 130].map((c, i) =>
    opCase('softmax', [c], (g, x) => g.softmax('y', x), { batch: cycle(batches, i), inputScale: 6 }),
  ),
  opCase('softmax over channels of a map', [5, 3, 4], (g, x) => g.softmax('y', x), {
    batch: 2,
    inputScale: 4,
  }),
  opCase('softmax of large values', [7], (g, x) => g.softmax('y', x), { inputScale: 200 }),
  opCase('linear softmax', [12], (g, x) => g.softmax('y', g.linear('fc', x, { outFeatures: 10 })), {
    batch: 2,
  }),
];

/** Several outputs, and outputs that other nodes read too. */
const outputs = [
  opCase('two outputs', [5, 6, 6], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 6, kernel: 3, padding: 1 });
    return [a, g.conv2d('b', g.activation('r', a, 'relu'), { outChannels: 3, stride: 2 })];
  }),
  opCase(
    'outputs before and after the activation',
    [5, 4, 4],
    (g, x) => {
      const a = g.conv2d('a', x, { outChannels: 6, bias: true });
      return [a, g.activation('r', a, 'relu')];
    },
    { batch: 2 },
  ),
  opCase('slice and concat as outputs', [6, 3, 5], (g, x) => {
    const a = g.conv2d('a', x, { outChannels: 7 });
    return [g.slice('s', a, 2, 5), g.concat('cat', [x, a])];
  }),
];

export const mapCases: readonly OpCase[] = [...activations, ...norms, ...sums, ...heads, ...outputs];
