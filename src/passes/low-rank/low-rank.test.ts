/** Decomposition: full rank reproduces the network, a weight of low rank is found out, plans tell the truth. */
import { describe, expect, it } from 'vitest';
import { couplingNetworks } from '../../../test/networks/coupling-networks.js';
import { difference } from '../../../test/op-cases/compare.js';
import { randomInputs, randomWeights } from '../../../test/op-cases/values.js';
import { profile } from '../../analysis/profile.js';
import { calibrationOf } from '../../calibration.js';
import { GraphBuilder } from '../../graph/builder.js';
import { elementCount, type Graph, inputNodes, type Tensor, type Weights } from '../../graph/graph.js';
import { Random } from '../../models/random.js';
import { runReference } from '../../reference/run.js';
import { lowRank } from './low-rank.js';

function worst(
  graph: Graph,
  weights: Weights,
  other: { readonly graph: Graph; readonly weights: Weights },
): number {
  const inputs = randomInputs(graph, { batch: 2, seed: 3 });
  const expected = runReference(graph, weights, inputs);
  const actual = runReference(other.graph, other.weights, inputs);
  return Math.max(
    ...graph.outputs.map(
      (name) => difference(actual.get(name) as Tensor, expected.get(name) as Tensor).relative,
    ),
  );
}

const names = [
  'inverted residual',
  'fire',
  'dense block',
  'squeeze-and-excite',
  'resnet20-cifar',
  'ghost-resnet20-cifar',
];

function pictures(graph: Graph, count: number): Float32Array[] {
  const random = new Random(5);
  const size = elementCount(inputNodes(graph)[0]!.shape);
  return Array.from({ length: count }, () => Float32Array.from({ length: size }, () => random.normal()));
}

describe('low-rank decomposition', () => {
  it.each(names)('%s: at full rank it computes the same', async (name) => {
    const graph = couplingNetworks[name]!.build();
    const weights = randomWeights(graph, 7);
    const plan = await lowRank.plan(graph, weights, { energy: 1, roundTo: 1 });
    const layers = plan.layers.map((row) => ({
      ...row,
      apply: Object.keys(row.settings).length > 0,
      // all directions, and not only those that hold something
      settings: Object.fromEntries(
        Object.keys(row.settings).map((key) => {
          const [rows = 1, columns = 1, kernel = 1] = graph.parameters[`${row.layer}.weight`]!.shape;
          return [key, key === 'rankIn' ? columns : kernel === 1 ? Math.min(rows, columns) : rows];
        }),
      ),
    }));
    expect(layers.filter(({ apply }) => apply).length).toBeGreaterThan(3);
    const result = await lowRank.apply(graph, weights, { ...plan, layers }, {});
    expect(result.graph.nodes.length).toBeGreaterThan(graph.nodes.length);
    expect(worst(graph, weights, result)).toBeLessThan(2e-5);
    // and so it does along the directions of what layers say
    const calibrated = await lowRank.apply(
      graph,
      weights,
      { ...plan, layers },
      {},
      calibrationOf(pictures(graph, 8)),
    );
    expect(worst(graph, weights, calibrated)).toBeLessThan(2e-5);
  });

  it.each(names)('%s: the plan is true and near the target', async (name) => {
    const graph = couplingNetworks[name]!.build();
    const weights = randomWeights(graph, 7);
    for (const calibration of [undefined, calibrationOf(pictures(graph, 8))]) {
      const options = { ratio: 1.5, roundTo: 1 };
      const plan = await lowRank.plan(graph, weights, options, calibration);
      const result = await lowRank.apply(graph, weights, plan, options, calibration);
      const counted = profile(result.graph);
      expect(result.plan.after).toEqual({ params: counted.params, macs: counted.macs });
      expect(plan.after.macs).toBe(counted.macs);
      expect(plan.before.macs / counted.macs).toBeGreaterThan(1.3);
      expect(plan.before.macs / counted.macs).toBeLessThan(1.7);
      for (const side of ['before', 'after'] as const)
        expect(result.plan.layers.reduce((sum, row) => sum + row[side].macs, 0)).toBe(result.plan[side].macs);
    }
  });

  it.each(names)('%s: an edited plan is counted anew, layers and totals', async (name) => {
    const graph = couplingNetworks[name]!.build();
    const weights = randomWeights(graph, 7);
    const options = { ratio: 1.5, roundTo: 1 };
    const plan = await lowRank.plan(graph, weights, options);
    const [thinner, none] = plan.layers.filter(({ apply }) => apply);
    const layers = plan.layers.map((row) => {
      if (row === thinner) return { ...row, settings: { ...row.settings, rank: 1 } };
      return row === none ? { ...row, apply: false } : row;
    });
    const counted = await lowRank.recount(graph, weights, { ...plan, layers }, options);
    const applied = (await lowRank.apply(graph, weights, { ...plan, layers }, options)).plan;
    expect(counted.after).toEqual(applied.after);
    expect(counted.after).not.toEqual(plan.after);
    expect(counted.layers.map(({ after }) => after)).toEqual(applied.layers.map(({ after }) => after));
    expect(counted.layers.find(({ layer }) => layer === none!.layer)).toEqual({
      ...none,
      apply: false,
      after: none!.before,
    });
  });

  it('finds the rank of a weight, in both modes of a 3x3', async () => {
    const g = new GraphBuilder('rank');
    const a = g.conv2d('a', g.input('x', [9, 6, 6]), {
      outChannels: 12,
      kernel: 3,
      padding: 1,
      stride: 2,
      bias: true,
    });
    const graph = g.build([g.conv2d('b', a, { outChannels: 10, padding: 1, bias: true })]);
    const weights = new Map(randomWeights(graph, 7));
    const random = new Random(1);
    const normal = (count: number) => Float64Array.from({ length: count }, () => random.normal());
    const [u, core, v] = [normal(12 * 3), normal(3 * 2 * 9), normal(2 * 9)];
    const data = new Float32Array(12 * 9 * 9);
    for (let o = 0; o < 12; o++)
      for (let c = 0; c < 9; c++)
        for (let p = 0; p < 9; p++)
          for (let r = 0; r < 3; r++)
            for (let q = 0; q < 2; q++)
              data[(o * 9 + c) * 9 + p]! += u[o * 3 + r]! * core[(r * 2 + q) * 9 + p]! * v[q * 9 + c]!;
    weights.set('a.weight', { shape: [12, 9, 3, 3], data });
    const plan = await lowRank.plan(graph, weights, { energy: 1 - 1e-9, roundTo: 1 });
    expect(plan.layers[0]!.settings).toEqual({ rank: 3, rankIn: 2 });
    // a square matrix of full rank: two factors would cost more
    expect(plan.layers[1]).toMatchObject({ apply: false, reason: 'would not get cheaper' });
    const result = await lowRank.apply(graph, weights, plan);
    expect(result.graph.nodes.map(({ name }) => name)).toEqual(['x', 'a.reduce', 'a.core', 'a', 'b']);
    expect(worst(graph, weights, result)).toBeLessThan(1e-5);
  });

  it('depthwise and grouped layers are left, with the reason; wrong ranks are refused', async () => {
    const graph = couplingNetworks['inverted residual']!.build();
    const weights = randomWeights(graph, 7);
    const plan = await lowRank.plan(graph, weights, { ratio: 1.5, skip: ['head'] });
    const reason = (name: string) => plan.layers.find(({ layer }) => layer === name)!.reason;
    expect([reason('depthwise'), reason('head')]).toEqual([
      'grouped or depthwise: already thin',
      '"head" is skipped',
    ]);
    const layers = plan.layers.map((row) =>
      row.layer === 'expand' ? { ...row, apply: true, settings: { rank: 25 } } : row,
    );
    for (const use of [lowRank.apply, lowRank.recount])
      await expect(use(graph, weights, { ...plan, layers })).rejects.toMatchObject({
        code: 'PLAN_MISFIT',
        message: expect.stringContaining('rank: given 25, expected a whole number from 1 to 12'),
      });
    // a layer that cannot be taken apart stays, whatever the plan says
    const wanted = plan.layers.map((row) => ({ ...row, apply: row.layer === 'depthwise' }));
    const counted = await lowRank.recount(graph, weights, { ...plan, layers: wanted });
    expect(counted.after).toEqual(plan.before);
    expect(counted.layers.find(({ layer }) => layer === 'depthwise')).toMatchObject({
      apply: false,
      reason: 'grouped or depthwise: already thin',
    });
  });
});
