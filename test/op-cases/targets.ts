/**
 * The engines that cases run on, beside the reference: the compiled module with and without fused multiply-add, on
 * one thread and on two, as far as this place offers them.
 */
import { compile } from '../../src/compiler/compile.js';
import type { Graph, Tensor, Weights } from '../../src/graph/graph.js';
import { runReference } from '../../src/reference/run.js';
import { detectFeatures } from '../../src/runtime/features.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from './compare.js';
import type { OpCase } from './op-case.js';
import { randomInputs, randomWeights } from './values.js';

export interface Target {
  readonly name: string;
  readonly relaxed: boolean;
  readonly threads: number;
  /** Why it cannot run here; empty when it can. */
  readonly missing: string;
}

const features = detectFeatures();
const noRelaxed = features.relaxed ? '' : 'no relaxed SIMD in this engine';

export const simd: Target = { name: 'simd', relaxed: false, threads: 1, missing: '' };
export const relaxedSimd: Target = { name: 'relaxed simd', relaxed: true, threads: 1, missing: noRelaxed };
export const twoThreads: Target = {
  name: 'simd, 2 threads',
  relaxed: false,
  threads: 2,
  missing: features.threads.reason,
};
export const threeThreads: Target = { ...twoThreads, name: 'simd, 3 threads', threads: 3 };
export const relaxedTwoThreads: Target = {
  name: 'relaxed simd, 2 threads',
  relaxed: true,
  threads: 2,
  missing: noRelaxed || features.threads.reason,
};

/** Compiles for 2 and 3 threads without starting any; throws if a schedule or memory plan does not replay well. */
export function checkThreadPlans(graph: Graph, weights: Weights, batch: number): void {
  for (const threads of [2, 3]) compile(graph, weights, { batch, threads, check: true });
}

/** The name with the reason why the target is skipped here, for the test report. */
export function targetTitle({ name, missing }: Target): string {
  return missing === '' ? name : `${name} (skipped: ${missing})`;
}

/** Compiles, runs twice, and returns the outputs by name. Throws if the second run differs from the first by a bit. */
export async function runCompiled(
  target: Target,
  graph: Graph,
  weights: Weights,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  const batch = [...inputs.values()][0]?.shape[0] ?? 1;
  const { relaxed, threads } = target;
  const network = await instantiate(compile(graph, weights, { batch, relaxed, threads, check: true }));
  try {
    const given = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
    const first = network.runAll(given);
    const second = network.runAll(given);
    return new Map(
      network.outputs.map(({ name, shape }) => {
        const [data, again] = [first[name] ?? new Float32Array(), second[name] ?? new Float32Array()];
        if (!sameBits(data, again))
          throw new Error(`output "${name}": the second run differs from the first`);
        return [name, { shape, data }];
      }),
    );
  } finally {
    network.dispose();
  }
}

export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [
    new Int32Array(a.buffer, a.byteOffset, a.length),
    new Int32Array(b.buffer, b.byteOffset, b.length),
  ];
  return left.length === right.length && left.every((word, i) => word === right[i]);
}

/** What is wrong with a case on a target against the reference, or undefined if all is well. */
export async function failureOf(
  target: Target,
  opCase: OpCase,
  tolerance: number,
  floor = 0,
): Promise<string | undefined> {
  const { graph, batch, seed, inputScale } = opCase;
  const weights = randomWeights(graph, seed);
  const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
  const expected = runReference(graph, weights, inputs);
  let actual: Map<string, Tensor>;
  try {
    actual = await runCompiled(target, graph, weights, inputs);
  } catch (error) {
    return `throws ${(error as Error).stack ?? error}`;
  }
  for (const output of graph.outputs) {
    const [a, b] = [actual.get(output), expected.get(output)];
    if (!a || !b) return `output "${output}": no value`;
    const { relative, report } = difference(a, b, floor);
    if (!(relative <= tolerance)) return `output "${output}": ${report}`;
  }
  return undefined;
}

/** Whether the environment asks for the long form of the suite (GHOSTNET_LONG=1). */
export function longForm(): boolean {
  const host = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return host.process?.env?.['GHOSTNET_LONG'] === '1';
}
