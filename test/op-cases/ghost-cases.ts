/** Ghost modules with every ratio, cheap operation and remainder, and the blocks that ghost networks are made of. */
import { type GhostModuleOptions, ghostModule } from '../../src/models/ghost-module.js';
import { ghostBottleneck } from '../../src/models/ghostnet.js';
import { batches, cycle, type OpCase, opCase } from './op-case.js';

function ghost(shape: readonly number[], options: GhostModuleOptions, batch = 1): OpCase {
  const what = Object.entries(options)
    .map(([key, value]) => `${key} ${value}`)
    .join(' ');
  return opCase(`ghost module ${what}`, shape, (g, x) => ghostModule(g, 'ghost', x, options), { batch });
}

/** Every remainder of the two halves and of the cut. */
const remainders = [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 17, 18, 24].flatMap((outChannels, i) =>
  [2, 3].map((ratio, j) =>
    ghost(
      [cycle([5, 8, 3, 16], i + j), 5, 6],
      { outChannels, ratio, activation: (i + j) % 3 === 0 ? null : 'relu' },
      cycle(batches, i),
    ),
  ),
);

const ratios = [1, 2, 3, 4, 5].flatMap((ratio, i) =>
  [1, 3, 5, 7].map((cheapKernel, j) =>
    ghost(
      [8, 6, 5],
      { outChannels: cycle([12, 20, 13, 16, 10], i + j), ratio, cheapKernel, bias: (i + j) % 2 === 0 },
      cycle(batches, i + j),
    ),
  ),
);

const primaries = [
  ghost([4, 9, 8], { outChannels: 12, kernel: 3, stride: 2 }),
  ghost([4, 9, 8], { outChannels: 10, kernel: 3, stride: 2, ratio: 4, activation: null }),
  ghost([3, 11, 9], { outChannels: 16, kernel: 7, stride: 2 }),
  ghost([5, 7, 7], { outChannels: 8, kernel: 3, dilation: 2 }),
  ghost([5, 7, 7], { outChannels: 9, kernel: 3, padding: [0, 1, 2, 1] }),
  ghost([5, 7, 7], { outChannels: 8, kernel: 5, batchNorm: false, bias: true }),
  ghost([5, 7, 7], { outChannels: 8, kernel: 1, batchNorm: false, activation: null }),
  ghost([6, 4, 4], { outChannels: 8, activation: 'hardSwish' }),
];

const cheapOperations = (['identity', 'affine', 'haar', 'shift'] as const).flatMap((cheapOperation, i) =>
  [2, 3, 4].map((ratio, j) =>
    ghost(
      [6, 5, 7],
      {
        outChannels: cycle([8, 12, 13], i + j),
        ratio,
        cheapOperation,
        ...(cheapOperation === 'shift' ? { cheapKernel: 5 } : {}),
      },
      cycle(batches, i + j),
    ),
  ),
);

const bottlenecks = [
  { c: 16, kernel: 3, exp: 16, out: 16, se: 0, stride: 1 },
  { c: 16, kernel: 3, exp: 48, out: 24, se: 0, stride: 2 },
  { c: 24, kernel: 5, exp: 72, out: 24, se: 0.25, stride: 1 },
  { c: 12, kernel: 5, exp: 36, out: 20, se: 0.25, stride: 2 },
  { c: 20, kernel: 3, exp: 30, out: 28, se: 0.25, stride: 1 },
  { c: 5, kernel: 3, exp: 11, out: 7, se: 0.25, stride: 1 },
  { c: 7, kernel: 5, exp: 13, out: 7, se: 0, stride: 2 },
].flatMap(({ c, kernel, exp, out, se, stride }, i) =>
  (i < 2 ? [2, 3] : [2]).map((ratio) =>
    opCase(
      `ghost bottleneck k${kernel} exp ${exp} out ${out} se ${se} stride ${stride} ratio ${ratio}`,
      [c, 9, 8],
      (g, x) =>
        ghostBottleneck(g, 'block', x, {
          row: [kernel, exp, out, se, stride],
          exp,
          out,
          ratio,
          cheapKernel: 3,
          cheapOperation: 'depthwise',
        }),
      { batch: cycle(batches, i) },
    ),
  ),
);

/** Ghost modules whose halves, or whose whole, have further readers. */
const fanOuts = [
  opCase('two ghost modules in a row', [6, 7, 6], (g, x) =>
    ghostModule(g, 'b', ghostModule(g, 'a', x, { outChannels: 13 }), { outChannels: 10, activation: null }),
  ),
  opCase('ghost module with shortcut', [10, 6, 6], (g, x) =>
    g.add('add', ghostModule(g, 'a', x, { outChannels: 10, activation: null }), x),
  ),
  opCase('shortcut with ghost module, relu after', [12, 6, 6], (g, x) =>
    g.activation('r', g.add('add', x, ghostModule(g, 'a', x, { outChannels: 12, activation: null })), 'relu'),
  ),
  opCase('ghost module cut to 7, with shortcut', [7, 6, 6], (g, x) =>
    g.add('add', ghostModule(g, 'a', x, { outChannels: 7, activation: null }), x),
  ),
  opCase('ghost module, batch norm and relu after the concat', [5, 6, 6], (g, x) => {
    const y = ghostModule(g, 'a', x, { outChannels: 9, kernel: 3, batchNorm: false, activation: null });
    return g.activation('r', g.batchNorm('bn', y), 'relu');
  }),
  opCase('intrinsic maps read by a convolution too', [5, 6, 6], (g, x) => {
    const y = ghostModule(g, 'a', x, { outChannels: 8 });
    const side = g.conv2d('side', 'a.primary_conv.2', { outChannels: 8, kernel: 3, padding: 1 });
    return g.add('add', y, side);
  }),
  opCase('ghost module read by pool, convolution and sum', [6, 6, 6], (g, x) => {
    const y = ghostModule(g, 'a', x, { outChannels: 6 });
    const conv = g.conv2d('conv', y, { outChannels: 6, bias: true });
    const pooled = g.maxPool('pool', y, { kernel: 3, stride: 1, padding: 1 });
    return g.add('add', g.add('inner', conv, pooled), y);
  }),
  opCase('ghost module of a ghost module half', [8, 5, 5], (g, x) => {
    const y = ghostModule(g, 'a', x, { outChannels: 14 });
    return ghostModule(g, 'b', g.slice('half', y, 3, 11), { outChannels: 6, ratio: 3 });
  }),
  opCase('concat of two ghost modules', [8, 5, 5], (g, x) =>
    g.conv2d(
      'y',
      g.concat('cat', [
        ghostModule(g, 'a', x, { outChannels: 7 }),
        ghostModule(g, 'b', x, { outChannels: 9, ratio: 3, cheapKernel: 5 }),
      ]),
      { outChannels: 12, kernel: 3, padding: 1 },
    ),
  ),
  opCase('ghost module as a deeper shortcut', [8, 6, 6], (g, x) => {
    const short = g.batchNorm(
      'bn',
      ghostModule(g, 's', x, { outChannels: 12, stride: 2, batchNorm: false, activation: null }),
    );
    const y = ghostModule(g, 'a', x, { outChannels: 12, kernel: 3, stride: 2, activation: null });
    return g.activation('r', g.add('add', y, short), 'relu');
  }),
];

/** A map and cheap maps of it by unusual windows, with batch norm, shortcut and activation after the concat. */
const unusual = [
  { kernel: [1, 3], padding: [0, 1] },
  { kernel: [5, 1], padding: [2, 0] },
  { kernel: 3, dilation: [1, 2], padding: [1, 2] },
  { kernel: 3, dilation: [2, 1], padding: [2, 1] },
  { kernel: 3, padding: [2, 0, 0, 2] },
  { kernel: 2, padding: [1, 0, 0, 1] },
  { kernel: [2, 5], padding: [0, 1, 1, 3], bias: true },
] as const;

const unusualGhosts = unusual.flatMap((window, i) =>
  [1, 2].map((multiplier) => {
    const text = Object.entries(window)
      .map(([key, value]) => `${key} ${value}`)
      .join(' ');
    return opCase(`x and its cheap maps, ${text}, x${multiplier}`, [cycle([4, 6, 5], i), 6, 7], (g, x) => {
      const channels = g.channels(x);
      const own = g.conv2d('own', x, { outChannels: channels, bias: true });
      const cheap = g.conv2d('cheap', own, {
        ...window,
        outChannels: channels * multiplier,
        groups: channels,
      });
      let y = g.concat('cat', [own, cheap]);
      if (i % 2 === 0) y = g.batchNorm('bn', y);
      if (i % 3 !== 1) y = g.add('add', y, g.conv2d('short', x, { outChannels: g.channels(y) }));
      return g.activation('act', y, cycle(['relu', 'hardSwish', 'silu'] as const, i));
    });
  }),
);

export const ghostCases: readonly OpCase[] = [
  ...remainders,
  ...ratios,
  ...primaries,
  ...cheapOperations,
  ...bottlenecks,
  ...fanOuts,
  ...unusualGhosts,
];
