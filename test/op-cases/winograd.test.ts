/** That the cases for Winograd's scheme take it, that `winograd: false` does not, and that both agree. */
import { expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from './compare.js';
import { randomInputs, randomWeights } from './values.js';
import { winogradCases } from './winograd-cases.js';

it.each(winogradCases)('$name', async ({ graph, batch, seed }) => {
  const weights = randomWeights(graph, seed);
  const [winograd, direct] = [true, false].map((chosen) =>
    compile(graph, weights, { batch, winograd: chosen }),
  );
  const kernels = (compiled: typeof winograd): string[] =>
    compiled?.manifest.steps.map(({ kernel }) => kernel) ?? [];
  expect(kernels(winograd)).toContain('winogradProducts');
  expect(kernels(direct)).not.toContain('winogradProducts');
  const inputs = randomInputs(graph, { batch, seed });
  const given = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
  const outputs = await Promise.all(
    [winograd, direct].map(async (compiled) => {
      const network = await instantiate(compiled as NonNullable<typeof compiled>);
      const result = network.runAll(given);
      const values = network.outputs.map(({ name, shape }) => ({
        shape,
        data: result[name] as Float32Array,
      }));
      network.dispose();
      return values;
    }),
  );
  outputs[0]?.forEach((tensor, i) => {
    const { relative, report } = difference(tensor, outputs[1]?.[i] as typeof tensor);
    expect(relative, report).toBeLessThan(5e-6);
  });
});
