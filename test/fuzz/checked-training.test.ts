/**
 * Checked training steps: a step of every network below, forward, backward and update, touches only the maps that it says
 * it touches, of its own thread's images, from which the plan shares their memory; weights stay the same to the bit.
 */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { detectFeatures } from '../../src/runtime/features.js';
import { createTrainer } from '../../src/train/engine.js';
import type { TrainerOptions } from '../../src/train/trainer-options.js';
import { longForm, sameBits } from '../op-cases/targets.js';
import { randomInputs } from '../op-cases/values.js';

const batch = 6;
const { relaxed } = detectFeatures();

/** Weights after two steps and an evaluation. */
async function train(
  graph: Graph,
  options: Partial<TrainerOptions>,
): Promise<ReadonlyMap<string, { readonly data: Float32Array }>> {
  const trainer = await createTrainer(graph, initializeWeights(graph, 3), {
    batch,
    optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4 },
    ...options,
  });
  try {
    const images = randomInputs(graph, { batch, seed: 4 }).get('input')?.data ?? new Float32Array();
    for (let i = 0; i < 2; i++)
      trainer.step({ images, targets: Int32Array.from([1, 3, 0, 2, 4, 1]), learningRate: 0.01 });
    trainer.evaluate(images);
    return trainer.weights();
  } finally {
    trainer.dispose();
  }
}

const names = [
  'ghostnet-1.0x',
  'ghost-resnet20-cifar',
  'mobilenet_v3_large',
  'shufflenet_v2_x1_0',
  ...(longForm() ? ['resnet18', 'squeezenet1_1', 'ghost-vgg16-cifar', 'ghostnetv2-1.0x', 'xception'] : []),
];

describe('training steps, checked', () => {
  it.each(names)('%s touches only what its steps may', async (name) => {
    const inputSize = name.includes('cifar') ? 16 : 32;
    const graph = createModel(name, {
      classes: 5,
      inputSize,
      ...(name.includes('cifar') ? {} : { width: 0.5 }),
    });
    const plain = await train(graph, {});
    const options: Partial<TrainerOptions>[] = [
      { checked: true },
      { checked: true, recompute: true },
      ...(relaxed ? [{ checked: true, relaxed: false }] : []),
    ];
    for (const choice of options) {
      const weights = await train(graph, choice);
      if (choice.relaxed === false) continue;
      for (const [parameter, { data }] of plain)
        expect(sameBits(data, weights.get(parameter)?.data ?? new Float32Array()), parameter).toBe(true);
    }
  });
});
