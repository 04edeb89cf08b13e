/**
 * Small networks with every way in which channels hang together: residual sums, inverted residuals, gates, fire modules,
 * dense blocks, shuffles with slices, grouped convolutions, option A shortcuts, Ghost modules, flattened maps.
 * Test material for the pruning passes.
 */
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/graph.js';
import { squeezeExcite } from '../../src/models/ghostnet.js';
import { createModel } from '../../src/models/registry.js';

export interface CouplingNetwork {
  readonly build: () => Graph;
  /** Whether zero filters make zero channels throughout (no bare sigmoid on the way). */
  readonly silent: boolean;
}

type Body = (g: GraphBuilder, x: string) => string;

/** A stem of 12 channels, the body, and a classifier with 7 outputs. */
function classifier(name: string, body: Body): Graph {
  const g = new GraphBuilder(name);
  let x = g.conv2d('stem', g.input('x', [3, 9, 9]), { outChannels: 12, kernel: 3, padding: 1, stride: 2 });
  x = g.activation('stem.relu', g.batchNorm('stem.bn', x), 'relu');
  x = body(g, x);
  x = g.activation('head.relu', g.conv2d('head', x, { outChannels: 20, bias: true }), 'hardSwish');
  x = g.dropout('dropout', g.flatten('flatten', g.globalAvgPool('pool', x)), 0.2);
  return g.build([g.linear('fc', x, { outFeatures: 7 })]);
}

const invertedResidual: Body = (g, x) => {
  let y = g.activation(
    'expand.act',
    g.batchNorm('expand.bn', g.conv2d('expand', x, { outChannels: 24 })),
    'relu6',
  );
  y = g.conv2d('depthwise', y, { outChannels: 24, groups: 24, kernel: 3, padding: 1, bias: true });
  y = g.activation('depthwise.act', g.batchNorm('depthwise.bn', y), 'relu6');
  y = g.batchNorm('project.bn', g.conv2d('project', y, { outChannels: 12 }));
  return g.add('add', x, y);
};

const fire: Body = (g, x) => {
  const squeeze = g.activation(
    'squeeze.relu',
    g.conv2d('fire.squeeze', x, { outChannels: 6, bias: true }),
    'relu',
  );
  const one = g.activation('one.relu', g.conv2d('one', squeeze, { outChannels: 8, bias: true }), 'relu');
  const three = g.conv2d('three', squeeze, { outChannels: 10, kernel: 3, padding: 1, bias: true });
  return g.maxPool('maxpool', g.concat('concat', [one, g.activation('three.relu', three, 'relu')]), {
    kernel: 3,
    stride: 2,
    ceilMode: true,
  });
};

const denseBlock: Body = (g, x) => {
  let features = x;
  for (let i = 0; i < 3; i++) {
    const y = g.activation(`d${i}.relu`, g.batchNorm(`d${i}.bn`, features), 'relu');
    const made = g.conv2d(`d${i}.conv`, y, { outChannels: 5, kernel: 3, padding: 1 });
    features = g.concat(`d${i}.concat`, [features, made]);
  }
  return g.avgPool('avgpool', features, { kernel: 2 });
};

const shuffleBlock: Body = (g, x) => {
  let y = x;
  for (let i = 0; i < 2; i++) {
    const [left, right] = [g.slice(`s${i}.left`, y, 0, 6), g.slice(`s${i}.right`, y, 6, 12)];
    let b = g.activation(`s${i}.relu`, g.conv2d(`s${i}.in`, right, { outChannels: 8, bias: true }), 'relu');
    b = g.conv2d(`s${i}.dw`, b, { outChannels: 8, groups: 8, kernel: 3, padding: 1 });
    b = g.conv2d(`s${i}.out`, g.batchNorm(`s${i}.bn`, b), { outChannels: 6 });
    y = g.shuffle(`s${i}.shuffle`, g.concat(`s${i}.concat`, [left, b]), 2);
  }
  return y;
};

const grouped: Body = (g, x) => {
  let y = g.conv2d('g1', x, { outChannels: 16, groups: 4, bias: true });
  y = g.shuffle('shuffle', g.activation('g1.relu', y, 'relu'), 4);
  y = g.conv2d('dw2', y, { outChannels: 32, groups: 16, kernel: 3, padding: 1, bias: true });
  return g.conv2d('g2', g.activation('dw2.act', y, 'silu'), { outChannels: 12, groups: 2 });
};

const gated: Body = (g, x) => {
  const y = g.activation(
    'pre',
    g.conv2d('a', x, { outChannels: 16, kernel: 3, padding: 1, bias: true }),
    'relu',
  );
  return squeezeExcite(g, 'se', y, 0.25);
};

const bareSigmoid: Body = (g, x) =>
  g.activation(
    'sigmoid',
    g.conv2d('a', x, { outChannels: 16, kernel: 3, padding: 1, bias: true }),
    'sigmoid',
  );

const flattened = (): Graph => {
  const g = new GraphBuilder('flattened');
  let x = g.conv2d('stem', g.input('x', [2, 6, 6]), { outChannels: 6, kernel: 3, bias: true });
  x = g.linear('fc1', g.flatten('flatten', g.activation('relu', x, 'relu')), { outFeatures: 9 });
  x = g.activation('fc1.relu', g.batchNorm('fc1.bn', x), 'relu');
  return g.build([g.softmax('softmax', g.linear('fc2', x, { outFeatures: 4 }))]);
};

export const couplingNetworks: Readonly<Record<string, CouplingNetwork>> = {
  'inverted residual': { build: () => classifier('inverted-residual', invertedResidual), silent: true },
  fire: { build: () => classifier('fire', fire), silent: true },
  'dense block': { build: () => classifier('dense-block', denseBlock), silent: true },
  'shuffle and slices': { build: () => classifier('shuffle-block', shuffleBlock), silent: true },
  'grouped convolutions': { build: () => classifier('grouped', grouped), silent: true },
  'squeeze-and-excite': { build: () => classifier('gated', gated), silent: true },
  'a bare sigmoid': { build: () => classifier('bare-sigmoid', bareSigmoid), silent: false },
  'flattened maps': { build: flattened, silent: true },
  'resnet20-cifar': { build: () => createModel('resnet20-cifar', { inputSize: 8 }), silent: true },
  'ghost-resnet20-cifar': {
    build: () => createModel('ghost-resnet20-cifar', { inputSize: 8 }),
    silent: true,
  },
  'ghost-resnet56-bn-after': {
    build: () => createModel('ghost-resnet56-bn-after', { inputSize: 8 }),
    silent: true,
  },
  'ghostnet-0.5x': {
    build: () => createModel('ghostnet-0.5x', { inputSize: 32, classes: 10 }),
    silent: true,
  },
};
