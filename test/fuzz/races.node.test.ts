/**
 * Races looked for on purpose (races.ts): more threads than cores, random delays, many runs; and the proof that the search
 * can find one: networks with a barrier left out are noticed, by the search and by the plan's own check.
 */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { ghostNet } from '../../src/models/ghostnet.js';
import { detectFeatures } from '../../src/runtime/features.js';
import type { OpCase } from '../op-cases/op-case.js';
import { longForm } from '../op-cases/targets.js';
import { randomWeights } from '../op-cases/values.js';
import { fuzzGraph } from './fuzz-graph.js';
import { countBarriers, findRace } from './races.js';

const features = detectFeatures();
const missing = features.threads.reason;
const relaxed = features.relaxed;
const runs = longForm() ? 1000 : 60;

const ghost: OpCase = {
  name: 'GhostNet 0.5x',
  graph: ghostNet({ width: 0.5, inputSize: 32, classes: 10 }),
  batch: 1,
  seed: 7,
  inputScale: 1,
};

/**
 * Convolutions one after the other, two of them read by a sum. Threads' shares of an output never fit those of the next
 * step, so every barrier guards what a step reads or overwrites.
 */
function chain(): OpCase {
  const g = new GraphBuilder('chain');
  let x = g.input('x', [8, 12, 12]);
  x = g.conv2d('first', x, { outChannels: 32, kernel: 3, padding: 1 });
  const y = g.conv2d('second', x, { outChannels: 32 });
  const z = g.conv2d('third', y, { outChannels: 32, kernel: 3, padding: 1, groups: 32 });
  x = g.conv2d('last', g.add('sum', z, x), { outChannels: 18 });
  return { name: 'chain', graph: g.build([x]), batch: 2, seed: 3, inputScale: 1 };
}

describe.skipIf(missing !== '')(`threads held up at random${missing && ` (skipped: ${missing})`}`, () => {
  for (const precision of ['f32', 'int8'] as const)
    it.each([2, 3, 8])(`${precision} GhostNet 0.5x: %i threads give one thread's bits`, async (threads) => {
      expect(await findRace(ghost, { threads, runs, seed: threads, precision, relaxed })).toBeUndefined();
    });

  it('sixteen threads on two cores or whatever there are', async () => {
    expect(await findRace(chain(), { threads: 16, runs, seed: 5 })).toBeUndefined();
  });

  it('random graphs', async () => {
    const count = longForm() ? 200 : 12;
    for (let seed = 0; seed < count; seed++) {
      const opCase = fuzzGraph(seed);
      const race = await findRace(opCase, { threads: 2 + (seed % 4), runs: runs / 4, seed });
      expect(race, `seed ${seed}`).toBeUndefined();
    }
  });
});

describe.skipIf(missing !== '')('a barrier left out', () => {
  it.each(['f32', 'int8'] as const)('is noticed by the search, whichever it is (%s)', async (precision) => {
    const opCase = chain();
    const barriers = await countBarriers(opCase, 4, precision);
    expect(barriers).toBeGreaterThanOrEqual(3);
    for (let omitted = 0; omitted < barriers; omitted++) {
      const race = await findRace(opCase, {
        threads: 4,
        runs: 3000,
        seed: 1,
        precision,
        omitBarrier: omitted,
      });
      expect(race, `barrier ${omitted} of ${barriers}`).toBeDefined();
    }
  });

  it('is noticed by the replay of schedule and plan', async () => {
    const { graph, batch, seed } = chain();
    const barriers = await countBarriers(chain(), 4);
    for (let omitted = 0; omitted < barriers; omitted++)
      expect(() =>
        compile(graph, randomWeights(graph, seed), {
          batch,
          threads: 4,
          check: true,
          trial: { omitBarrier: omitted },
        }),
      ).toThrow(/no barrier between/);
  });
});
