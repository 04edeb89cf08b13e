/**
 * Looks for races on purpose: a network on several threads that are held up at random before every kernel and barrier, run
 * many times on changing inputs, must give the bits of one thread each time. Inputs change, since what an early reader
 * finds are the last run's values, which equal inputs would make right.
 */
import { type CompileOptions, compile, compileQuantized } from '../../src/compiler/compile.js';
import type { CompiledModel } from '../../src/compiler/compiled-model.js';
import { instantiate } from '../../src/runtime/network.js';
import { quantizeCase } from '../op-cases/int8.js';
import type { OpCase } from '../op-cases/op-case.js';
import { sameBits } from '../op-cases/targets.js';
import { randomInputs, randomWeights } from '../op-cases/values.js';

export interface RaceOptions {
  readonly threads: number;
  readonly runs: number;
  /** Of the delays. */
  readonly seed: number;
  /** Default f32. */
  readonly precision?: 'f32' | 'int8';
  readonly relaxed?: boolean;
  /** Leave out this barrier. */
  readonly omitBarrier?: number;
}

/** Inputs that take turns. */
const turns = 3;

type Compile = (options: CompileOptions) => CompiledModel;

/** Compiles a case in a precision. */
async function compilerOf(opCase: OpCase, precision: 'f32' | 'int8'): Promise<Compile> {
  const { batch, graph, seed } = opCase;
  if (precision === 'int8') {
    const network = await quantizeCase(opCase);
    return (options) => compileQuantized(network, { batch, ...options });
  }
  const weights = randomWeights(graph, seed);
  return (options) => compile(graph, weights, { batch, ...options });
}

/** Runs until a result differs from one thread's: the number of that run and what differs; undefined when none does. */
export async function findRace(
  opCase: OpCase,
  { threads, runs, seed, precision = 'f32', relaxed = false, omitBarrier }: RaceOptions,
): Promise<{ readonly run: number; readonly output: string } | undefined> {
  const { graph, batch, inputScale } = opCase;
  const build = await compilerOf(opCase, precision);
  const inputs = Array.from({ length: turns }, (_, turn) => {
    const values = randomInputs(graph, { batch, seed: opCase.seed + turn, scale: inputScale });
    return Object.fromEntries([...values].map(([name, { data }]) => [name, data]));
  });
  const alone = await instantiate(build({ relaxed }));
  const expected = inputs.map((given) => alone.runAll(given));
  alone.dispose();
  const trial = { delays: seed, ...(omitBarrier === undefined ? {} : { omitBarrier }) };
  const network = await instantiate(build({ relaxed, threads, trial }));
  try {
    for (let run = 0; run < runs; run++) {
      const actual = network.runAll(inputs[run % turns] ?? {});
      for (const [output, data] of Object.entries(expected[run % turns] ?? {}))
        if (!sameBits(data, actual[output] ?? new Float32Array())) return { run, output };
    }
  } finally {
    network.dispose();
  }
  return undefined;
}

/** How many barriers the schedule of a case has. */
export async function countBarriers(
  opCase: OpCase,
  threads: number,
  precision: 'f32' | 'int8' = 'f32',
): Promise<number> {
  const build = await compilerOf(opCase, precision);
  // omitting a barrier that is there changes the module
  const whole = build({ threads }).wasm;
  let count = 0;
  while (!sameBytes(whole, build({ threads, trial: { omitBarrier: count } }).wasm)) count++;
  return count;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
