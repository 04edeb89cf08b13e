/**
 * Every network of the registry, small (small-zoo.ts): compiles, runs, takes a training step. Outputs are compared with the
 * reference's, or must differ between two pictures. With relaxed SIMD where there is any, as users run them.
 */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/graph.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { runReference } from '../../src/reference/run.js';
import { createTrainer } from '../../src/train/engine.js';
import { difference } from '../op-cases/compare.js';
import { relaxedSimd, runCompiled, simd } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';
import { classes, smallNetworks } from './small-zoo.js';

const batch = 2;
/** More than two, because batch norm over two 1x1 maps has no slope. */
const trainingBatch = 4;
const tolerance = 2e-4;
const target = relaxedSimd.missing === '' ? relaxedSimd : simd;

async function trains(graph: Graph, name: string): Promise<void> {
  const weights = initializeWeights(graph, 3);
  const trainer = await createTrainer(graph, weights, {
    batch: trainingBatch,
    optimizer: { kind: 'sgd' },
    relaxed: target.relaxed,
  });
  try {
    const images =
      randomInputs(graph, { batch: trainingBatch, seed: 4 }).get('input')?.data ?? new Float32Array();
    const { loss } = trainer.step({ images, targets: Int32Array.from([1, 3, 0, 2]), learningRate: 0.01 });
    expect(Number.isFinite(loss) && loss > 0, `${name}: loss ${loss}`).toBe(true);
    const moved = [...trainer.weights()].filter(([parameter, { data }]) => {
      const before = weights.get(parameter)?.data;
      return graph.parameters[parameter]?.role === 'weight' && data.some((value, i) => value !== before?.[i]);
    });
    const learned = Object.values(graph.parameters).filter(({ role }) => role === 'weight').length;
    expect(moved.length, `${name}: weights that the step changed`).toBeGreaterThan(learned / 2);
  } finally {
    trainer.dispose();
  }
}

describe.each(smallNetworks)('$name', ({ name, graph, compared }) => {
  it('runs as the reference', async () => {
    const weights = randomWeights(graph, 7);
    const inputs = randomInputs(graph, { batch, seed: 7 });
    const output = graph.outputs[0] as string;
    const actual = (await runCompiled(target, graph, weights, inputs)).get(output);
    if (!actual) throw new Error(`no output "${output}"`);
    expect(actual.shape).toEqual([batch, classes]);
    if (!compared) {
      const [first, second] = [actual.data.slice(0, classes), actual.data.slice(classes)];
      expect([...first, ...second].every(Number.isFinite)).toBe(true);
      expect(second).not.toEqual(first);
      return;
    }
    const expected = runReference(graph, weights, inputs).get(output);
    if (!expected) throw new Error(`no output "${output}" of the reference`);
    const { relative, report } = difference(actual, expected);
    expect(relative, report).toBeLessThan(tolerance);
  }, 60_000);

  it('trains', () => trains(graph, name), 60_000);
});
