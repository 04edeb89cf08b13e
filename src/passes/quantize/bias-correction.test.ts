/** Bias correction: that stages are the network, that means are right, and what it gains, layer after layer. */
import { describe, expect, it } from 'vitest';
import { randomInputs, randomWeights } from '../../../test/op-cases/values.js';
import { createNetwork, createQuantizedNetwork } from '../../create-network.js';
import { GraphBuilder } from '../../graph/builder.js';
import { elementCount, type Graph, makeGraph, type Tensor, type Weights } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { createModel } from '../../models/registry.js';
import { observe, quantize } from '../../quantize-network.js';
import { runQuantizedReference } from '../../reference/quantized.js';
import { correctBiases } from './bias-correction.js';
import type { QuantizedNetwork } from './network.js';
import { Observation } from './observation.js';
import { int8Operations, operationsOf } from './operations.js';
import { OutputMeans } from './output-means.js';
import { prepareQuantization, quantizePrepared } from './quantize.js';
import { cutStages, mostKept } from './stages.js';

/** Pictures that are positive, as photographs are before their mean is taken off: so rounding errors have a mean. */
function pictures(graph: Graph, count: number, seed: number): Float32Array[] {
  const [{ data }] = [...randomInputs(graph, { batch: count, seed }).values()] as [Tensor];
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) =>
    data.slice(i * size, (i + 1) * size).map((value) => Math.abs(value)),
  );
}

const inputName = (graph: Graph): string => graph.nodes[0]?.name ?? '';

function tensorOf(graph: Graph, data: Float32Array): Map<string, Tensor> {
  const { shape } = graph.nodes[0] as { readonly shape: readonly number[] };
  return new Map([[inputName(graph), { shape: [1, ...shape], data }]]);
}

/** What stages must get right: a gate of one pixel, both halves of a Ghost module, sums, concatenations, a flatten. */
function entangled(): Graph {
  const g = new GraphBuilder('entangled');
  const x = g.input('x', [3, 8, 8]);
  const stem = g.activation(
    'stem',
    g.conv2d('stem.conv', x, { outChannels: 8, kernel: 3, padding: 1 }),
    'relu',
  );
  const cheap = g.conv2d('cheap', stem, { outChannels: 8, kernel: 3, padding: 1, groups: 8, bias: true });
  const ghost = g.add(
    'ghost',
    g.concat('halves', [stem, cheap]),
    g.conv2d('side', stem, { outChannels: 16 }),
  );
  const squeeze = g.activation(
    'squeeze',
    g.conv2d('fc1', g.globalAvgPool('mean', ghost), { outChannels: 4 }),
    'relu',
  );
  const gate = g.activation('gate', g.conv2d('fc2', squeeze, { outChannels: 16, bias: true }), 'hardSigmoid');
  const gated = g.mul('gated', ghost, gate);
  const pooled = g.maxPool('pooled', gated, { kernel: 2, stride: 2 });
  const wide = g.conv2d('wide', pooled, { outChannels: 4, kernel: 3, padding: 1 });
  const both = g.concat('both', [wide, g.slice('cut', pooled, 3, 9)]);
  const end = g.activation(
    'end',
    g.conv2d('mix', both, { outChannels: 2, kernel: 3, stride: 2, padding: 1 }),
    'hardSwish',
  );
  const classes = g.linear('classes', g.flatten('flat', end), { outFeatures: 5, bias: true });
  return g.build([g.softmax('probabilities', classes)]);
}

describe('stages', () => {
  const graph = entangled();
  const weights = randomWeights(graph, 5);

  it('make the values of the whole network, to the bit', async () => {
    const prepared = prepareQuantization(graph, weights);
    const calibration = pictures(graph, 6, 1);
    const observation = await observe(prepared, { calibration });
    const { network } = quantizePrepared(prepared, observation.statistics());
    const values = operationsOf(int8Operations(prepared.graph)).map(({ output }) => output);
    const inside = values.filter((name) => network.values.has(name));
    const tapped = {
      ...network,
      graph: makeGraph({ ...prepared.graph, outputs: inside }),
      outputNames: inside,
    };
    const expected = calibration.map((data) => runQuantizedReference(tapped, tensorOf(graph, data)));
    const compared = new Set<string>();
    await correctBiases(prepared, network, observation, {
      // what is run are the stages of the network as it was
      open: async (part) => {
        const asBefore: QuantizedNetwork = { ...part, filters: network.filters };
        const running = await createQuantizedNetwork(asBefore);
        let run = 0;
        return {
          inputView: (name) => running.inputView(name),
          outputView: (name) => running.outputView(name),
          execute: () => {
            running.execute();
            for (const { name } of running.outputs) {
              const wanted = expected[run]?.get(name)?.data;
              if (!wanted) continue;
              expect([...running.outputView(name)], `${name} of picture ${run}`).toEqual([...wanted]);
              compared.add(`${name} ${run}`);
            }
            run++;
          },
          dispose: () => running.dispose(),
        };
      },
    });
    // the logits are floats; all else is behind or before some filter
    expect(compared.size).toBe(inside.length * calibration.length);
  });

  it('run nothing that no filter depends on, and keep little', () => {
    const prepared = prepareQuantization(graph, weights);
    const shapes = inferShapes(prepared.graph);
    const stages = cutStages(prepared.graph, int8Operations(prepared.graph), shapes);
    const filters = stages.map(({ filtered }) => filtered.map(({ output }) => output));
    // the sum is made by one branch and has the other among its inputs: corrected after that
    const order = [[], ['stem'], ['cheap'], ['ghost'], ['squeeze'], ['gate'], ['wide'], ['end'], ['classes']];
    expect(filters).toEqual(order);
    const made = new Set(stages.flatMap(({ graph: { outputs } }) => outputs));
    expect(made.has('classes') && !made.has('probabilities')).toBe(true);
    // the 8 maps of the stem and of the branch beside it while the sum of 16 is made, and its means
    expect(mostKept(stages, shapes)).toBe((8 + 8 + 16) * 64 + 16);
  });
});

describe('the slope of activations', () => {
  const functions = {
    relu: (x: number) => Math.max(0, x),
    relu6: (x: number) => Math.min(6, Math.max(0, x)),
    hardSigmoid: (x: number) => Math.min(6, Math.max(0, x + 3)) / 6,
    // from its least value up: below, values do not tell x
    hardSwish: (x: number) => (Math.max(0, x) * Math.min(6, x + 3)) / 6,
  };

  it.each(Object.entries(functions))('%s: how the mean changes with the bias', (name, f) => {
    const g = new GraphBuilder('one');
    const x = g.conv2d('conv', g.input('x', [1, 40, 40]), { outChannels: 1, bias: true });
    const graph = g.build([g.activation('y', x, name as keyof typeof functions)]);
    const operations = operationsOf(int8Operations(graph));
    const means = new OutputMeans(operations, inferShapes(graph));
    const slopes = new OutputMeans(operations, inferShapes(graph), 'slopes');
    const sums = Float32Array.from({ length: 1600 }, (_, i) => i / 100 - 8 + 0.005);
    for (const one of [means, slopes]) one.add('y', sums.map(f));
    const rise = sums.reduce((sum, value) => sum + (f(value + 0.001) - f(value - 0.001)) / 0.002, 0);
    expect(slopes.means('y')[0]).toBeCloseTo(rise / 1600, 2);
    expect(means.means('y')[0]).toBeCloseTo(sums.map(f).reduce((a, b) => a + b, 0) / 1600, 4);
  });
});

/** What int8 does to logits: size of its mean over the pictures, and decibels of logits over their errors. */
async function logitErrors(
  graph: Graph,
  weights: Weights,
  network: QuantizedNetwork,
  inputs: readonly Float32Array[],
): Promise<{ readonly mean: number; readonly decibels: number }> {
  const [floats, integers] = [await createNetwork(graph, weights), await createQuantizedNetwork(network)];
  let [power, noise] = [0, 0];
  let sums: number[] = [];
  for (const data of inputs) {
    const [wanted, got] = [floats.run(data), integers.run(data)];
    sums = Array.from(wanted, (value, i) => (sums[i] ?? 0) + value - (got[i] as number));
    wanted.forEach((value, i) => {
      power += value ** 2;
      noise += (value - (got[i] as number)) ** 2;
    });
  }
  for (const network of [floats, integers]) network.dispose();
  const mean = Math.hypot(...sums) / Math.sqrt(sums.length) / inputs.length;
  return { mean, decibels: 10 * Math.log10(power / noise) };
}

describe('bias correction', () => {
  const graph = createModel('ghost-resnet20-cifar');
  const weights = randomWeights(graph, 4);
  const calibration = pictures(graph, 8, 1);

  it('gives logits the mean of the float network, and takes noise off pictures that it has not seen', async () => {
    const rounding = 'nearest';
    const plain = await quantize(graph, weights, { calibration, biasCorrection: false, rounding });
    const corrected = await quantize(graph, weights, { calibration, rounding });
    const [before, after] = await Promise.all(
      [plain, corrected].map(({ network }) => logitErrors(graph, weights, network, calibration)),
    );
    expect(after?.mean).toBeLessThan((before?.mean ?? 0) / 10);
    const unseen = pictures(graph, 4, 2);
    const [old, now] = await Promise.all(
      [plain, corrected].map(({ network }) => logitErrors(graph, weights, network, unseen)),
    );
    expect(now?.decibels).toBeGreaterThan((old?.decibels ?? 0) + 3);
  });

  it('changes biases only', async () => {
    const rounding = 'nearest';
    const plain = await quantize(graph, weights, { calibration, biasCorrection: false, rounding });
    const seen: string[] = [];
    const onCorrection = (done: number, steps: number): void => {
      seen.push(`${done} of ${steps}`);
    };
    const corrected = await quantize(graph, weights, { calibration, onCorrection, rounding });
    expect(corrected.network.values).toEqual(plain.network.values);
    for (const [name, { values, scales, bias }] of corrected.network.filters) {
      const old = plain.network.filters.get(name);
      expect({ values, scales }).toEqual({ values: old?.values, scales: old?.scales });
      expect(bias).not.toEqual(old?.bias);
    }
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.at(-1)).toBe(`${seen.length} of ${seen.length}`);
  });

  it('keeps as many pictures as its memory allows, and their values until they are read', () => {
    const g = new GraphBuilder('large');
    const x = g.input('x', [1, 64, 64]);
    const y = g.activation('y', g.conv2d('conv', x, { outChannels: 2, kernel: 3, padding: 1 }), 'relu');
    const large = g.build([
      g.linear('classes', g.flatten('flat', g.globalAvgPool('mean', y)), { outFeatures: 2 }),
    ]);
    const prepared = prepareQuantization(large, randomWeights(large, 1));
    const shapes = inferShapes(prepared.graph);
    const picture = 64 * 64;
    const stages = cutStages(prepared.graph, int8Operations(prepared.graph), shapes);
    // the picture, and before it goes the means of the maps that are made of it
    expect(mostKept(stages, shapes)).toBe(picture + 2);
    const values = (name: string) => new Float32Array(elementCount((shapes.get(name) ?? []).slice(1)));
    const observation = new Observation(prepared, 3.5 * 5 * picture);
    for (let i = 0; i < 6; i++) observation.add(values);
    expect(observation.pictures).toHaveLength(3);
  });
});
