/**
 * The graphs of the differential fuzzer: those of op-cases/random-steps.ts and more (several inputs, products and sums
 * across branches, nested concatenations, heads), on small maps of odd sizes and, every fourth seed, on larger ones
 * where other kernels pay (Winograd, tiles in full). Same seed, same graph.
 */
import { GraphBuilder } from '../../src/graph/builder.js';
import { Random } from '../../src/models/random.js';
import type { OpCase } from '../op-cases/op-case.js';
import {
  chance,
  channelsFor,
  hardLayer,
  type Limits,
  pick,
  type Step,
  smallLimits,
  steps,
} from '../op-cases/random-steps.js';

const largeLimits: Limits = { counts: [3, 8, 12, 16, 24, 30, 40, 64], channels: 96, pixels: 1100 };

/** Another input of the network, joined with what is there. */
const secondInput: Step = ({ g, random, name, shape, x }) => {
  const other = g.input(`${name}.input`, shape.slice(1));
  return chance(random, 0.5) ? g.add(name, x, other) : g.concat(name, [x, other]);
};

/** A value with itself. */
const twice: Step = ({ g, random, name, x, shape, limits }) => {
  if (chance(random, 0.5)) return g.add(name, x, x);
  return (shape[1] as number) * 2 > limits.channels ? undefined : g.concat(name, [x, x]);
};

/** A map times the gate that another branch makes. */
const crossGate: Step = ({ g, random, name, x, shape, others }) => {
  const maps = others.filter((other) => g.shape(other).length === 4 && shape.length === 4);
  if (maps.length === 0) return undefined;
  let gate = g.globalAvgPool(`${name}.pool`, pick(random, maps));
  if (g.channels(gate) !== shape[1] || chance(random, 0.5))
    gate = g.conv2d(`${name}.expand`, gate, { outChannels: shape[1] as number, bias: chance(random, 0.5) });
  return g.mul(name, x, g.activation(`${name}.gate`, gate, pick(random, ['sigmoid', 'hardSigmoid'])));
};

/** A concatenation of a concatenation, a slice across their seam, and a convolution of it. */
const nest: Step = ({ g, random, name, x, shape, others, limits }) => {
  const fits = [x, ...others].filter((other) => {
    const size = g.shape(other);
    return size.length === shape.length && size[2] === shape[2] && size[3] === shape[3];
  });
  const [a, b, c] = [x, pick(random, fits), pick(random, fits)];
  if ([a, b, c].reduce((sum, part) => sum + g.channels(part), 0) > limits.channels) return undefined;
  const inner = g.concat(`${name}.inner`, [a, b]);
  const outer = g.concat(`${name}.outer`, chance(random, 0.5) ? [inner, c] : [c, inner]);
  const channels = g.channels(outer);
  const start = random.below(Math.max(1, channels >> 1));
  return g.slice(name, outer, start, start + 1 + random.below(channels - start));
};

/** Pool, flatten, a layer or two, sometimes softmax: the end of a classifier. */
const head: Step = ({ g, random, name, x, shape, limits }) => {
  if (shape.length !== 4) return undefined;
  let y = g.flatten(`${name}.flat`, g.globalAvgPool(`${name}.pool`, x));
  y = g.linear(`${name}.fc`, y, { outFeatures: channelsFor(random, limits) * 3, bias: chance(random, 0.7) });
  if (chance(random, 0.5)) y = g.activation(`${name}.act`, y, pick(random, ['relu', 'hardSwish']));
  return chance(random, 0.3) ? g.softmax(name, y) : y;
};

/** A 3x3 convolution of stride one with many channels, where Winograd's scheme pays on large maps. */
const dense3x3: Step = ({ g, random, name, x, shape, limits }) => {
  if (shape.length !== 4 || (shape[1] as number) < 8) return undefined;
  const outChannels = Math.max(8, channelsFor(random, limits));
  const y = g.conv2d(`${name}.conv`, x, { outChannels, kernel: 3, padding: 1, bias: chance(random, 0.5) });
  return chance(random, 0.5) ? g.activation(name, y, 'relu') : y;
};

const allSteps: readonly (readonly [Step, number])[] = [
  ...steps,
  [secondInput, 0.5],
  [twice, 1],
  [crossGate, 1],
  [nest, 2],
  [head, 0.7],
  [dense3x3, 1.5],
];

const hardSteps: readonly (readonly [Step, number])[] = [...allSteps, [hardLayer, 25]];

/**
 * The graph of this seed (a whole number from 0), with its batch size 1..3. `hard`: another graph, with many hard
 * activations behind layers, and inputs that may reach their ends.
 */
export function fuzzGraph(seed: number, hard = false): OpCase {
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1) ^ (hard ? 0x27d4eb2f : 0x5bd1e995));
  const choices = hard ? hardSteps : allSteps;
  const large = seed % 4 === 3;
  const limits = large ? largeLimits : smallLimits;
  const name = `${hard ? 'hard' : 'fuzz'} graph ${seed}`;
  const g = new GraphBuilder(name);
  const side = (): number => (large ? 8 + random.below(25) : 1 + random.below(17));
  const nodes = [g.input('x', [channelsFor(random, limits), side(), side()])];
  const wanted = 2 + random.below(large ? 8 : 14);
  const total = choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (let attempt = 0; nodes.length <= wanted && attempt < 200; attempt++) {
    // mostly the newest value; sometimes any earlier one: fan-out
    const x = chance(random, 0.7) ? (nodes.at(-1) as string) : pick(random, nodes);
    let ticket = random.uniform() * total;
    const [step] = choices.find(([, weight]) => {
      ticket -= weight;
      return ticket < 0;
    }) as readonly [Step, number];
    const others = nodes.filter((node) => node !== x);
    const id = `n${nodes.length}.${attempt}`;
    const y = step({ g, random, name: id, x, shape: g.shape(x), others, limits });
    if (y !== undefined) nodes.push(y);
  }
  const outputs = new Set([nodes.at(-1) as string]);
  while (chance(random, 0.35)) outputs.add(pick(random, nodes.slice(1)));
  const batch = pick(random, [1, 1, 2, 3]);
  const inputScale = hard ? pick(random, [1, 4, 20]) : 1;
  return { name, graph: g.build([...outputs]), batch, seed, inputScale };
}
