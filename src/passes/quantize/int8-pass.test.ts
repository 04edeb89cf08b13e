/** int8 as a compression pass: layers keep their names over the folding of batch norm, settings count, errors are named. */
import { describe, expect, it } from 'vitest';
import { randomWeights } from '../../../test/op-cases/values.js';
import { calibrationOf } from '../../calibration.js';
import { createQuantizedNetwork } from '../../create-network.js';
import { createModel } from '../../models/registry.js';
import { quantize } from '../../quantize-network.js';
import { int8 } from './int8-pass.js';

const graph = createModel('ghost-resnet20-cifar');
const weights = randomWeights(graph, 3);
const inputs = Array.from({ length: 4 }, (_, k) =>
  Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => Math.sin(i * (k + 1) * 0.37)),
);
// `quantize` calibrates without relaxed SIMD, so that its networks are the same on every engine
const calibration = calibrationOf(inputs, { batch: 4, relaxed: false });

describe('int8 as a compression pass', () => {
  it('makes the network that quantize makes', async () => {
    const plan = await int8.plan(graph, weights);
    const convolutions = graph.nodes.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
    expect(plan.layers.map(({ layer }) => layer)).toEqual(convolutions.map(({ name }) => name));
    expect(plan.before).toMatchObject({ params: 138_970, macs: 21_123_712, bytes: 4 * 138_970 });
    const applied = await int8.apply(graph, weights, plan, {}, calibration);
    const direct = await quantize(graph, weights, { calibration: inputs });
    for (const quantized of [applied.quantized, direct.network]) expect(quantized).toBeDefined();
    const outputs = [];
    for (const network of [applied.quantized ?? direct.network, direct.network]) {
      const running = await createQuantizedNetwork(network);
      outputs.push(running.run(inputs[1] as Float32Array));
      running.dispose();
    }
    expect(outputs[0]).toEqual(outputs[1]);
    const errors = applied.plan.layers.map(({ error }) => error);
    expect(errors.pop()).toBeUndefined();
    for (const error of errors) expect(error).toBeLessThan(0.02);
  });

  it('chooses the range of a layer as its settings say', async () => {
    const plan = await int8.plan(graph, weights);
    const [first, ...others] = plan.layers;
    if (!first) throw new Error('no layers');
    const settings = { ...first.settings, ranges: 'percentile' } as const;
    const edited = { ...plan, layers: [{ ...first, settings }, ...others] };
    const before = await int8.apply(graph, weights, plan, {}, calibration);
    const after = await int8.apply(graph, weights, edited, {}, calibration);
    const [old, now] = [before, after].map((one) => [...(one.quantized?.values ?? [])].slice(1));
    const changed = old?.filter(([, runs], i) => JSON.stringify(runs) !== JSON.stringify(now?.[i]?.[1]));
    expect(changed).toHaveLength(1);
  });

  it.each([
    ['without pictures', undefined, {}, 'NO_CALIBRATION'],
    ['a layer in floats', calibration, { apply: false }, 'PLAN_MISFIT'],
    [
      'four bits',
      calibration,
      { settings: { weightBits: 4, activationBits: 7, ranges: 'mse' } },
      'PLAN_MISFIT',
    ],
    [
      'other ranges',
      calibration,
      { settings: { weightBits: 8, activationBits: 7, ranges: 'most' } },
      'PLAN_MISFIT',
    ],
  ])('refuses %s', async (_, pictures, change, code) => {
    const plan = await int8.plan(graph, weights);
    const edited = {
      ...plan,
      layers: plan.layers.map((layer, i) => (i === 2 ? { ...layer, ...change } : layer)),
    };
    await expect(int8.apply(graph, weights, edited as typeof plan, {}, pictures)).rejects.toMatchObject({
      code,
    });
    const counted = int8.recount(graph, weights, edited as typeof plan);
    if (code === 'PLAN_MISFIT') await expect(counted).rejects.toMatchObject({ code });
    else expect(await counted).toEqual(plan);
  });
});
