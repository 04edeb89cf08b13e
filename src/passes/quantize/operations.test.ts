/** Which values of an int8 network stay floats: those that only outputs and softmax see, whatever renames them. */
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../graph/builder.js';
import { inferShapes } from '../../graph/shapes.js';
import { floatValues, int8Operations } from './operations.js';

type Build = (g: GraphBuilder, x: string) => string | string[];

const cases: readonly (readonly [string, Build, readonly string[]])[] = [
  ['a linear layer', (g, x) => g.linear('fc', g.flatten('f', x), { outFeatures: 3 }), ['fc']],
  [
    'a convolution behind a flatten',
    (g, x) => g.flatten('f', g.conv2d('fc', g.globalAvgPool('p', x), { outChannels: 3 })),
    ['fc', 'f'],
  ],
  ['the mean at the end', (g, x) => g.softmax('y', g.flatten('f', g.globalAvgPool('p', x))), ['p', 'f', 'y']],
  [
    'not a mean that a layer reads',
    (g, x) => {
      const mean = g.globalAvgPool('p', x);
      return [g.flatten('f', mean), g.conv2d('fc', mean, { outChannels: 3 })];
    },
    ['fc'],
  ],
  ['not a map', (g, x) => g.flatten('f', g.conv2d('c', x, { outChannels: 3 })), []],
];

it.each(cases)('floats: %s', (_, build, expected) => {
  const g = new GraphBuilder('ends');
  const end = build(g, g.input('x', [5, 4, 4]));
  const graph = g.build(typeof end === 'string' ? [end] : end);
  const floats = floatValues(graph, int8Operations(graph), inferShapes(graph));
  expect([...floats].sort()).toEqual([...expected].sort());
});
