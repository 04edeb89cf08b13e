import { describe, expect, it } from 'vitest';
import { errorCode } from '../errors.js';
import { createModel, listModels } from '../models/registry.js';
import { GraphBuilder } from './builder.js';
import { fromJson, toJson } from './json.js';
import { printGraph } from './print.js';
import { inferShapes, windowOutput } from './shapes.js';

function thrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('JSON', () => {
  it.each(listModels().map((entry) => entry.name))('%s survives to the same text', (name) => {
    const graph = createModel(name);
    const text = toJson(graph);
    const back = fromJson(text);
    expect(toJson(back)).toBe(text);
    expect(printGraph(back)).toBe(printGraph(graph));
  });

  it('refuses what is not a graph, by code', () => {
    const good = JSON.parse(toJson(createModel('ghost-resnet20-cifar'))) as Record<string, unknown>;
    const broken = (change: Record<string, unknown>): string => JSON.stringify({ ...good, ...change });
    expect(errorCode(thrown(() => fromJson('{')))).toBe('GRAPH_JSON');
    expect(errorCode(thrown(() => fromJson('null')))).toBe('GRAPH_JSON');
    expect(errorCode(thrown(() => fromJson(broken({ version: 99 }))))).toBe('GRAPH_VERSION');
    expect(errorCode(thrown(() => fromJson(broken({ outputs: [] }))))).toBe('GRAPH_INVALID');
    expect(errorCode(thrown(() => fromJson(broken({ parameters: {} }))))).toBe('GRAPH_INVALID');
    const nodes = good['nodes'] as Record<string, unknown>[];
    const conv = nodes.findIndex((node) => node['kind'] === 'conv2d');
    const withConv = (change: Record<string, unknown>): string =>
      broken({ nodes: nodes.map((node, i) => (i === conv ? { ...node, ...change } : node)) });
    expect(errorCode(thrown(() => fromJson(withConv({ stride: [0, 1] }))))).toBe('GRAPH_JSON');
    expect(errorCode(thrown(() => fromJson(withConv({ kind: 'evil' }))))).toBe('GRAPH_JSON');
    expect(errorCode(thrown(() => fromJson(withConv({ outChannels: 9 }))))).toBe('GRAPH_JSON');
  });
});

describe('shape inference', () => {
  it('names node, given and expected', () => {
    const g = new GraphBuilder('bad');
    const a = g.input('a', [3, 8, 8]);
    const b = g.conv2d('b', a, { outChannels: 4 });
    const error = thrown(() => g.add('sum', a, b));
    expect(errorCode(error)).toBe('SHAPE_MISMATCH');
    expect(error.message).toBe(
      'node "sum" (add): given [1, 3, 8, 8] and [1, 4, 8, 8], expected equal shapes',
    );
    expect(errorCode(thrown(() => g.maxPool('pool', a, { kernel: 9 })))).toBe('SHAPE_MISMATCH');
    expect(errorCode(thrown(() => g.conv2d('b', a, { outChannels: 4 })))).toBe('GRAPH_INVALID');
    expect(errorCode(thrown(() => g.conv2d('c', a, { outChannels: 4, groups: 2 })))).toBe('BAD_CONVOLUTION');
  });

  it('follows the batch and another image size', () => {
    const graph = createModel('ghostnet-0.5x');
    const shapes = inferShapes(graph, { batch: 3, inputShapes: { input: [3, 96, 160] } });
    expect(shapes.get('blocks.0.0.add')).toEqual([3, 8, 48, 80]);
    expect(shapes.get('classifier')).toEqual([3, 1000]);
    expect(errorCode(thrown(() => inferShapes(graph, { batch: 0 })))).toBe('BAD_BATCH');
  });

  it('rounds pooled sizes as PyTorch does', () => {
    // torch.nn.MaxPool2d(3, 2, ceil_mode=True) on 112 gives 56; on 5 with kernel 2, stride 2, padding 1 gives 3
    expect(windowOutput(112, 3, 2, 0, 0, 1, true)).toBe(56);
    expect(windowOutput(112, 3, 2, 0, 0, 1, false)).toBe(55);
    expect(windowOutput(5, 2, 2, 1, 1, 1, true)).toBe(3);
    expect(windowOutput(4, 2, 3, 0, 0, 1, true)).toBe(2);
    expect(windowOutput(2, 1, 3, 0, 0, 1, true)).toBe(1);
  });
});

describe('GhostNet', () => {
  it('gives feature taps at strides 4, 8, 16 and 32', async () => {
    const { ghostNet } = await import('../models/ghostnet.js');
    const graph = ghostNet({ features: true, inputSize: [192, 256] });
    const shapes = inferShapes(graph);
    expect(graph.outputs.map((name) => shapes.get(name))).toEqual([
      [1, 24, 48, 64],
      [1, 40, 24, 32],
      [1, 112, 12, 16],
      [1, 160, 6, 8],
    ]);
  });

  it('a Ghost module of odd width is cut to it, and s=1 is the plain convolution', async () => {
    const { ghostModule } = await import('../models/ghost-module.js');
    const g = new GraphBuilder('odd');
    const x = g.input('x', [5, 6, 6]);
    const odd = ghostModule(g, 'odd', x, { outChannels: 7, ratio: 3, kernel: 3, dilation: 2 });
    const plain = ghostModule(g, 'plain', x, { outChannels: 7, ratio: 1, activation: null });
    const graph = g.build([odd, plain]);
    expect(inferShapes(graph).get(odd)).toEqual([1, 7, 6, 6]);
    expect(graph.ghostModules.map((module) => module.intrinsicChannels)).toEqual([3, 7]);
    expect(graph.ghostModules[1]?.nodes).toEqual(['plain.primary_conv.0', 'plain.primary_conv.1']);
    expect(errorCode(thrown(() => ghostModule(g, 'bad', x, { outChannels: 7, cheapKernel: 2 })))).toBe(
      'BAD_GHOST_MODULE',
    );
    expect(errorCode(thrown(() => ghostModule(g, 'bad', x, { outChannels: 7, ratio: 0 })))).toBe(
      'BAD_GHOST_MODULE',
    );
  });
});
