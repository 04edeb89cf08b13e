/**
 * Whole compiled networks: outputs against PyTorch's goldens, and outputs and every block's output against the
 * reference, value for value. Largest relative error 1e-4.
 */
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.js';
import type { Tensor } from '../../src/graph/graph.js';
import { makeGraph } from '../../src/graph/graph.js';
import { ghostNet } from '../../src/models/ghostnet.js';
import { runReference } from '../../src/reference/run.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from '../op-cases/compare.js';
import { goldenError } from '../op-cases/golden.js';
import { networkGoldens } from '../op-cases/golden-file.js';
import {
  relaxedSimd,
  relaxedTwoThreads,
  runCompiled,
  sameBits,
  simd,
  targetTitle,
  threeThreads,
  twoThreads,
} from '../op-cases/targets.js';
import { randomInputs, randomWeights, uniformValues } from '../op-cases/values.js';
import { networkCases } from './networks.js';

const tolerance = 1e-4;

function value(values: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = values.get(name);
  if (!tensor) throw new Error(`no value for "${name}"`);
  return tensor;
}

describe.each(networkCases)('$name', ({ name, build, batch, seed }) => {
  const graph = build();
  const weights = randomWeights(graph, seed);
  const inputs = randomInputs(graph, { batch, seed });
  const goldens = networkGoldens[name]?.tensors ?? {};
  const taps = Object.keys(goldens).filter((tap) => !graph.outputs.includes(tap));
  const output = graph.outputs[0] as string;
  let reference: Map<string, Tensor> | undefined;
  // every eighth node too, in the middle of blocks
  const inner = graph.nodes.filter(({ kind }, i) => kind !== 'input' && i % 8 === 5).map((node) => node.name);
  const allTaps = [...new Set([...taps, ...inner])].filter((tap) => !graph.outputs.includes(tap));
  const expected = (): Map<string, Tensor> => {
    reference ??= runReference(graph, weights, inputs, { taps: allTaps });
    return reference;
  };

  for (const [one, ...several] of [
    [simd, twoThreads, threeThreads],
    [relaxedSimd, relaxedTwoThreads],
  ] as const) {
    let single: Tensor | undefined;
    it.skipIf(one.missing !== '')(
      `${targetTitle(one)}: output`,
      async () => {
        single = value(await runCompiled(one, graph, weights, inputs), output);
        const golden = goldens[output];
        if (!golden) throw new Error('no golden');
        expect(goldenError(single, golden)).toBeLessThan(tolerance);
        const { relative, report } = difference(single, value(expected(), output));
        expect(relative, report).toBeLessThan(tolerance);
      },
      60_000,
    );

    for (const many of several)
      it.skipIf(many.missing !== '')(
        `${targetTitle(many)}: same bits`,
        async () => {
          const together = value(await runCompiled(many, graph, weights, inputs), output);
          const alone = single ?? value(await runCompiled(one, graph, weights, inputs), output);
          expect(sameBits(together.data, alone.data)).toBe(true);
        },
        60_000,
      );
  }

  it('simd: every block and nodes inside blocks', async () => {
    const tapped = makeGraph({ ...graph, outputs: [...allTaps, output] });
    const actual = await runCompiled(simd, tapped, weights, inputs);
    const errors = tapped.outputs.map((tap) => {
      const tensor = value(actual, tap);
      const golden = goldens[tap];
      const fromGolden = golden ? goldenError(tensor, golden) : 0;
      const error = Math.max(fromGolden, difference(tensor, value(expected(), tap)).relative);
      return [tap, error] as const;
    });
    expect(errors.filter(([, error]) => !(error < tolerance))).toEqual([]);
  }, 60_000);
});

describe('another picture size than the graph declares', () => {
  it('GhostNet 0.5x declared for 64x64, compiled for 33x97', async () => {
    const graph = ghostNet({ width: 0.5, inputSize: 64, classes: 10 });
    const weights = randomWeights(graph, 21);
    const shape = [1, 3, 33, 97];
    const inputs = new Map([['input', { shape, data: uniformValues(21, 'picture', 3 * 33 * 97, -1, 1) }]]);
    const network = await instantiate(
      compile(graph, weights, { inputShapes: { input: shape.slice(1) }, check: true }),
    );
    const data = network.run(inputs.get('input')?.data ?? new Float32Array());
    const { relative, report } = difference(
      { shape: [1, 10], data },
      value(runReference(graph, weights, inputs), 'classifier'),
    );
    network.dispose();
    expect(relative, report).toBeLessThan(tolerance);
  });
});
