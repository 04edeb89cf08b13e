/** How the reference runs graphs: taps, batches, its errors. The values of the ops are held by test/op-cases. */
import { describe, expect, it } from 'vitest';
import { errorCode } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Tensor, Weights } from '../graph/graph.js';
import { conv2dForward } from './convolution.js';
import { runReference } from './run.js';

function tensor(shape: readonly number[], values: readonly number[]): Tensor {
  return { shape, data: Float32Array.from(values) };
}

function small(): { graph: ReturnType<GraphBuilder['build']>; weights: Weights } {
  const g = new GraphBuilder('small');
  const conv = g.conv2d('conv', g.input('x', [1, 2, 2]), { outChannels: 1, kernel: 2, bias: true });
  return {
    graph: g.build([g.activation('act', conv, 'relu')]),
    weights: new Map([
      ['conv.weight', tensor([1, 1, 2, 2], [1, 2, 3, 4])],
      ['conv.bias', tensor([1], [-31])],
    ]),
  };
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorCode(error);
  }
  return undefined;
}

describe('runReference', () => {
  const { graph, weights } = small();
  const inputs = new Map([['x', tensor([2, 1, 2, 2], [1, 2, 3, 4, 4, 3, 2, 1])]]);

  it('returns outputs and taps, and nothing else', () => {
    const results = runReference(graph, weights, inputs, { taps: ['conv'] });
    expect([...results.keys()]).toEqual(['conv', 'act']);
    expect(results.get('conv')).toEqual(tensor([2, 1, 1, 1], [-1, -11]));
    expect(results.get('act')).toEqual(tensor([2, 1, 1, 1], [0, 0]));
    expect([...runReference(graph, weights, inputs).keys()]).toEqual(['act']);
  });

  it('takes another picture size than the graph declares', () => {
    const wide = new Map([['x', tensor([1, 1, 2, 3], [9, 9, 9, 1, 1, 1])]]);
    const result = runReference(graph, weights, wide).get('act');
    expect(result).toEqual(tensor([1, 1, 1, 2], [3, 3]));
  });

  it('names what is missing or of the wrong shape', () => {
    expect(codeOf(() => runReference(graph, weights, new Map()))).toBe('INPUT_MISSING');
    expect(codeOf(() => runReference(graph, new Map(), inputs))).toBe('WEIGHTS_MISSING');
    expect(codeOf(() => runReference(graph, weights, inputs, { taps: ['nowhere'] }))).toBe('UNKNOWN_NODE');
    const wrong = new Map([...weights, ['conv.bias', tensor([2], [0, 0])] as const]);
    expect(codeOf(() => runReference(graph, wrong, inputs))).toBe('SHAPE_MISMATCH');
    const flat = new Map([['x', tensor([1, 4], [1, 2, 3, 4])]]);
    expect(codeOf(() => runReference(graph, weights, flat))).toBe('SHAPE_MISMATCH');
  });

  it('keeps the precision of its input, so that finite differences work', () => {
    const x = { shape: [1, 1, 1, 1], data: Float64Array.of(1 + 2 ** -40) };
    const one = { shape: [1, 1, 1, 1], data: Float64Array.of(1) };
    const geometry = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
    expect(conv2dForward(x, one, undefined, geometry).data[0]).toBe(1 + 2 ** -40);
  });
});
