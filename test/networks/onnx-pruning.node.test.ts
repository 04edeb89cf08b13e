/**
 * Pruning the trained ONNX networks (residual sums, concats, depthwise convolutions): what is left computes what the old
 * network computes with the same channels zeroed, and runs compiled. Skips, saying so, where the data is absent.
 */
import { describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { createNetwork } from '../../src/create-network.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { inputNodes, type Weights } from '../../src/graph/graph.js';
import { analyzeCoupling } from '../../src/passes/coupling/analyze.js';
import { maskMakers } from '../../src/passes/coupling/mask.js';
import { l1Norm } from '../../src/passes/l1-norm/l1-norm.js';
import { chooser } from '../../src/passes/prune/choose.js';
import { filterScores } from '../../src/passes/prune/scores.js';
import { softPruning } from '../../src/passes/soft-pruning/soft-pruning.js';
import { uniformWidth } from '../../src/passes/width/width.js';
import { sharedData } from '../shared-data.js';

const names = ['squeezenet1_1', 'mobilenetv2_1.0_224', 'mobilenetv1_0.25_128', 'ghost_resnet56_cifar10'];

async function logits(graph: Parameters<typeof createNetwork>[0], weights: Weights): Promise<Float32Array> {
  const [, height = 1, width = 1] = inputNodes(graph)[0]!.shape;
  // 0 to 255 for SqueezeNet, whose first layer takes the mean out; the others take it too
  const image = Float32Array.from(
    { length: 3 * height * width },
    (_, i) => 127 + 90 * Math.sin(i * 0.37 + i / 997),
  );
  const network = await createNetwork(graph, weights, { winograd: false });
  const values = network.run(image) as Float32Array;
  network.dispose();
  return values;
}

/** Largest difference over the largest value. */
function worst(a: Float32Array, b: Float32Array): number {
  const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (
    a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), a.length === b.length ? 0 : 1e9) /
    scale
  );
}

describe.each(names)('%s', (name) => {
  const file = sharedData(`models/onnx/${name}.onnx`);

  it.skipIf(!file)('pruned by sfp, width and l1: the zeroed original', async () => {
    const { graph, weights } = await readModelFile(file!);
    const coupling = analyzeCoupling(graph);
    const groups = coupling.groups.filter(({ fixed }) => fixed === undefined);
    const options = { ratio: 2, roundTo: 1, minChannels: 2, inherit: true };
    for (const pass of [softPruning, uniformWidth, l1Norm]) {
      const plan = await pass.plan(graph, weights, options);
      const result = await pass.apply(graph, weights, plan, options);
      const { macs } = profile(result.graph);
      expect([pass.name, plan.after.macs]).toEqual([pass.name, macs]);
      expect([pass.name, Math.abs(plan.before.macs / macs - 2) < 0.1]).toEqual([pass.name, true]);
      const scores =
        pass === uniformWidth
          ? Float64Array.from({ length: coupling.unitCount }, (_, unit) => -unit)
          : filterScores(graph, weights, coupling, pass === l1Norm ? 'l1' : 'l2');
      const counts = new Map(
        groups.map(({ name: group, units }) => {
          const row = plan.layers.find(({ layer }) => layer === group);
          return [group, row?.apply ? Number(row.settings['channels']) : units.length];
        }),
      );
      const removed = chooser(coupling, groups, scores)(counts);
      expect(removed.size).toBeGreaterThan(50);
      const [pruned, masked] = [
        await logits(result.graph, result.weights),
        await logits(graph, maskMakers(graph, weights, coupling, removed)),
      ];
      expect([pass.name, pruned.some((value) => value !== 0)]).toEqual([pass.name, true]);
      expect([pass.name, worst(pruned, masked) < 1e-4]).toEqual([pass.name, true]);
    }
    const plan = await uniformWidth.plan(graph, weights, { keep: 0.5 });
    const fresh = await uniformWidth.apply(graph, weights, plan, { keep: 0.5 });
    const values = await logits(fresh.graph, fresh.weights);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(new Set(values).size).toBeGreaterThan(5);
  });

  it.skipIf(!file)(
    'soft pruning with training between: what is zero goes, nothing else changes',
    async () => {
      const { graph, weights } = await readModelFile(file!);
      const coupling = analyzeCoupling(graph);
      const plan = await softPruning.plan(graph, weights, { ratio: 1.5 });
      const given: Weights[] = [];
      // an epoch that moves every weight a little, zeroed filters among them
      const train = async (_: unknown, now: Weights, epoch: number): Promise<Weights> => {
        given.push(now);
        return new Map(
          [...now].map(([parameter, { shape, data }]) => [
            parameter,
            {
              shape,
              data: data.map((value, i) => value * (1 + 0.02 * Math.sin(i + epoch)) + 1e-5 * Math.cos(i)),
            },
          ]),
        );
      };
      const options = { ratio: 1.5, epochs: 2, train };
      const result = await softPruning.apply(graph, weights, plan, options);
      expect(given).toHaveLength(2);
      const last = await train(graph, given[1]!, 1);
      const groups = coupling.groups.filter(({ fixed }) => fixed === undefined);
      const counts = new Map(
        groups.map(({ name: group, units }) => {
          const row = plan.layers.find(({ layer }) => layer === group);
          return [group, row?.apply ? Number(row.settings['channels']) : units.length];
        }),
      );
      const removed = chooser(coupling, groups, filterScores(graph, last, coupling, 'l2'))(counts);
      const masked = maskMakers(graph, last, coupling, removed);
      expect(worst(await logits(result.graph, result.weights), await logits(graph, masked))).toBeLessThan(
        1e-4,
      );
      expect(profile(result.graph).macs).toBe(plan.after.macs);
    },
  );
});
