/**
 * A network without some channels computes, to the bit, what the old one computes with those channels silenced. Held
 * on families with every kind of coupling and on random graphs, by the plain reference in 64 bits.
 */
import { describe, expect, it } from 'vitest';
import { couplingNetworks } from '../../../test/networks/coupling-networks.js';
import { randomGraph } from '../../../test/op-cases/random-graph.js';
import { longForm } from '../../../test/op-cases/targets.js';
import { randomInputs, randomWeights } from '../../../test/op-cases/values.js';
import { profile } from '../../analysis/profile.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Weights } from '../../graph/graph.js';
import { Random } from '../../models/random.js';
import { createModel } from '../../models/registry.js';
import { runReference } from '../../reference/run.js';
import { analyzeCoupling, type Coupling } from './analyze.js';
import { macCounter } from './count.js';
import { maskMakers, maskReaders } from './mask.js';
import { keptChannels, removeUnits } from './remove.js';

/** About `share` of the units that may go, so that every value keeps a channel. */
function someUnits(coupling: Coupling, share: number, seed: number): Set<number> {
  const random = new Random(seed);
  const removed = new Set<number>();
  for (const group of coupling.groups) {
    if (group.fixed !== undefined) continue;
    for (const unit of group.units) {
      if (random.uniform() >= share) continue;
      removed.add(unit);
      const empty = [...keptChannels(coupling, removed).values()].some((kept) => kept.length === 0);
      if (empty) removed.delete(unit);
    }
  }
  return removed;
}

function outputs(graph: Graph, weights: Weights, batch = 2): number[][] {
  const results = runReference(graph, weights, randomInputs(graph, { batch, seed: 3 }));
  return graph.outputs.map((name) => [...(results.get(name)?.data ?? [])]);
}

/** Exact, but for the sign of zero. */
function expectSame(actual: number[][], expected: number[][]): void {
  expect(actual.map((values) => values.map((value) => value + 0))).toEqual(
    expected.map((values) => values.map((value) => value + 0)),
  );
}

describe('removing coupled channels', () => {
  it.each(Object.keys(couplingNetworks))('%s: equals the network with the channels silenced', (name) => {
    const { build, silent } = couplingNetworks[name]!;
    const graph = build();
    const weights = randomWeights(graph, 5);
    const coupling = analyzeCoupling(graph);
    const removed = someUnits(coupling, 0.4, 11);
    expect(removed.size).toBeGreaterThan(0);
    const pruned = removeUnits(graph, weights, coupling, removed);
    const values = outputs(pruned.graph, pruned.weights);
    expectSame(values, outputs(graph, maskReaders(graph, weights, coupling, removed)));
    if (silent) expectSame(values, outputs(graph, maskMakers(graph, weights, coupling, removed)));
    expect(values.flat().some((value) => value !== 0)).toBe(true);
    expect(macCounter(graph, coupling)(removed)).toBe(profile(pruned.graph).macs);
    expect(macCounter(graph, coupling)(new Set())).toBe(profile(graph).macs);
    expect(profile(pruned.graph).macs).toBeLessThan(profile(graph).macs);
  });

  const perTest = longForm() ? 400 : 40;
  it.each([0, 1, 2])(`random graphs, part %i`, (part) => {
    let changed = 0;
    for (let seed = part * perTest; seed < (part + 1) * perTest; seed++) {
      const { graph, batch } = randomGraph(seed);
      const weights = randomWeights(graph, seed);
      const coupling = analyzeCoupling(graph);
      const removed = someUnits(coupling, 0.5, seed);
      if (removed.size === 0) continue;
      changed++;
      const pruned = removeUnits(graph, weights, coupling, removed);
      try {
        expectSame(
          outputs(pruned.graph, pruned.weights, batch),
          outputs(graph, maskReaders(graph, weights, coupling, removed), batch),
        );
        expect(macCounter(graph, coupling)(removed)).toBe(profile(pruned.graph).macs);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    expect(changed).toBeGreaterThan(perTest / 4);
  });

  it('refuses to leave a value without channels', () => {
    const graph = couplingNetworks['fire']!.build();
    const coupling = analyzeCoupling(graph);
    const squeeze = coupling.groups.find((group) => group.name === 'fire.squeeze')!;
    expect(() => removeUnits(graph, randomWeights(graph, 1), coupling, new Set(squeeze.units))).toThrow(
      expect.objectContaining({ code: 'PRUNED_AWAY' }),
    );
  });
});

describe('groups', () => {
  const groups = (graph: Graph) =>
    analyzeCoupling(graph).groups.map(({ name, producers, consumers, units, fixed }) => ({
      name,
      producers,
      consumers,
      count: units.length,
      ...(fixed === undefined ? {} : { fixed }),
    }));

  it('a residual stream is one group, the inside of a block another, logits stay', () => {
    const found = groups(couplingNetworks['inverted residual']!.build());
    expect(found).toEqual([
      { name: 'stem', producers: ['stem', 'project'], consumers: ['expand', 'head'], count: 12 },
      { name: 'expand', producers: ['expand'], consumers: ['project'], count: 24 },
      { name: 'head', producers: ['head'], consumers: ['fc'], count: 20 },
      { name: 'fc', producers: ['fc'], consumers: [], count: 7, fixed: 'the network’s output' },
    ]);
  });

  it('option A splits a stage by where its channels begin', () => {
    const found = groups(createModel('resnet20-cifar')).filter(({ producers }) => producers.length > 1);
    expect(found.map(({ name, count, producers }) => [name, count, producers.length])).toEqual([
      ['conv1', 16, 10],
      ['layer2.0.conv2', 16, 6],
      ['layer3.0.conv2', 32, 3],
    ]);
  });

  it('a ghost goes with its intrinsic map', () => {
    const graph = createModel('ghostnet-32');
    const { units, groups: all } = analyzeCoupling(graph);
    const { output, intrinsicChannels, outChannels } = graph.ghostModules[0]!;
    const own = units.get(output)!;
    expect(outChannels).toBe(2 * intrinsicChannels);
    expect([...own.slice(0, intrinsicChannels)]).toEqual([...own.slice(intrinsicChannels)]);
    expect(all.every(({ producers }) => producers.every((name) => !name.includes('cheap_operation')))).toBe(
      true,
    );
  });

  it('weights that two layers share stay', () => {
    const g = new GraphBuilder('shared');
    const x = g.input('x', [4, 5, 5]);
    const a = g.conv2d('a', x, { outChannels: 4, kernel: 3, padding: 'same' });
    const node = { ...g.build([a]).nodes[1]!, name: 'b', inputs: [a] };
    g.addNode(node);
    const graph = g.build([g.conv2d('c', 'b', { outChannels: 2 })]);
    expect(groups(graph).map(({ name, fixed }) => [name, fixed])).toEqual([
      ['a', 'shared weights'],
      ['b', 'shared weights'],
      ['c', 'the network’s output'],
    ]);
  });
});
