/**
 * Random graphs from a seed: nests of every op, with odd channels and sizes, fan-out, and outputs that other nodes
 * read too. Same seed, same graph. Used to compare an engine with the reference where no one thought of a case.
 */
import { GraphBuilder } from '../../src/graph/builder.js';
import { Random } from '../../src/models/random.js';
import type { OpCase } from './op-case.js';
import { chance, channelsFor, pick, type Step, smallLimits, steps } from './random-steps.js';

/** The graph of this seed, with its batch size. */
export function randomGraph(seed: number): OpCase {
  const random = new Random(Math.imul(seed + 1, 0x2545f491));
  const g = new GraphBuilder(`random graph ${seed}`);
  const shape = [channelsFor(random, smallLimits), 1 + random.below(17), 1 + random.below(17)];
  const nodes = [g.input('x', shape)];
  const wanted = 2 + random.below(12);
  const total = steps.reduce((sum, [, weight]) => sum + weight, 0);
  for (let attempt = 0; nodes.length <= wanted && attempt < 200; attempt++) {
    // mostly the newest value; sometimes any earlier one: fan-out
    const x = chance(random, 0.7) ? (nodes.at(-1) as string) : pick(random, nodes);
    let ticket = random.uniform() * total;
    const [step] = steps.find(([, weight]) => {
      ticket -= weight;
      return ticket < 0;
    }) as readonly [Step, number];
    const others = nodes.filter((node) => node !== x);
    const y = step({
      g,
      random,
      name: `n${nodes.length}.${attempt}`,
      x,
      shape: g.shape(x),
      others,
      limits: smallLimits,
    });
    if (y !== undefined) nodes.push(y);
  }
  const outputs = new Set([nodes.at(-1) as string]);
  while (chance(random, 0.3)) outputs.add(pick(random, nodes.slice(1)));
  const batch = pick(random, [1, 1, 2, 3]);
  return { name: `random graph ${seed}`, graph: g.build([...outputs]), batch, seed, inputScale: 1 };
}
