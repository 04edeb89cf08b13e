/**
 * One graph in many modes: floats against the reference within a bound, int8 against the integer reference to the bit,
 * and modes of one family against each other to the bit. Says what is wrong and what was run; asserts nothing.
 */
import { compile, compileQuantized } from '../../src/compiler/compile.js';
import type { CompiledModel } from '../../src/compiler/compiled-model.js';
import { errorCode } from '../../src/errors.js';
import { float16ToNumber, numberToFloat16 } from '../../src/formats/float16.js';
import type { Graph, Tensor, Weights } from '../../src/graph/graph.js';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.js';
import type { QuantizedNetwork } from '../../src/passes/quantize/network.js';
import { runQuantizedReference } from '../../src/reference/quantized.js';
import { runReference } from '../../src/reference/run.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from '../op-cases/compare.js';
import { quantizeCase } from '../op-cases/int8.js';
import type { OpCase } from '../op-cases/op-case.js';
import { sameBits } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';
import type { Mode } from './modes.js';

/**
 * Largest error of a float, of the output's largest value: single precision after up to some sixty nodes. The
 * largest seen is 1.7e-6.
 */
export const tolerance = 1e-5;
/** Inputs and weights are around 1: what is much smaller is what cancelling or a ReLU left. */
export const floor = 0.1;
/** Softmax is of floats in int8 networks too: exponentials by a polynomial. */
const softmaxTolerance = 1e-5;

/** Another engine that runs the graph: its name and its outputs. */
export interface Peer {
  readonly name: string;
  readonly run: (
    opCase: OpCase,
    weights: Weights,
    inputs: ReadonlyMap<string, Tensor>,
  ) => Promise<ReadonlyMap<string, Tensor>>;
}

export interface Failure {
  /** Name of the mode or peer. */
  readonly mode: string;
  readonly what: string;
}

export interface Verdict {
  readonly failures: readonly Failure[];
  /** Names of modes and peers that ran. */
  readonly ran: readonly string[];
  /** Kernels that the modes called. */
  readonly kernels: ReadonlySet<string>;
  /** Largest relative error by mode or peer, of those compared within a bound. */
  readonly errors: ReadonlyMap<string, number>;
  /** Code of the error that refuses the graph an int8 form; empty when it has one or none was asked for. */
  readonly notQuantizable: string;
}

type Outputs = ReadonlyMap<string, Tensor>;

/** Runs twice; throws when the second run differs by a bit. */
async function runTwice(compiled: CompiledModel, inputs: Outputs): Promise<Outputs> {
  const network = await instantiate(compiled);
  try {
    const given = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
    const [first, second] = [network.runAll(given), network.runAll(given)];
    return new Map(
      network.outputs.map(({ name, shape }) => {
        const data = first[name] ?? new Float32Array();
        if (!sameBits(data, second[name] ?? new Float32Array()))
          throw new Error(`output "${name}": the second run differs from the first`);
        return [name, { shape, data }];
      }),
    );
  } finally {
    network.dispose();
  }
}

/** Largest difference of all outputs, and where. */
function compare(actual: Outputs, expected: Outputs): { readonly relative: number; readonly report: string } {
  let worst = { relative: -1, report: 'no output' };
  for (const [name, tensor] of expected) {
    const got = actual.get(name) ?? { shape: [], data: new Float32Array() };
    const { relative, report } = difference(got, tensor, floor);
    if (relative > worst.relative) worst = { relative, report: `output "${name}": ${report}` };
  }
  return worst;
}

/** Where two results differ by a bit, or undefined. */
function bitDifference(actual: Outputs, expected: Outputs): string | undefined {
  for (const [name, tensor] of expected) {
    const got = actual.get(name) ?? { shape: [], data: new Float32Array() };
    if (!sameBits(got.data, tensor.data))
      return `output "${name}": other bits; ${difference(got, tensor, floor).report}`;
  }
  return undefined;
}

/** Batch norm folded, and every parameter rounded to 16 bits. */
function inHalves(graph: Graph, weights: Weights): { readonly graph: Graph; readonly weights: Weights } {
  const folded = foldBatchNorm(graph, weights);
  const rounded = [...folded.weights].map(([name, { shape, data }]): [string, Tensor] => [
    name,
    { shape, data: data.map((value) => float16ToNumber(numberToFloat16(value))) },
  ]);
  return { graph: folded.graph, weights: new Map(rounded) };
}

function message(error: unknown): string {
  return `throws ${(error as Error).stack ?? error}`;
}

/** Runs a graph in the given modes (those that this place lacks are left out) and on the given peers. */
export async function judge(
  opCase: OpCase,
  modes: readonly Mode[],
  peers: readonly Peer[] = [],
): Promise<Verdict> {
  const { graph, batch, seed, inputScale } = opCase;
  const weights = randomWeights(graph, seed);
  const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
  const failures: Failure[] = [];
  const ran: string[] = [];
  const kernels = new Set<string>();
  const errors = new Map<string, number>();
  const expected = runReference(graph, weights, inputs);
  const within = (name: string, actual: Outputs): void => {
    const { relative, report } = compare(actual, expected);
    errors.set(name, relative);
    if (!(relative <= tolerance)) failures.push({ mode: name, what: report });
  };
  /** First result of each family. */
  const families = new Map<string, Outputs>();
  let notQuantizable = '';
  let quantized: QuantizedNetwork | undefined;
  const usable = modes.filter(({ missing }) => missing === '');
  if (usable.some(({ precision }) => precision === 'int8'))
    try {
      quantized = await quantizeCase(opCase);
      families.set('int8', runQuantizedReference(quantized, inputs));
    } catch (error) {
      if (errorCode(error) === 'NOT_QUANTIZABLE') notQuantizable = 'NOT_QUANTIZABLE';
      else failures.push({ mode: 'int8 simd', what: `quantise ${message(error)}` });
    }
  const softmax = graph.nodes.some(({ kind }) => kind === 'softmax');
  for (const mode of usable) {
    if (mode.precision === 'int8' && !quantized) continue;
    let actual: Outputs;
    try {
      const { relaxed, narrow, winograd, threads, checked } = mode;
      const options = { batch, relaxed, narrow, winograd, threads, checked, check: true };
      if (mode.halves) {
        const half = inHalves(graph, weights);
        const compiled = compile(half.graph, half.weights, { ...options, halfWeights: true });
        const plain = compile(half.graph, half.weights, options);
        const what = bitDifference(await runTwice(compiled, inputs), await runTwice(plain, inputs));
        if (compiled.weights.length < plain.weights.length) kernels.add('half weights');
        for (const { kernel } of compiled.manifest.steps) kernels.add(kernel);
        ran.push(mode.name);
        if (what !== undefined) failures.push({ mode: mode.name, what });
        continue;
      }
      const compiled =
        mode.precision === 'int8' && quantized
          ? compileQuantized(quantized, options)
          : compile(graph, weights, options);
      for (const { kernel } of compiled.manifest.steps) kernels.add(kernel);
      actual = await runTwice(compiled, inputs);
    } catch (error) {
      failures.push({ mode: mode.name, what: message(error) });
      continue;
    }
    ran.push(mode.name);
    const sibling = families.get(mode.family);
    if (sibling) {
      const what = bitDifference(actual, sibling);
      const close =
        mode.precision === 'int8' && softmax && compare(actual, sibling).relative < softmaxTolerance;
      if (what !== undefined && !close) failures.push({ mode: mode.name, what });
    } else families.set(mode.family, actual);
    if (mode.precision === 'f32') within(mode.name, actual);
  }
  for (const peer of peers)
    try {
      within(peer.name, await peer.run(opCase, weights, inputs));
      ran.push(peer.name);
    } catch (error) {
      failures.push({ mode: peer.name, what: message(error) });
    }
  return { failures, ran, kernels, errors, notQuantizable };
}
