/**
 * The pruning passes: they reach the MACs asked for, their plans tell the truth about the result, what they keep are the
 * channels with the highest scores, and refitting makes up for what went. The coupling itself is tested beside it.
 */
import { describe, expect, it } from 'vitest';
import { couplingNetworks } from '../../../test/networks/coupling-networks.js';
import { randomGraph } from '../../../test/op-cases/random-graph.js';
import { randomInputs, randomWeights } from '../../../test/op-cases/values.js';
import { profile } from '../../analysis/profile.js';
import { calibrationOf } from '../../calibration.js';
import { GraphBuilder } from '../../graph/builder.js';
import { elementCount, type Graph, inputNodes, type Tensor, type Weights } from '../../graph/graph.js';
import { Random } from '../../models/random.js';
import { createModel } from '../../models/registry.js';
import { runReference } from '../../reference/run.js';
import { channelPruning } from '../channel-pruning/channel-pruning.js';
import type { Calibration, CompressionPass, LayerCost, LayerPlan } from '../compression.js';
import { planFromJson, planToJson } from '../compression.js';
import { analyzeCoupling } from '../coupling/analyze.js';
import { maskMakers } from '../coupling/mask.js';
import { foldBatchNorm } from '../fold-batch-norm.js';
import { l1Norm } from '../l1-norm/l1-norm.js';
import { shrinkScales, slimming } from '../slimming/slimming.js';
import { softPruning } from '../soft-pruning/soft-pruning.js';
import { uniformWidth } from '../width/width.js';
import type { PruneOptions } from './options.js';
import { filterScores } from './scores.js';

const passes: readonly CompressionPass<PruneOptions>[] = [
  l1Norm,
  slimming,
  uniformWidth,
  softPruning,
  channelPruning,
];

function pictures(graph: Graph, count: number, seed = 1): Float32Array[] {
  const random = new Random(seed);
  const size = elementCount(inputNodes(graph)[0]!.shape);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => random.normal()));
}

const calibrationFor = (graph: Graph, count = 12): Calibration => calibrationOf(pictures(graph, count));

function output(graph: Graph, weights: Weights, input: ReadonlyMap<string, Tensor>): Float32Array {
  return runReference(graph, weights, input).get(graph.outputs[0]!)!.data;
}

/** Mean squared difference over the variance around zero. */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  a.forEach((value, i) => {
    difference += (value - b[i]!) ** 2;
    size += value ** 2;
  });
  return difference / size;
}

describe.each(passes)('$name', (pass) => {
  it.each(['inverted residual', 'fire', 'dense block', 'shuffle and slices', 'resnet20-cifar'])(
    '%s: the plan is true, near the target, and survives JSON',
    async (name) => {
      const graph = couplingNetworks[name]!.build();
      const weights = randomWeights(graph, 3);
      const calibration = calibrationFor(graph);
      const options = { ratio: 1.6, roundTo: 1, minChannels: 1 };
      const plan = await pass.plan(graph, weights, options, calibration);
      const result = await pass.apply(graph, weights, planFromJson(planToJson(plan)), options, calibration);
      const counted = profile(result.graph);
      expect(result.plan.after.macs).toBe(counted.macs);
      expect(result.plan.after.params).toBe(counted.params);
      // which channels of a slice go is known to cp only when it has seen pictures
      if (pass.name === 'cp') expect(Math.abs(plan.after.macs / counted.macs - 1)).toBeLessThan(0.05);
      else expect(plan.after.macs).toBe(counted.macs);
      expect(plan.before.macs).toBe(profile(graph).macs);
      expect(plan.before.macs / plan.after.macs).toBeGreaterThan(1.35);
      expect(plan.before.macs / plan.after.macs).toBeLessThan(1.95);
      for (const side of ['before', 'after'] as const)
        expect(result.plan.layers.reduce((sum, row) => sum + row[side].macs, 0)).toBe(result.plan[side].macs);
      const values = output(result.graph, result.weights, randomInputs(graph, { batch: 1, seed: 2 }));
      expect(values.every(Number.isFinite)).toBe(true);
    },
  );

  it.each(['inverted residual', 'dense block', 'resnet20-cifar'])(
    '%s: an edited plan is counted anew, layers and totals',
    async (name) => {
      const graph = couplingNetworks[name]!.build();
      const weights = randomWeights(graph, 3);
      const calibration = calibrationFor(graph);
      const options = { ratio: 1.6, roundTo: 1, minChannels: 1 };
      const plan = await pass.plan(graph, weights, options, calibration);
      const [fewer, none] = plan.layers.filter((row) => row.apply && 'channels' in row.settings);
      const layers = plan.layers.map((row) => {
        if (row === fewer) return { ...row, settings: { channels: 2 } };
        return row === none ? { ...row, apply: false } : row;
      });
      const edited = planFromJson(planToJson({ ...plan, layers }));
      const counted = await pass.recount(graph, weights, edited, options, calibration);
      const applied = (await pass.apply(graph, weights, edited, options, calibration)).plan;
      // refitting may add biases, which only cp knows and only when it has done so
      const cost = ({ params, macs }: LayerCost): object =>
        pass.name === 'cp' ? { macs } : { params, macs };
      expect(cost(counted.after)).toEqual(cost(applied.after));
      expect(counted.before).toEqual(plan.before);
      expect(counted.after.macs).not.toBe(plan.after.macs);
      const costs = ({ layer, shape, apply, before, after }: LayerPlan): object => ({
        ...{ layer, shape, apply, before: cost(before), after: cost(after) },
      });
      expect(counted.layers.map(costs)).toEqual(applied.layers.map(costs));
      const row = (layer: string): LayerPlan | undefined => counted.layers.find((one) => one.layer === layer);
      expect(row(fewer!.layer)).toMatchObject({ apply: true, settings: { channels: 2 } });
      // what was left keeps what was written there, and says no reason of its own
      expect(row(none!.layer)).toMatchObject({ apply: false, settings: none!.settings });
      expect(row(none!.layer)!.reason).toBeUndefined();
      expect(await pass.recount(graph, weights, counted, options, calibration)).toEqual(counted);
    },
  );
});

describe('options and plans', () => {
  const graph = couplingNetworks['inverted residual']!.build();
  const weights = randomWeights(graph, 3);

  it('skip, only, roundTo and minChannels hold', async () => {
    const options = { keep: 0.4, skip: ['stem'], roundTo: 4, minChannels: 8 };
    const { plan, graph: pruned } = await l1Norm.apply(
      graph,
      weights,
      await l1Norm.plan(graph, weights, options),
      options,
    );
    const rows = new Map(plan.layers.map((row) => [row.layer, row]));
    expect(rows.get('stem')).toMatchObject({ apply: false, reason: '"stem" is skipped' });
    expect(rows.get('expand')).toMatchObject({ apply: true, settings: { channels: 8 } });
    expect(rows.get('expand')!.shape).toBe('1x1 12→24 to 12→8');
    expect(rows.get('depthwise')!.reason).toBe('channels as in expand');
    expect(rows.get('fc')!.reason).toBe('channels stay: the network’s output');
    expect(profile(pruned).layers.find(({ name }) => name === 'depthwise')!.outputShape[1]).toBe(8);
    const only = await l1Norm.plan(graph, weights, { keep: 0.5, only: ['head'] });
    expect(only.layers.filter(({ apply }) => apply).map(({ layer }) => layer)).toEqual(['head', 'fc']);
  });

  it('an edited plan is what is applied', async () => {
    const plan = await l1Norm.plan(graph, weights, {});
    const layers = plan.layers.map((row) =>
      row.layer === 'expand' ? { ...row, apply: true, settings: { channels: 5 } } : { ...row, apply: false },
    );
    const result = await l1Norm.apply(graph, weights, { ...plan, layers });
    const channels = (name: string) =>
      profile(result.graph).layers.find((row) => row.name === name)!.outputShape[1];
    expect([channels('expand'), channels('stem'), channels('head')]).toEqual([5, 12, 20]);
    const wrong = layers.map((row) =>
      row.layer === 'expand' ? { ...row, settings: { channels: 99 } } : row,
    );
    await expect(l1Norm.apply(graph, weights, { ...plan, layers: wrong })).rejects.toMatchObject({
      code: 'PLAN_MISFIT',
      message: expect.stringContaining('"expand": channels: given 99'),
    });
    await expect(slimming.apply(graph, weights, plan)).rejects.toMatchObject({ code: 'PLAN_MISFIT' });
  });

  it.each([
    [{ ratio: 0.5 }, 'ratio: given 0.5'],
    [{ keep: 0 }, 'keep: given 0'],
    [{ roundTo: 1.5 }, 'roundTo: given 1.5'],
    [{ skip: ['nowhere'] }, 'skip: given "nowhere"'],
  ])('%j is refused', async (options, message) => {
    await expect(l1Norm.plan(graph, weights, options)).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it('random graphs: every plan can be applied and its counts are those of the result', async () => {
    let applied = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { graph: any } = randomGraph(seed);
      const values = randomWeights(any, seed);
      const plan = await l1Norm.plan(any, values, { ratio: 2, roundTo: 1, minChannels: 1 }).catch((error) => {
        expect(error.code).toBe('NOTHING_TO_PRUNE');
      });
      if (!plan) continue;
      const result = await l1Norm.apply(any, values, plan, {});
      expect(profile(result.graph).macs, `seed ${seed}`).toBe(plan.after.macs);
      applied++;
    }
    expect(applied).toBeGreaterThan(15);
  });
});

describe('what goes', () => {
  it('l1: the filters with the smallest sums', async () => {
    const g = new GraphBuilder('two');
    const a = g.conv2d('a', g.input('x', [1, 4, 4]), { outChannels: 4 });
    const graph = g.build([g.conv2d('b', a, { outChannels: 1 })]);
    const weights = new Map(randomWeights(graph, 1));
    weights.set('a.weight', { shape: [4, 1, 1, 1], data: Float32Array.of(-3, 1, 0.5, -2) });
    const options = { keep: 0.5, roundTo: 1, minChannels: 1 };
    const result = await l1Norm.apply(graph, weights, await l1Norm.plan(graph, weights, options), options);
    expect([...result.weights.get('a.weight')!.data]).toEqual([-3, -2]);
    const old = weights.get('b.weight')!.data;
    expect([...result.weights.get('b.weight')!.data]).toEqual([old[0], old[3]]);
  });

  it('slimming: layers compete; a layer with small scales loses more', async () => {
    const graph = createModel('resnet20-cifar', { inputSize: 8 });
    const weights = new Map(randomWeights(graph, 1));
    const small = weights.get('layer1.0.bn1.weight')!;
    weights.set('layer1.0.bn1.weight', { ...small, data: small.data.map((value) => value * 0.01) });
    const plan = await slimming.plan(graph, weights, { keep: 0.7, roundTo: 1, minChannels: 2 });
    const kept = (name: string) => plan.layers.find(({ layer }) => layer === name)!.settings['channels'];
    expect(kept('layer1.0.conv1')).toBe(2);
    expect(kept('layer1.1.conv1')).toBeGreaterThan(6);
    const shrunk = shrinkScales(graph, weights, 0.02).get('layer1.0.bn1.weight')!.data;
    expect([...shrunk]).toEqual(
      [...small.data].map((value) => Math.fround(Math.max(Math.fround(value * 0.01) - 0.02, 0))),
    );
  });

  it('slimming of a folded network measures scales, and says so without pictures', async () => {
    const network = couplingNetworks['inverted residual']!.build();
    const { graph, weights } = foldBatchNorm(network, randomWeights(network, 3));
    await expect(slimming.plan(graph, weights, {})).rejects.toMatchObject({ code: 'NO_CALIBRATION' });
    const plan = await slimming.plan(graph, weights, { ratio: 1.5, roundTo: 1 }, calibrationFor(graph));
    expect(plan.after.macs).toBeLessThan(plan.before.macs);
  });

  it('soft pruning: zeroed filters are trained on, and come back when they grow', async () => {
    const graph = couplingNetworks['fire']!.build();
    const weights = randomWeights(graph, 3);
    const options = { keep: 0.5, roundTo: 1, minChannels: 1 };
    const plan = await softPruning.plan(graph, weights, options);
    const seen: Weights[] = [];
    const train = async (_: Graph, given: Weights, epoch: number): Promise<Weights> => {
      seen.push(given);
      const grown = given.get('fire.squeeze.weight')!;
      // in epoch 1 the zeroed filters outgrow the others
      const data = grown.data.map((value) => (epoch === 1 && value === 0 ? 10 : value));
      return new Map([...given, ['fire.squeeze.weight', { ...grown, data }]]);
    };
    const result = await softPruning.apply(graph, weights, plan, { ...options, epochs: 2, train });
    const zeros = seen[1]!.get('fire.squeeze.weight')!.data.filter((value) => value === 0).length;
    expect(zeros).toBe(3 * 12);
    expect(result.weights.get('fire.squeeze.weight')!.data.every((value) => value === 10)).toBe(true);
    // the final removal takes only what is zero: nothing changes
    const coupling = analyzeCoupling(graph);
    const final = await train(graph, seen[1]!, 1);
    const scores = filterScores(graph, final, coupling, 'l2');
    const lowest = coupling.groups
      .filter(({ fixed }) => fixed === undefined)
      .flatMap(({ units, name }) => {
        const keep = plan.layers.find(({ layer }) => layer === name)!.settings['channels'] as number;
        return [...units].sort((a, b) => scores[a]! - scores[b]!).slice(0, units.length - keep);
      });
    const input = randomInputs(graph, { batch: 2, seed: 4 });
    const masked = maskMakers(graph, final, coupling, new Set(lowest));
    expect(output(result.graph, result.weights, input)).toEqual(output(graph, masked, input));
  });
});

describe('channel pruning', () => {
  /** 8 channels of which 4 are sums of the others: nothing need be lost. */
  function redundant(): { graph: Graph; weights: Weights } {
    const g = new GraphBuilder('redundant');
    const a = g.conv2d('a', g.input('x', [4, 8, 8]), { outChannels: 8, bias: true });
    const graph = g.build([g.batchNorm('bn', g.conv2d('b', a, { outChannels: 5, kernel: 3, padding: 1 }))]);
    const weights = new Map(randomWeights(graph, 2));
    const filters = weights.get('a.weight')!.data.slice();
    const bias = weights.get('a.bias')!.data.slice();
    for (let c = 4; c < 8; c++) {
      for (let i = 0; i < 4; i++)
        filters[c * 4 + i] = filters[(c - 4) * 4 + i]! - filters[(c % 4 === 3 ? 0 : c - 3) * 4 + i]!;
      bias[c] = 0;
    }
    bias.fill(0);
    weights.set('a.weight', { shape: [8, 4, 1, 1], data: filters });
    weights.set('a.bias', { shape: [8], data: bias });
    return { graph, weights };
  }

  it.each(['lasso', 'greedy'] as const)(
    '%s: what is linear in the others goes without loss',
    async (selection) => {
      const { graph, weights } = redundant();
      const calibration = calibrationFor(graph, 16);
      const options = { keep: 0.5, roundTo: 1, minChannels: 1, selection, ridge: 1e-9 };
      const plan = await channelPruning.plan(graph, weights, options);
      const result = await channelPruning.apply(graph, weights, plan, options, calibration);
      const input = randomInputs(graph, { batch: 2, seed: 4 });
      const expected = output(graph, weights, input);
      expect(distance(expected, output(result.graph, result.weights, input))).toBeLessThan(1e-8);
      expect(result.plan.layers.find(({ layer }) => layer === 'b')!.error).toBeLessThan(1e-8);
      const plain = await l1Norm.apply(graph, weights, { ...plan, pass: 'l1' }, options);
      expect(distance(expected, output(plain.graph, plain.weights, input))).toBeGreaterThan(0.01);
    },
  );

  it.each(['inverted residual', 'fire', 'dense block', 'ghost-resnet20-cifar'])(
    '%s: refitting comes nearer to the old outputs than the same cut without',
    async (name) => {
      const graph = couplingNetworks[name]!.build();
      const weights = randomWeights(graph, 3);
      const calibration = calibrationFor(graph, 40);
      const options = { keep: 0.6, roundTo: 1, minChannels: 1, perPicture: 25 };
      const plan = await channelPruning.plan(graph, weights, options);
      const refitted = await channelPruning.apply(graph, weights, plan, options, calibration);
      const pulled = { ...options, ridge: 1e9 };
      const cut = await l1Norm.apply(graph, weights, { ...plan, pass: 'l1' }, options);
      const stiff = await channelPruning.apply(graph, weights, plan, pulled, calibration);
      const [input] = [new Map([[inputNodes(graph)[0]!.name, batch(graph, 6)]])];
      const expected = output(graph, weights, input);
      const error = distance(expected, output(refitted.graph, refitted.weights, input));
      expect(error).toBeLessThan(0.8 * distance(expected, output(cut.graph, cut.weights, input)));
      expect(error).toBeLessThan(distance(expected, output(stiff.graph, stiff.weights, input)));
      expect(profile(refitted.graph).params).toBe(refitted.plan.after.params);
    },
  );

  it('needs pictures', async () => {
    const { graph, weights } = redundant();
    const plan = await channelPruning.plan(graph, weights, { keep: 0.5, roundTo: 1, minChannels: 1 });
    await expect(channelPruning.apply(graph, weights, plan)).rejects.toMatchObject({
      code: 'NO_CALIBRATION',
    });
  });
});

/** Pictures that calibration did not see. */
function batch(graph: Graph, count: number): Tensor {
  const values = pictures(graph, count, 77);
  const shape = [count, ...inputNodes(graph)[0]!.shape];
  return { shape, data: Float32Array.from(values.flatMap((value) => [...value])) };
}
