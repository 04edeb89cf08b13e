import { describe, expect, it } from 'vitest';
import { toJson } from '../graph/json.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel } from '../models/registry.js';
import { withNewHead } from './new-head.js';
import { learningRateFactors } from './parameter-rules.js';

describe('withNewHead', () => {
  it('gives another number of classes and keeps every other weight', () => {
    const graph = createModel('ghostnet-32');
    const weights = initializeWeights(graph, 1);
    const changed = withNewHead(graph, weights, 3, 2);
    expect(changed.graph.parameters['classifier.weight']?.shape).toEqual([3, 192]);
    expect(changed.graph.meta.labels).toBeUndefined();
    for (const [name, tensor] of changed.weights)
      if (!name.startsWith('classifier.')) expect(tensor).toBe(weights.get(name));
    expect(changed.weights.get('classifier.bias')?.data).toHaveLength(3);
  });

  it.each(['squeezenet1_1', 'ghost-squeezenet1_0', 'ghostnet-1.0x', 'mobilenet_v3_small', 'vgg16-cifar'])(
    'of %s gives the network that is built for as many classes',
    (name) => {
      const graph = createModel(name);
      const weights = new Map(
        Object.entries(graph.parameters).map(([key, { shape }]) => [
          key,
          { shape, data: new Float32Array(0) },
        ]),
      );
      const changed = withNewHead(graph, weights, 7, 1).graph;
      const { labels: _, ...meta } = graph.meta;
      expect(toJson(changed)).toBe(toJson(createModel(name, { classes: 7, meta })));
    },
  );

  it('says what it cannot replace', () => {
    const graph = createModel('ghostnet-32');
    const headless = { ...graph, outputs: ['global_pool'] };
    const action = () => withNewHead(headless, initializeWeights(graph, 1), 3, 1);
    expect(action).toThrow(
      /its output "global_pool" comes from "stages\.2\.0\.add" \(add\); expected one linear/,
    );
  });
});

describe('learningRateFactors', () => {
  const names = ['stem.weight', 'blocks.0.weight', 'blocks.1.weight', 'classifier.bias'];

  it('takes the last rule that matches; what is frozen has zero', () => {
    const factors = learningRateFactors(names, {
      freeze: ['stem.*'],
      learningRates: [
        { match: '*', factor: 0.5 },
        { match: 'blocks.1.*', factor: 0.1 },
      ],
    });
    expect([...factors.values()]).toEqual([0, 0.5, 0.1, 0.5]);
  });

  it('refuses a pattern that matches nothing', () => {
    expect(() => learningRateFactors(names, { freeze: ['block.*'], learningRates: [] })).toThrow(
      /"block\.\*" matches no parameter/,
    );
  });
});
