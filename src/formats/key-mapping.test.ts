import { describe, expect, it } from 'vitest';
import { errorCode } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Tensor } from '../graph/graph.js';
import { ghostNet } from '../models/ghostnet.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel } from '../models/registry.js';
import { loadWeights, WeightsMismatchError } from './key-mapping.js';

function code(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return errorCode(error);
  }
  return 'nothing was thrown';
}

describe('fitting keys', () => {
  const graph = createModel('ghost-resnet20-cifar');
  const weights = initializeWeights(graph, 3);

  it('takes wrappers and other spellings, ignores counters', () => {
    const foreign = new Map<string, Tensor>();
    for (const [name, tensor] of weights)
      foreign.set(`module.${name.replace('.cheap_operation.', '.cheap_operations.')}`, tensor);
    foreign.set('module.bn1.num_batches_tracked', { shape: [], data: Float32Array.of(1) });
    expect(loadWeights(graph, foreign)).toEqual(weights);
  });

  it('official and timm checkpoints of GhostNet fit, under every wrapper and as a backbone', () => {
    const ghostnet = createModel('ghostnet-0.5x');
    const own = initializeWeights(ghostnet, 5);
    const prefixed = (prefix: string): Map<string, Tensor> =>
      new Map([...own].map(([name, tensor]) => [prefix + name, tensor]));
    for (const prefix of ['', 'module.', 'model.', 'module.model.', '_orig_mod.module.'])
      expect(loadWeights(ghostnet, prefixed(prefix)).size, prefix).toBe(own.size);
    const backbone = ghostNet({ width: 0.5, features: true });
    expect(code(() => loadWeights(backbone, own))).toBe('WEIGHTS_MISMATCH');
    const weights = loadWeights(backbone, own, { ignoreUnexpected: true });
    expect(new Set(weights.keys())).toEqual(new Set(Object.keys(backbone.parameters)));
    // timm's 1x1 convolution as a classifier, and a linear layer's [N, C] for a 1x1 convolution
    const head = own.get('classifier.weight') as Tensor;
    const reshaped = new Map(own).set('classifier.weight', { ...head, shape: [...head.shape, 1, 1] });
    expect(loadWeights(ghostnet, reshaped).get('classifier.weight')?.shape).toEqual(head.shape);
  });

  it('knows other names of parts', () => {
    const renamed: Record<string, (name: string) => string> = {
      head: (name) => name.replace(/^fc\./, 'head.'),
      'head.fc': (name) => name.replace(/^fc\./, 'head.fc.'),
      'conv and bn': (name) =>
        name
          .replace(/(primary_conv|cheap_operation)\.0\./, '$1.conv.')
          .replace(/(primary_conv|cheap_operation)\.1\./, '$1.bn.'),
    };
    for (const [what, rename] of Object.entries(renamed)) {
      const foreign = new Map([...weights].map(([name, tensor]) => [rename(name), tensor]));
      expect([...foreign.keys()], what).not.toEqual([...weights.keys()]);
      const loaded = loadWeights(graph, foreign);
      expect(
        [...loaded].every(([name, tensor]) => tensor.data === weights.get(name)?.data),
        what,
      ).toBe(true);
    }
  });

  it('a prefix that the graph itself has stays', () => {
    const g = new GraphBuilder('wrapped');
    const inner = g.build([g.linear('model.fc', g.input('input', [4]), { outFeatures: 2 })]);
    const own = initializeWeights(inner, 1);
    expect([...loadWeights(inner, own).keys()]).toEqual([...own.keys()]);
  });

  it('says that it is another network, with the whole lists on the error', () => {
    let error: unknown;
    try {
      loadWeights(
        createModel('ghostnet-0.5x'),
        new Map([['x.weight', { shape: [1], data: new Float32Array(1) }]]),
      );
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(WeightsMismatchError);
    const mismatch = error as WeightsMismatchError;
    expect(mismatch.message).toMatch(/no name fits, so the file is of another network/);
    expect(mismatch.missing).toEqual(Object.keys(createModel('ghostnet-0.5x').parameters));
    expect(mismatch.unexpected).toEqual(['x.weight']);
  });

  it('lists what is missing, unexpected and mis-shaped in one error', () => {
    const broken = new Map(weights);
    broken.delete('conv1.primary_conv.0.weight');
    broken.set('fc.weight', { shape: [100, 64], data: new Float32Array(6400) });
    broken.set('extra.weight', { shape: [1], data: new Float32Array(1) });
    expect(code(() => loadWeights(graph, broken))).toBe('WEIGHTS_MISMATCH');
    expect(() => loadWeights(graph, broken)).toThrow(
      /missing: conv1\.primary_conv\.0\.weight \[8, 3, 3, 3\]; unexpected: extra\.weight; mis-shaped: fc\.weight: given \[100, 64\], expected \[10, 64\]; the file has 100 classes/,
    );
  });
});
