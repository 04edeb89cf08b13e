/** Equalised scales: the balance of the paper, where it must not act, and what it gains on a lopsided network. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../graph/builder.js';
import { elementCount, type Graph, type Tensor, type Weights } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { Random } from '../../models/random.js';
import { quantize } from '../../quantize-network.js';
import { runQuantizedReference } from '../../reference/quantized.js';
import { runReference } from '../../reference/run.js';
import { equalise } from './equalise.js';
import type { Granularity } from './granularity.js';
import { int8Operations } from './operations.js';

const uniform = (random: Random, count: number): Float32Array =>
  Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);

/** Uniform weights, or those given by parameter name. */
function weightsOf(graph: Graph, given: Readonly<Record<string, readonly number[]>> = {}): Weights {
  const random = new Random(7);
  return new Map(
    Object.entries(graph.parameters).map(([name, { shape }]): [string, Tensor] => [
      name,
      { shape, data: given[name] ? Float32Array.from(given[name]) : uniform(random, elementCount(shape)) },
    ]),
  );
}

/** The equalised scales of a value whose channels had a scale of 1/1024, as all other channels had. */
function scalesOf(graph: Graph, weights: Weights, value: string): readonly number[] {
  const shapes = inferShapes(graph);
  const fused = int8Operations(graph);
  const values = new Map(
    fused.items.flatMap((item) => {
      if (item.kind === 'alias') return [];
      const { output } = item.operation;
      const runs = Array(shapes.get(output)?.[1] ?? 1).fill({ channels: 1, scale: 2 ** -10, zeroPoint: 0 });
      return [[output, runs] as const];
    }),
  );
  return (equalise({ graph, weights }, values, fused, shapes).get(value) ?? []).map(({ scale }) => scale);
}

const unit = 2 ** -10;
const weights = { 'read.weight': [1, -0.25, 0.0625, 0, 0.5, 0.125, 0.0625, 0] };

describe('equalise', () => {
  const branch = (
    end: (g: GraphBuilder, x: string) => string,
    activation: 'relu' | 'relu6' = 'relu',
  ): Graph => {
    const g = new GraphBuilder('branch');
    const x = g.activation('act', g.conv2d('made', g.input('x', [2, 4, 4]), { outChannels: 4 }), activation);
    return g.build([end(g, x)]);
  };

  it('gives a channel and the weights that read it the same share of their ranges', () => {
    const graph = branch((g, x) => g.conv2d('read', x, { outChannels: 2 }));
    // largest shares of the two rows: 1, 1/4, 1/8, and nothing at all
    expect(scalesOf(graph, weightsOf(graph, weights), 'act')).toEqual([
      unit,
      2 * unit,
      Math.fround(Math.sqrt(8) * unit),
      1024 * unit,
    ]);
  });

  it('follows channels through pools, permutations and slices', () => {
    const graph = branch((g, x) => {
      const moved = g.permuteChannels('order', g.maxPool('pool', x, { kernel: 2 }), [3, 1, 0, 2]);
      return g.conv2d('read', g.slice('cut', moved, 1, 3), { outChannels: 1 });
    });
    // channels 1 and 0 are read, by 0.25 and 1; nobody reads the others
    const scales = scalesOf(graph, weightsOf(graph, { 'read.weight': [0.25, 1] }), 'act');
    expect(scales.slice(0, 2)).toEqual([unit, 2 * unit]);
  });

  it('leaves channels alone that a sum, a gate or a depthwise convolution reads', () => {
    const read = (g: GraphBuilder, x: string): string => g.conv2d('read', x, { outChannels: 2 });
    const sum = branch((g, x) => read(g, g.add('sum', x, g.conv2d('other', x, { outChannels: 4 }))));
    const gate = branch((g, x) =>
      read(g, g.mul('product', x, g.activation('open', g.globalAvgPool('mean', x), 'hardSigmoid'))),
    );
    const depthwise = branch((g, x) =>
      g.conv2d('read', x, { outChannels: 4, groups: 4, kernel: 3, padding: 1 }),
    );
    for (const graph of [sum, gate])
      expect(scalesOf(graph, weightsOf(graph, weights), 'act')).toEqual(Array(4).fill(unit));
    expect(scalesOf(depthwise, weightsOf(depthwise), 'act')).toEqual(Array(4).fill(unit));
    // what reads the gated maps is a filter
    expect(scalesOf(gate, weightsOf(gate, weights), 'product')[1]).toBe(2 * unit);
  });

  it('keeps ReLU6 where it saturates', () => {
    const graph = branch((g, x) => g.conv2d('read', x, { outChannels: 2 }), 'relu6');
    const scales = scalesOf(graph, weightsOf(graph, weights), 'act');
    expect(scales[3]).toBe(Math.fround(6 / 127));
  });
});

/** Decibels of the float outputs over their difference to int8's. */
async function outputQuality(graph: Graph, weights: Weights, granularity: Granularity): Promise<number> {
  const random = new Random(3);
  const { shape } = graph.nodes[0] as { readonly shape: readonly number[] };
  const pictures = Array.from({ length: 24 }, () => uniform(random, elementCount(shape)));
  const { network } = await quantize(graph, weights, {
    calibration: pictures.slice(0, 16),
    granularity,
    ranges: 'minmax',
  });
  let power = 0;
  let noise = 0;
  for (const data of pictures.slice(16)) {
    const inputs = new Map([[graph.nodes[0]?.name ?? '', { shape: [1, ...shape], data }]]);
    const name = graph.outputs[0] as string;
    const expected = runReference(graph, weights, inputs).get(name)?.data as Float32Array;
    const got = runQuantizedReference(network, inputs).get(name)?.data as Float32Array;
    expected.forEach((value, i) => {
      power += value ** 2;
      noise += (value - (got[i] as number)) ** 2;
    });
  }
  return 10 * Math.log10(power / noise);
}

describe('quantize', () => {
  it('gains from equalised channels where their sizes differ', async () => {
    const g = new GraphBuilder('lopsided');
    let x = g.input('x', [3, 8, 8]);
    for (const name of ['a', 'b', 'c'])
      x = g.activation(`${name}.act`, g.conv2d(name, x, { outChannels: 12 }), 'relu');
    const graph = g.build([
      g.linear('classes', g.flatten('flat', g.globalAvgPool('mean', x)), { outFeatures: 5 }),
    ]);
    const weights = new Map(weightsOf(graph));
    // channel c of the first layers is 3^-(c mod 4) times as large, and its readers make up for it
    for (const [layer, next] of [
      ['a', 'b'],
      ['b', 'c'],
    ] as const) {
      const scaled = (name: string, channel: (i: number) => number, sign: number): void => {
        const tensor = weights.get(`${name}.weight`) as Tensor;
        const data = tensor.data.map((value, i) => value * 3 ** (-sign * (channel(i) % 4)));
        weights.set(`${name}.weight`, { ...tensor, data });
      };
      const columns = (weights.get(`${layer}.weight`) as Tensor).shape[1] ?? 1;
      scaled(layer, (i) => Math.floor(i / columns), 1);
      scaled(next, (i) => i % 12, -1);
    }
    const [half, equalised] = [
      await outputQuality(graph, weights, 'half'),
      await outputQuality(graph, weights, 'equalised'),
    ];
    expect(equalised).toBeGreaterThan(half + 3);
  });

  it('keeps one range for the maps of classes, whatever the pictures show', async () => {
    const g = new GraphBuilder('classes');
    const x = g.activation('maps', g.conv2d('made', g.input('x', [2, 4, 4]), { outChannels: 3 }), 'relu');
    const graph = g.build([g.globalAvgPool('mean', x)]);
    const weights = weightsOf(graph, { 'made.weight': [8, 0, 0, 1, 0.5, 0.5] });
    const { network } = await quantize(graph, weights, {
      calibration: [new Float32Array(32).fill(1)],
      granularity: 'equalised',
    });
    const scales = network.values.get('maps')?.map(({ scale }) => scale);
    expect(new Set(scales).size).toBe(1);
    expect(scales?.[0]).toBeCloseTo(8 / 127, 5);
  });
});
