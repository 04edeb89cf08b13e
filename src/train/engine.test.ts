/**
 * The compiled step against itself: each gradient must be the slope of the loss along it, for every op that networks
 * of this package use; and the promises of the trainer (bits, resuming, memory, errors).
 */
import { afterEach, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { createModel } from '../models/registry.js';
import { runReference } from '../reference/run.js';
import { createTrainer, type Trainer, type TrainerOptions } from './engine.js';

const batch = 5;
const size = 8;
const classes = 7;
const sgd = { kind: 'sgd', momentum: 0 } as const;

let trainers: Trainer[] = [];
afterEach(() => {
  for (const trainer of trainers) trainer.dispose();
  trainers = [];
});

async function trainerOf(
  graph: Graph,
  weights: Weights,
  options: Partial<TrainerOptions> = {},
): Promise<Trainer> {
  const trainer = await createTrainer(graph, weights, { batch, optimizer: sgd, relaxed: false, ...options });
  trainers.push(trainer);
  return trainer;
}

/** A network around `middle`: a convolution with batch norm before, a classifier after. */
function network(middle: (g: GraphBuilder, x: string) => string): Graph {
  const g = new GraphBuilder('case');
  let x = g.input('input', [3, size, size]);
  x = g.conv2d('stem', x, { outChannels: 8, kernel: 3, padding: 1 });
  x = g.batchNorm('stem_norm', x);
  x = middle(g, x);
  x = g.flatten('flat', g.globalAvgPool('pool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })]);
}

function randomWeights(graph: Graph, seed = 3): Weights {
  const random = new Random(seed);
  const weights = new Map<string, Tensor>();
  for (const [name, tensor] of initializeWeights(graph, seed)) {
    const role = graph.parameters[name]?.role;
    const data = tensor.data.slice();
    if (role === 'scale' || role === 'shift' || role === 'bias')
      for (let i = 0; i < data.length; i++) data[i]! += (random.uniform() - 0.5) * 0.5;
    weights.set(name, { shape: tensor.shape, data });
  }
  return weights;
}

function teacherLogits(): Float32Array {
  const random = new Random(8);
  return Float32Array.from({ length: batch * classes }, () => random.normal() * 2);
}

function pictures(seed = 5): { images: Float32Array; targets: Int32Array } {
  const random = new Random(seed);
  return {
    images: Float32Array.from({ length: batch * 3 * size * size }, () => random.uniform() * 3 - 1.5),
    targets: Int32Array.from({ length: batch }, () => Math.floor(random.uniform() * classes)),
  };
}

/** Largest relative difference between |gradient|^2 and the loss's slope along the gradient, over all parameters. */
async function worstSlope(graph: Graph, options: Partial<TrainerOptions> = {}): Promise<string[]> {
  const weights = randomWeights(graph);
  const trainer = await trainerOf(graph, weights, options);
  const teacher = options.loss?.kind === 'distillation' ? { teacher: teacherLogits() } : {};
  const input = { ...pictures(), ...teacher };
  const lossAt = (learningRate: number): number => trainer.step({ ...input, learningRate }).loss;
  lossAt(1);
  const moved = trainer.weights();
  const bad: string[] = [];
  for (const [name, { shape, data }] of weights) {
    const role = graph.parameters[name]?.role;
    if (role === 'statistic' || role === 'constant') continue;
    const gradient = Float64Array.from(data, (value, i) => value - moved.get(name)!.data[i]!);
    const square = gradient.reduce((sum, value) => sum + value * value, 0);
    // a bias before batch norm has no influence
    if (square < 1e-9) continue;
    const slope = (length: number): number => {
      const ends = [1, -1].map((sign) => {
        const shifted = Float32Array.from(
          data,
          (v, i) => v + (sign * length * gradient[i]!) / Math.sqrt(square),
        );
        trainer.setWeights(new Map(weights).set(name, { shape, data: shifted }));
        return lossAt(0);
      }) as [number, number];
      return ((ends[0] - ends[1]) / (2 * length)) * Math.sqrt(square);
    };
    // kinks of ReLU and maxima spoil long distances, rounding short ones: either may serve
    const ratios = [0.01, 0.003, 0.001].map((length) => slope(length) / square);
    if (!ratios.some((ratio) => Math.abs(ratio - 1) < 0.02))
      bad.push(`${name}: slope / |gradient|^2 = ${ratios.map((r) => r.toFixed(3)).join(', ')}`);
  }
  return bad;
}

const cases: Record<string, (g: GraphBuilder, x: string) => string> = {
  'relu and dense 3x3': (g, x) =>
    g.conv2d('c', g.activation('a', x, 'relu'), { outChannels: 12, kernel: 3, padding: 1 }),
  'strided 3x3 with bias': (g, x) =>
    g.conv2d('c', x, { outChannels: 4, kernel: 3, padding: 1, stride: 2, bias: true }),
  'strided 5x5': (g, x) => g.conv2d('c', x, { outChannels: 8, kernel: 5, padding: 2, stride: 2 }),
  'strided 1x1': (g, x) => g.conv2d('c', x, { outChannels: 8, kernel: 1, stride: 2 }),
  'dilated 3x3': (g, x) => g.conv2d('c', x, { outChannels: 8, kernel: 3, padding: 2, dilation: 2 }),
  'grouped 3x3': (g, x) => g.conv2d('c', x, { outChannels: 6, kernel: 3, padding: 1, groups: 2 }),
  'odd channels': (g, x) =>
    g.batchNorm(
      'n',
      g.conv2d('d', g.conv2d('c', x, { outChannels: 5, kernel: 1 }), {
        outChannels: 9,
        kernel: 3,
        padding: 1,
      }),
    ),
  'depthwise 3x3': (g, x) => g.conv2d('c', x, { outChannels: 8, kernel: 3, padding: 1, groups: 8 }),
  'depthwise 5x5 stride 2': (g, x) =>
    g.conv2d('c', x, { outChannels: 8, kernel: 5, padding: 2, stride: 2, groups: 8 }),
  'depthwise 3x3 dilated': (g, x) =>
    g.conv2d('c', x, { outChannels: 8, kernel: 3, padding: 2, dilation: 2, groups: 8 }),
  'max pool': (g, x) => g.maxPool('p', x, { kernel: 3, stride: 2, padding: 1 }),
  'max pool ceil': (g, x) => g.maxPool('p', x, { kernel: 3, stride: 2, ceilMode: true }),
  'average pool': (g, x) => g.avgPool('p', x, { kernel: 3, stride: 2, padding: 1 }),
  'average pool without padding in the divisor': (g, x) =>
    g.avgPool('p', x, { kernel: 3, stride: 2, padding: 1, countIncludePad: false }),
  shortcut: (g, x) =>
    g.activation('r', g.add('s', g.conv2d('c', x, { outChannels: 8, kernel: 3, padding: 1 }), x), 'relu'),
  'concat, ghost-like': (g, x) => {
    const primary = g.activation(
      'a',
      g.batchNorm('n', g.conv2d('c', x, { outChannels: 8, kernel: 1 })),
      'relu',
    );
    const cheap = g.batchNorm(
      'm',
      g.conv2d('d', primary, { outChannels: 8, kernel: 3, padding: 1, groups: 8 }),
    );
    return g.conv2d('e', g.concat('cat', [primary, cheap]), { outChannels: 8, kernel: 3, padding: 1 });
  },
  'concat of odd parts': (g, x) => {
    const a = g.conv2d('c', x, { outChannels: 3, kernel: 1 });
    const b = g.conv2d('d', x, { outChannels: 6, kernel: 1 });
    return g.conv2d('e', g.concat('cat', [a, b]), { outChannels: 8, kernel: 1 });
  },
  slices: (g, x) => g.concat('cat', [g.slice('s', x, 4, 8), g.slice('t', x, 1, 4)]),
  gate: (g, x) => {
    let s = g.conv2d('reduce', g.globalAvgPool('squeeze', x), { outChannels: 4, kernel: 1, bias: true });
    s = g.conv2d('expand', g.activation('sa', s, 'relu'), { outChannels: 8, kernel: 1, bias: true });
    return g.mul('gated', x, g.activation('gate', s, 'hardSigmoid'));
  },
  product: (g, x) => g.mul('m', x, g.conv2d('c', x, { outChannels: 8, kernel: 1 })),
  shuffle: (g, x) =>
    g.conv2d('c', g.shuffle('s', x, 2), { outChannels: 8, kernel: 3, padding: 1, groups: 2 }),
  permute: (g, x) =>
    g.conv2d('c', g.permuteChannels('s', x, [3, 1, 7, 0, 2, 6, 5, 4]), {
      outChannels: 8,
      kernel: 3,
      padding: 1,
    }),
  upsample: (g, x) => g.conv2d('c', g.upsample('u', x, 2), { outChannels: 4, kernel: 3, padding: 1 }),
};
for (const name of ['relu6', 'hardSwish', 'hardSigmoid', 'sigmoid', 'silu'] as const) {
  cases[`${name} after batch norm`] = (g, x) => g.activation('a', x, name);
  cases[`${name} alone`] = (g, x) => g.activation('a', g.conv2d('c', x, { outChannels: 8, kernel: 1 }), name);
}

describe('gradients', () => {
  it.each(Object.keys(cases))('%s', async (name) => {
    expect(await worstSlope(network(cases[name]!))).toEqual([]);
  });

  it.each(Object.keys(cases))('the values are those of the reference: %s', async (name) => {
    const graph = network(cases[name]!);
    const weights = randomWeights(graph);
    const trainer = await trainerOf(graph, weights);
    const { images } = pictures();
    const logits = trainer.evaluate(images);
    const input = { shape: [batch, 3, size, size], data: images };
    const expected = runReference(graph, weights, new Map([['input', input]])).get('fc')!.data;
    const largest = Math.max(...expected.map(Math.abs));
    logits.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * largest);
    });
  });

  it.each([{ kind: 'crossEntropy', labelSmoothing: 0.1 }, { kind: 'meanSquaredError' }] as const)(
    'loss $kind',
    async (loss) => {
      expect(
        await worstSlope(
          network((_, x) => x),
          { loss },
        ),
      ).toEqual([]);
    },
  );
});

describe('trainer', () => {
  const graph = createModel('ghost-resnet20-cifar', { classes, inputSize: size });
  const optimizer = { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 1e-3 } as const;
  const steps = (trainer: Trainer, count: number): number[] =>
    Array.from({ length: count }, (_, i) => trainer.step({ ...pictures(i), learningRate: 0.05 }).loss);
  const flat = (weights: Weights): number[] => [...weights.values()].flatMap(({ data }) => [...data]);

  it.each([optimizer, { kind: 'rmsprop', weightDecay: 1e-4 }, { kind: 'adamw', weightDecay: 1e-2 }] as const)(
    'learns, and resumes to the same bits: $kind',
    async (how) => {
      const options = { optimizer: how, ema: { decay: 0.9 }, clipNorm: 1 };
      const rate = how.kind === 'sgd' ? 0.05 : 0.003;
      const run = (trainer: Trainer, count: number): number[] =>
        Array.from({ length: count }, () => trainer.step({ ...pictures(), learningRate: rate }).loss);
      const whole = await trainerOf(graph, randomWeights(graph), options);
      const losses = run(whole, 12);
      expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.7);
      const first = await trainerOf(graph, randomWeights(graph), options);
      run(first, 5);
      const second = await trainerOf(graph, randomWeights(graph, 9), options);
      second.load(first.state());
      expect(run(second, 7)).toEqual(losses.slice(5));
      expect(flat(second.weights('average'))).toEqual(flat(whole.weights('average')));
    },
  );

  it('is the same twice, and close with another thread count', async () => {
    const [a, b, c] = [
      await trainerOf(graph, randomWeights(graph), { optimizer, threads: 2 }),
      await trainerOf(graph, randomWeights(graph), { optimizer, threads: 2 }),
      await trainerOf(graph, randomWeights(graph), { optimizer }),
    ];
    const losses = steps(a, 3);
    expect(steps(b, 3)).toEqual(losses);
    expect(flat(b.weights())).toEqual(flat(a.weights()));
    steps(c, 3).forEach((loss, i) => {
      expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-3 * losses[i]!);
    });
  });

  it('uses the weights that it gives back, pad channels or not', async () => {
    const odd = network((g, x) => {
      const c = g.conv2d('c', x, { outChannels: 5, kernel: 1, bias: true });
      return g.conv2d('d', g.activation('s', c, 'sigmoid'), { outChannels: 6, kernel: 3, padding: 1 });
    });
    const trainer = await trainerOf(odd, randomWeights(odd), { optimizer });
    steps(trainer, 4);
    const { images } = pictures();
    const input = { shape: [batch, 3, size, size], data: images };
    const expected = runReference(odd, trainer.weights(), new Map([['input', input]])).get('fc')!.data;
    trainer.evaluate(images).forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4);
    });
  });

  it('draws the same dropout after resuming', async () => {
    const dropping = network((g, x) => g.dropout('drop', g.activation('a', x, 'relu'), 0.4));
    const [a, b] = [
      await trainerOf(dropping, randomWeights(dropping), { optimizer, seed: 4 }),
      await trainerOf(dropping, randomWeights(dropping), { optimizer, seed: 4 }),
    ];
    const still = pictures();
    const frozen = [0, 1].map(() => a.step({ ...still, learningRate: 0 }).loss);
    expect(frozen[0]).not.toBe(frozen[1]);
    b.load(a.state());
    expect(steps(b, 3)).toEqual(steps(a, 3));
  });

  it('freezes what has a factor of zero', async () => {
    const weights = randomWeights(graph);
    const lrScale = (name: string): number => (name.startsWith('fc.') ? 1 : 0);
    const trainer = await trainerOf(graph, weights, { optimizer, lrScale });
    steps(trainer, 2);
    const after = trainer.weights();
    for (const [name, { data }] of weights)
      if (graph.parameters[name]?.role !== 'statistic')
        expect([name, [...after.get(name)!.data].every((v, i) => v === data[i])]).toEqual([
          name,
          !name.startsWith('fc.'),
        ]);
  });

  it('names the layer of the first NaN', async () => {
    const weights = new Map(randomWeights(graph));
    const broken = weights.get('layer2.1.conv1.primary_conv.0.weight')!;
    weights.set('layer2.1.conv1.primary_conv.0.weight', {
      ...broken,
      data: broken.data.map(() => Number.NaN),
    });
    const trainer = await trainerOf(graph, weights, { optimizer });
    expect(steps(trainer, 1)[0]).toBeNaN();
    expect(flat(new Map([...trainer.weights()].filter(([name]) => name.startsWith('fc'))))).toEqual(
      flat(new Map([...weights].filter(([name]) => name.startsWith('fc')))),
    );
    expect(trainer.firstNonFinite()).toBe('layer2.1.conv1.primary_conv.0');
  });

  it('refuses what it cannot take', async () => {
    const trainer = await trainerOf(graph, randomWeights(graph), { optimizer });
    const { images, targets } = pictures();
    const step = (change: object) => () => trainer.step({ images, targets, learningRate: 0.1, ...change });
    expect(step({ images: images.subarray(1) })).toThrow(/images: given 959 values, expected 960/);
    expect(step({ targets: targets.map(() => classes) })).toThrow(/targets\[0\]: given 7, expected 0 to 6/);
    expect(() => trainer.weights('average')).toThrow(/create the trainer with { ema }/);
    trainer.dispose();
    expect(step({})).toThrow(/disposed/);
    await expect(createTrainer(graph, randomWeights(graph), { batch: 1, optimizer })).rejects.toThrow(
      /batch: given 1/,
    );
  });
});
