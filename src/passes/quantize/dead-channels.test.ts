/** Channels that are zero in all calibration pictures: they take nothing from the precision of those that are not. */
import { describe, expect, it } from 'vitest';
import { randomInputs, randomWeights } from '../../../test/op-cases/values.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Tensor } from '../../graph/graph.js';
import { quantize } from '../../quantize-network.js';
import { runQuantizedReference } from '../../reference/quantized.js';
import { runReference } from '../../reference/run.js';
import type { QuantizedNetwork } from './network.js';

const g = new GraphBuilder('dead channel');
let x = g.input('x', [4, 9, 9]);
x = g.activation('relu', g.conv2d('first', x, { outChannels: 8, bias: true }), 'relu');
const graph = g.build([g.conv2d('second', x, { outChannels: 8, kernel: 3, padding: 1 })]);

/** Channels `dead` of the first layer never come above zero. */
function weightsWith(dead: readonly number[]): Map<string, Tensor> {
  const weights = new Map(randomWeights(graph, 1));
  const bias = weights.get('first.bias') as Tensor;
  weights.set('first.bias', {
    ...bias,
    data: bias.data.map((value, c) => (dead.includes(c) ? -20 : value)),
  });
  return weights;
}

/** Signal to noise of the first output in decibels. */
function noiseOf(
  floats: Graph,
  weights: ReadonlyMap<string, Tensor>,
  network: QuantizedNetwork,
  inputs: ReadonlyMap<string, Tensor>,
): number {
  const [output = ''] = floats.outputs;
  const expected = (runReference(floats, weights, inputs).get(output) as Tensor).data;
  const actual = (runQuantizedReference(network, inputs).get(output) as Tensor).data;
  const power = (values: Float32Array): number => values.reduce((sum, value) => sum + value ** 2, 0);
  const noise = power(actual.map((value, i) => value - (expected[i] as number)));
  return 10 * Math.log10(power(expected) / noise);
}

describe.each(['channel', 'half'] as const)('dead channels, ranges by %s', (granularity) => {
  it.each([[[]], [[3]], [[0, 2, 7]]])('%j: the next layer keeps its precision', async (dead) => {
    const weights = weightsWith(dead);
    const inputs = randomInputs(graph, { batch: 1, seed: 5 });
    const picture = (inputs.get('x') as Tensor).data;
    const { network } = await quantize(graph, weights, {
      calibration: [picture],
      granularity,
      ranges: 'minmax',
    });
    expect(noiseOf(graph, weights, network, inputs)).toBeGreaterThan(25);
  });

  it('channels of zeros that are put before and after take nothing either', async () => {
    const b = new GraphBuilder('padded');
    const padded = b.padChannels('pad', b.input('x', [8, 7, 7]), 3, 5);
    const wide = b.build([b.conv2d('conv', padded, { outChannels: 8, kernel: 3 })]);
    const weights = randomWeights(wide, 3);
    const inputs = randomInputs(wide, { batch: 1, seed: 6, scale: 0.05 });
    const picture = (inputs.get('x') as Tensor).data;
    const { network } = await quantize(wide, weights, { calibration: [picture], granularity });
    expect(noiseOf(wide, weights, network, inputs)).toBeGreaterThan(25);
  });

  it('all of them: zeros in, the bias out', async () => {
    const weights = weightsWith([0, 1, 2, 3, 4, 5, 6, 7]);
    const inputs = randomInputs(graph, { batch: 1, seed: 5 });
    const picture = (inputs.get('x') as Tensor).data;
    const { network } = await quantize(graph, weights, { calibration: [picture], granularity });
    const actual = (runQuantizedReference(network, inputs).get('second') as Tensor).data;
    expect(actual.every((value) => value === 0)).toBe(true);
  });
});
