/** The pass on whole networks: counts of the paper, exact reproduction of filters that are ghosts, forms of layers. */
import { describe, expect, it } from 'vitest';
import { profile } from '../../analysis/profile.js';
import { calibrationOf } from '../../calibration.js';
import { GraphBuilder } from '../../graph/builder.js';
import { type Graph, inputNodes, type Tensor, type Weights } from '../../graph/graph.js';
import { initializeWeights } from '../../models/initialize.js';
import { Random } from '../../models/random.js';
import { createModel } from '../../models/registry.js';
import { runReference } from '../../reference/run.js';
import { ghostify, ghostifyPass, ghostifyTrained } from './ghostify.js';
import type { GhostifyOptions } from './options.js';

describe('counts', () => {
  it('VGG-16, all convolutions: the paper’s Ghost-VGG-16', () => {
    const rows = [
      [2, 3, 7_650_474],
      [3, 3, 5_218_476],
      [4, 3, 3_982_362],
      [5, 3, 3_269_697],
      [2, 1, 7_633_578],
      [2, 5, 7_684_266],
    ] as const;
    for (const [ratio, cheapKernel, params] of rows) {
      const { graph, plan } = ghostify(createModel('vgg16-cifar'), { ratio, cheapKernel, allowSlower: true });
      expect(profile(graph).params).toBe(params);
      expect(plan.after.params).toBe(params);
      expect(plan.after.macs).toBe(profile(graph).macs);
      expect(plan.before.params).toBe(14_986_698);
    }
  });

  it.each([
    [2, 13_953_512, 2_151_023_360],
    [4, 8_151_752, 1_181_942_912],
  ])('ResNet-50 without its stem, s=%d', (ratio, params, macs) => {
    const { graph, plan } = ghostify(createModel('resnet50'), { ratio, skip: ['conv1'] });
    const counted = profile(graph);
    expect([counted.params, counted.macs]).toEqual([params, macs]);
    expect(plan.layers[0]).toMatchObject({ layer: 'conv1', apply: false, reason: 'named in skip' });
  });
});

it('an edited plan is counted anew, layers and totals', async () => {
  const graph = createModel('resnet20-cifar');
  const weights = initializeWeights(graph, 1);
  const plan = await ghostifyPass.plan(graph, weights, { allowSlower: true });
  const layers = plan.layers.map((row) => {
    if (row.layer === 'layer3.0.conv1') return { ...row, apply: false };
    return row.layer === 'layer3.1.conv1' ? { ...row, settings: { ...row.settings, ratio: 4 } } : row;
  });
  const counted = await ghostifyPass.recount(graph, weights, { ...plan, layers });
  const { graph: ghost } = await ghostifyPass.apply(graph, weights, { ...plan, layers });
  const { params, macs } = profile(ghost);
  expect(counted.after).toMatchObject({ params, macs });
  expect(counted.after.macs).not.toBe(plan.after.macs);
  const row = (name: string) => counted.layers.find(({ layer }) => layer === name);
  expect(row('layer3.0.conv1')?.after).toEqual(row('layer3.0.conv1')?.before);
  // a quarter of 64 intrinsic, 3x3 filters from 64 channels, 48 ghosts of 3x3, on 8x8 pixels
  expect(row('layer3.1.conv1')?.after.macs).toBe(64 * (16 * 64 * 9 + 48 * 9));
  await expect(ghostifyPass.recount(graph, weights, { ...plan, pass: 'l1' })).rejects.toMatchObject({
    code: 'PLAN_MISFIT',
  });
});

/** Random weights with lively norms. */
function lively(graph: Graph, seed: number): Map<string, Tensor> {
  const weights = new Map(initializeWeights(graph, seed));
  const random = new Random(seed);
  for (const [name, { role, shape }] of Object.entries(graph.parameters)) {
    if (role === 'weight') continue;
    const positive = name.endsWith('running_var') || role === 'scale';
    weights.set(name, {
      shape,
      data: Float32Array.from({ length: shape[0] ?? 1 }, () =>
        positive ? 0.5 + random.uniform() : 0.6 * (random.uniform() - 0.5),
      ),
    });
  }
  return weights;
}

function pictures(graph: Graph, count: number, seed: number): Float32Array[] {
  const size = (inputNodes(graph)[0]?.shape ?? []).reduce((a, b) => a * b, 1);
  const random = new Random(seed);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => random.normal()));
}

function difference(
  a: { graph: Graph; weights: Weights },
  b: { graph: Graph; weights: Weights },
  inputs: readonly Float32Array[],
): number {
  const [node] = inputNodes(a.graph);
  let [error, energy] = [0, 0];
  for (const data of inputs) {
    const feed = new Map([[node?.name ?? '', { shape: [1, ...(node?.shape ?? [])], data }]]);
    const x = runReference(a.graph, a.weights, feed).get(a.graph.outputs[0] ?? '')?.data ?? [];
    const y = runReference(b.graph, b.weights, feed).get(b.graph.outputs[0] ?? '')?.data ?? [];
    expect(y.length).toBe(x.length);
    x.forEach((value, k) => {
      error += (value - (y[k] as number)) ** 2;
      energy += value * value;
    });
  }
  return Math.sqrt(error / energy);
}

/** A convolution (norm, activation) whose later channels are ghosts of the earlier, in mixed order, then a reader. */
function ghostly(form: {
  readonly norm: boolean;
  readonly relu: boolean;
  readonly bias?: boolean;
  readonly stride?: number;
  readonly dilation?: number;
}): Graph {
  const g = new GraphBuilder('ghostly');
  const x = g.input('x', [5, 12, 12]);
  let y = g.conv2d('conv', x, {
    outChannels: 8,
    kernel: 3,
    padding: form.dilation ?? 1,
    stride: form.stride ?? 1,
    dilation: form.dilation ?? 1,
    bias: form.bias ?? false,
  });
  if (form.norm) y = g.batchNorm('norm', y);
  if (form.relu) y = g.activation('relu', y, 'relu');
  y = g.conv2d('reader', y, { outChannels: 4, kernel: 3, padding: 1 });
  return g.build([y]);
}

/** Makes filters 1, 4, 6, 7 multiples of 5, 0, 2, 3. */
function makeGhosts(graph: Graph, weights: Map<string, Tensor>): void {
  const pairs = [
    [1, 5],
    [4, 0],
    [6, 2],
    [7, 3],
  ] as const;
  for (const name of Object.keys(graph.parameters)) {
    if (name.startsWith('reader')) continue;
    const tensor = weights.get(name) as Tensor;
    const data = tensor.data.slice();
    const size = data.length / 8;
    for (const [ghost, of] of pairs)
      for (let k = 0; k < size; k++) data[ghost * size + k] = data[of * size + k] as number;
    // v of the ghost is a multiple of v of the intrinsic map, after a filter and a norm of another scale
    const power = { 'norm.running_var': 2, 'norm.weight': 0.5, 'norm.bias': 0.5 }[name] ?? 1;
    for (const [ghost] of pairs)
      for (let k = ghost * size; k < (ghost + 1) * size; k++)
        data[k] = (data[k] as number) * (1 + ghost / 4) ** power;
    weights.set(name, { shape: tensor.shape, data });
  }
}

describe('a layer whose filters are ghosts of each other is reproduced', () => {
  const forms = {
    'conv norm relu': { norm: true, relu: true },
    'conv norm': { norm: true, relu: false },
    'conv bias relu': { norm: false, relu: true, bias: true },
    'conv bias norm relu': { norm: true, relu: true, bias: true },
    conv: { norm: false, relu: false },
    'stride 2': { norm: true, relu: true, stride: 2 },
    'dilation 2': { norm: true, relu: true, dilation: 2 },
  };
  const cases = Object.keys(forms).flatMap((form) =>
    (['inside', 'after'] as const).flatMap((placement) =>
      [true, false].map((calibrated) => [form, placement, calibrated] as const),
    ),
  );
  it.each(cases)('%s, placed %s, pictures: %s', async (form, placement, calibrated) => {
    const graph = ghostly(forms[form as keyof typeof forms]);
    const weights = lively(graph, 3);
    makeGhosts(graph, weights);
    const inputs = pictures(graph, 6, 1);
    const options: GhostifyOptions = { only: ['conv'], placement, allowSlower: true, recalibrate: false };
    const result = await ghostifyTrained(
      graph,
      weights,
      options,
      calibrated ? calibrationOf(inputs) : undefined,
    );
    expect(result.plan.layers[0]?.apply).toBe(true);
    expect(result.plan.layers[0]?.error).toBeLessThan(1e-3);
    expect(difference({ graph, weights }, result, inputs)).toBeLessThan(calibrated ? 0.01 : 0.03);
    expect(result.graph.nodes.some((node) => node.kind === 'permuteChannels')).toBe(false);
  });
});
