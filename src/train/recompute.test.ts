/** Recomputation changes the memory plan and nothing else; the plan is what is used. */
import { describe, expect, it } from 'vitest';
import { initializeWeights } from '../models/initialize.js';
import { Random } from '../models/random.js';
import { createModel } from '../models/registry.js';
import { createTrainer, planTraining, type TrainerOptions } from './engine.js';

const batch = 6;
const classes = 5;

describe('recomputation', () => {
  it.each([
    ['ghost-resnet20-cifar', 16, 0.7],
    ['resnet20-cifar', 16, 0.85],
    ['ghostnet-32', 32, 0.95],
  ] as const)('gives the same bits in less memory, as planned: %s', async (name, inputSize, share) => {
    const graph = createModel(name, { classes, inputSize });
    const random = new Random(3);
    const images = Float32Array.from({ length: batch * 3 * inputSize ** 2 }, () => random.normal());
    const targets = Int32Array.from({ length: batch }, (_, i) => i % classes);
    const run = async (recompute: boolean, threads: number) => {
      const options: TrainerOptions = { batch, threads, recompute, optimizer: { kind: 'sgd' } };
      const trainer = await createTrainer(graph, initializeWeights(graph, 1), options);
      expect(planTraining(graph, options)).toEqual(trainer.memory);
      const losses = [0, 1].map(() => trainer.step({ images, targets, learningRate: 0.05 }).loss);
      const weights = [...trainer.weights().values()].flatMap(({ data }) => [...data]);
      const { memory } = trainer;
      trainer.dispose();
      return { losses, weights, memory };
    };
    for (const threads of name === 'ghost-resnet20-cifar' ? [1, 2] : [1]) {
      const [kept, again] = [await run(false, threads), await run(true, threads)];
      expect(again.losses).toEqual(kept.losses);
      expect(again.weights.every((value, i) => value === kept.weights[i])).toBe(true);
      expect(again.memory.maps).toBeLessThan(kept.memory.maps * share);
    }
  });
});
