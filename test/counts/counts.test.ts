/** Params, MACs and activations of every network against the counts that were made independently (counts.json). */
import { describe, expect, it } from 'vitest';
import { profile, theoreticalGain } from '../../src/analysis/profile.js';
import { createModel, listModels } from '../../src/models/registry.js';
import counts from './counts.json' with { type: 'json' };
import rows from './ghostnet-1.0x-rows.json' with { type: 'json' };

interface Count {
  readonly model: string;
  readonly ratio?: number;
  readonly cheapKernel?: number;
  readonly params: number;
  readonly macs?: number;
  readonly convMacs?: number;
  readonly activations?: number;
}

describe('exact counts', () => {
  it.each(counts as Count[])('$model s=$ratio d=$cheapKernel', (row) => {
    const { model, params, macs, convMacs, activations, ...options } = row;
    const counted = profile(createModel(model, options));
    expect(counted.params).toBe(params);
    if (macs !== undefined) expect(counted.macs).toBe(macs);
    if (activations !== undefined) expect(counted.activations).toBe(activations);
    if (convMacs !== undefined) {
      const conv = counted.layers.filter((layer) => layer.op === 'conv2d' || layer.op === 'depthwise');
      expect(conv.reduce((sum, layer) => sum + layer.macs, 0)).toBe(convMacs);
    }
  });

  it('running totals of GhostNet 1.0x after each row of table 1', () => {
    const { layers } = profile(createModel('ghostnet-1.0x'));
    for (const [prefix, params, macs] of rows as [string, number, number][]) {
      const end = layers.findLastIndex(
        (layer) => layer.name === prefix || layer.name.startsWith(`${prefix}.`),
      );
      const until = layers.slice(0, end + 1);
      expect([prefix, until.reduce((sum, layer) => sum + layer.params, 0)]).toEqual([prefix, params]);
      expect([prefix, until.reduce((sum, layer) => sum + layer.macs, 0)]).toEqual([prefix, macs]);
    }
  });

  it('every registered network builds and counts, and says how its pictures are prepared', () => {
    for (const entry of listModels()) {
      const graph = createModel(entry.name);
      expect(graph.meta.preprocessing, entry.name).toMatchObject({ mean: expect.anything() });
      const counted = profile(graph);
      expect(counted.params, entry.name).toBeGreaterThan(0);
      expect(counted.layers.at(-1)?.outputShape, entry.name).toEqual([1, entry.classes]);
    }
  });
});

describe('equations 4 and 5', () => {
  it('exact gains of even Ghost modules equal the closed form', () => {
    for (const module of profile(createModel('ghostnet-1.0x')).ghostModules) {
      const closed = theoreticalGain(module);
      expect(module.speedUp).toBeCloseTo(closed, 10);
      expect(module.compression).toBeCloseTo(closed, 10);
    }
  });

  it('is about s for large c and d = k, and 1 for s = 1', () => {
    expect(theoreticalGain({ ratio: 4, inChannels: 512, kernel: 3, cheapKernel: 3 })).toBeCloseTo(3.977, 3);
    expect(theoreticalGain({ ratio: 1, inChannels: 16, kernel: 1, cheapKernel: 3 })).toBe(1);
  });
});
