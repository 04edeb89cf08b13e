import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../graph/builder.js';
import { initializeWeights } from '../../../models/initialize.js';
import { planChannelsLast, toChannelsFirst, toChannelsLast } from './channels-last.js';

it('fuses a relu into what only it reads, and nothing else', () => {
  const g = new GraphBuilder('fused');
  const x = g.input('input', [3, 8, 8]);
  const a = g.activation('relu1', g.conv2d('conv1', x, { outChannels: 4, kernel: 1, bias: true }), 'relu');
  const b = g.conv2d('conv2', a, { outChannels: 4, kernel: 1, bias: true });
  const c = g.add('add', g.activation('gate', b, 'hardSwish'), b);
  const graph = g.build([g.dropout('dropout', g.activation('relu2', c, 'relu6'), 0.1)]);
  const plan = planChannelsLast(graph, initializeWeights(graph, 1), 2);
  expect(plan.steps.map(({ node, relu, output }) => [node.name, relu, output])).toEqual([
    ['input', null, 'input'],
    ['conv1', 'relu', 'relu1'],
    ['conv2', null, 'conv2'],
    ['gate', null, 'gate'],
    ['add', 'relu6', plan.output],
  ]);
  expect(plan.shapes.get(plan.output)).toEqual([2, 4, 8, 8]);
});

it('brings channels last and back', () => {
  const shape = [2, 3, 2, 2];
  const values = Float32Array.from({ length: 24 }, (_, i) => i);
  const last = toChannelsLast(values, shape);
  expect([...last.subarray(0, 6)]).toEqual([0, 4, 8, 1, 5, 9]);
  expect(toChannelsFirst(last, shape)).toEqual(values);
});
