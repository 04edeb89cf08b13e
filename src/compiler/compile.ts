/**
 * graph + weights to one WebAssembly module, one packed weight image and a manifest that says how to run them. Pure:
 * touches no file and starts nothing; src/runtime runs the result and does not need this file.
 */
import { rangeError } from '../errors.js';
import type { Graph, Weights } from '../graph/graph.js';
import { eliminateDeadNodes } from '../passes/eliminate-dead-nodes.js';
import { foldForInference } from '../passes/fold-for-inference.js';
import type { QuantizedNetwork } from '../passes/quantize/network.js';
import { assemble, controlBlock } from './assemble.js';
import { checkPlan } from './check-plan.js';
import type { CheckedManifest, CompiledModel, Port, WeightRun } from './compiled-model.js';
import { lowerInt8 } from './int8/lower.js';
import { lower } from './lower.js';
import { align, type MemoryPlan, planMemory } from './memory-plan.js';
import { type PortBuffer, type Program, stepBytes } from './program.js';
import { omitBarrier, schedule } from './schedule.js';

export interface CompileOptions {
  /** Images per run. Default 1. */
  readonly batch?: number;
  /** Other [C, H, W] for inputs by node name, e.g. another image size. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Threads that share every layer; results are the same to the bit. Default 1. */
  readonly threads?: number;
  /** Use the fused multiply-add of relaxed SIMD; the engine must have it. Default false. */
  readonly relaxed?: boolean;
  /** Smaller kernel tiles, faster on engines before V8 13 (Node 22); results stay the same to the bit. Default false. */
  readonly narrow?: boolean;
  /**
   * Winograd's scheme, F(4x4, 3x3), for 3x3 convolutions where it pays: up to three times faster, with four times the
   * packed weights of those layers and rounding errors of about 1e-6. Default true.
   */
  readonly winograd?: boolean;
  /**
   * Keeps the weights of linear layers and of convolutions of one pixel in 16 bits where all of a layer's are f16 numbers,
   * as those of f16 model files are: half the memory of these layers, which are as fast as memory is; results are the
   * same to the bit. Faster inside of a network, slower where the weights fit the cache: docs/benchmarks.md. Default false.
   */
  readonly halfWeights?: boolean;
  /** Export every step of its own, so that it can be timed. Only with one thread. Default false. */
  readonly profile?: boolean;
  /**
   * Also export the functions that turn pixels into the input (kernels/picture.ts), for which memory may grow by
   * `pictureMemory`. Default false.
   */
  readonly pictures?: boolean;
  /** Check schedule and memory plan by replaying them. Slow. Default false. */
  readonly check?: boolean;
  /**
   * Check every load and store of every kernel against the memory plan while it runs: a run throws RangeError
   * `MEMORY_VIOLATION`, naming step and address, after the first access outside of the bytes that its step may read or
   * write. Results are the same to the bit; some ten times slower. Default false.
   */
  readonly checked?: boolean;
  /** @internal For tests of the threads' order: none of it belongs into a network that is used. */
  readonly trial?: {
    /** Threads wait a random time before every kernel and barrier; the seed of these times. */
    readonly delays?: number;
    /** Leaves out the barrier of this number, from 0: a mistake that tests must notice. */
    readonly omitBarrier?: number;
    /** Rounds that a thread waits at a barrier before it takes another for lost. */
    readonly patience?: number;
    /** Gives the kernel of a step a wrong address for one of its operands. */
    readonly misplace?: { readonly step: number; readonly operand: number; readonly bytes: number };
  };
}

const maximumThreads = 32;
const pageBytes = 65536;
const maximumPages = 65536;

/** Bytes by which the memory of a network compiled with `pictures` may grow. */
export const pictureMemory = 128 * 2 ** 20;

function checkOptions(options: CompileOptions): void {
  const { threads = 1, profile = false } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads)
    throw rangeError(
      'BAD_THREADS',
      `compile: threads: given ${threads}, expected a whole number from 1 to ${maximumThreads}`,
    );
  if (profile && threads > 1)
    throw rangeError(
      'BAD_THREADS',
      `compile: threads: given ${threads} with profile, expected 1: steps are timed one by one`,
    );
}

/**
 * Compiles a graph for fixed shapes. Parallel branches (GhostNetV3 as trained) and batch norm are folded and dead nodes
 * removed first; the graph and the weights given stay as they are. Inputs are [N, C, H, W] (or [N, C]) in planar order, outputs likewise.
 * Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`, `BAD_BATCH`, `BAD_THREADS` or `TOO_LARGE`.
 */
export function compile(graph: Graph, weights: Weights, options: CompileOptions = {}): CompiledModel {
  checkOptions(options);
  const folded = foldForInference(graph, weights);
  const clean = eliminateDeadNodes(folded.graph, folded.weights);
  const program = lower(clean.graph, clean.weights, options);
  return build(graph.name, program, graph.outputs, clean.graph.outputs, options);
}

/**
 * Compiles a quantised network; outputs are the same to the bit on every engine and at any number of threads, and
 * equal the integer reference's. Throws like `compile`, and RangeError `NOT_QUANTIZABLE` or `QUANTIZATION_RANGE`.
 */
export function compileQuantized(network: QuantizedNetwork, options: CompileOptions = {}): CompiledModel {
  checkOptions(options);
  const { relaxed = false, narrow = false } = options;
  const { graph, outputNames } = network;
  const program = lowerInt8(network, { relaxed, narrow }, options);
  return build(graph.name, program, outputNames, graph.outputs, options);
}

/** Schedules, plans and assembles; `outputs` are the names that the caller knows, `names` the program's. */
function build(
  modelName: string,
  program: Program,
  outputs: readonly string[],
  names: readonly string[],
  options: CompileOptions,
): CompiledModel {
  const {
    batch = 1,
    threads = 1,
    relaxed = false,
    narrow = false,
    profile = false,
    pictures = false,
    checked = false,
  } = options;
  const { trial = {} } = options;
  const planned = schedule(program, threads);
  const scheduled = trial.omitBarrier === undefined ? planned : omitBarrier(planned, trial.omitBarrier);
  const ports = [...program.inputs, ...program.outputs].map((port) => port.buffer);
  const weightsAddress = controlBlock.start;
  const plan = planMemory(planned, ports, batch, align(weightsAddress + program.weightBytes));
  if (options.check) {
    const problems = checkPlan(program, scheduled, plan);
    if (problems.length > 0) throw new Error(`compile "${modelName}": bad plan:\n${problems.join('\n')}`);
  }
  // kernels may read a vector beyond a map's end, never write there
  const pages = Math.ceil((plan.end + 64) / pageBytes);
  if (pages > maximumPages)
    throw rangeError(
      'TOO_LARGE',
      `compile "${modelName}": needs ${plan.end} bytes of memory, the limit is ${maximumPages * pageBytes}; take a smaller batch or image`,
    );
  const wasm = assemble(scheduled, plan, {
    isa: { relaxed, narrow },
    batch,
    pages,
    weights: weightsAddress,
    profile,
    delays: trial.delays,
    patience: trial.patience,
    checked,
    misplace: trial.misplace,
    picturePages: pictures ? pictureMemory / pageBytes : 0,
  });
  const port = (name: string, { shape, buffer }: PortBuffer): Port => ({
    name,
    shape,
    address: plan.address.get(buffer) ?? 0,
  });
  const byName = new Map(program.outputs.map((output) => [output.name, output]));
  return {
    wasm,
    weights: weightImage(program),
    weightRuns: weightRuns(program),
    manifest: {
      version: 1,
      name: modelName,
      batch,
      threads,
      relaxed,
      profile,
      pages,
      weightsAddress,
      scratchBytes: plan.scratchBytes,
      control: controlBlock,
      inputs: program.inputs.map((input) => port(input.name, input)),
      // passes may have renamed an output node: the graph's own names stand
      outputs: outputs.map((name, i) => port(name, byName.get(names[i] as string) as PortBuffer)),
      ...(checked ? { checked: checkedManifest(plan, program, batch, weightsAddress) } : {}),
      steps: program.steps.map((step) => ({
        name: step.name,
        kernel: step.parts[0]?.spec.kind ?? '',
        nodes: step.nodes,
        macs: step.macs,
        bytes: stepBytes(step),
      })),
    },
  };
}

/** Where a checked build says what went wrong, and names for addresses. */
function checkedManifest(
  plan: MemoryPlan,
  program: Program,
  batch: number,
  weightsAddress: number,
): CheckedManifest {
  const buffers = [...plan.address].map(([{ name, role, bytes }, address]) => ({
    name,
    address,
    bytes: role === 'scratch' ? bytes : bytes * batch,
  }));
  const weights = { name: 'weights', address: weightsAddress, bytes: program.weightBytes };
  return { violation: controlBlock.violation, buffers: [weights, ...buffers] };
}

function weightImage(program: Program): Uint8Array {
  const image = new Uint8Array(program.weightBytes);
  for (const { offset, data } of program.weights)
    image.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  return image;
}

/** Neighbouring weights of the same type as one run; gaps of the alignment belong to the weights before. */
function weightRuns({ weights, weightBytes }: Program): WeightRun[] {
  const runs: { type: WeightRun['type']; bytes: number }[] = [];
  weights.forEach(({ offset, data }, i) => {
    const type = data instanceof Float32Array ? 'f32' : data instanceof Int16Array ? 'i16' : 'bytes';
    const bytes = (weights[i + 1]?.offset ?? weightBytes) - offset;
    const last = runs.at(-1);
    if (last?.type === type) last.bytes += bytes;
    else runs.push({ type, bytes });
  });
  return runs;
}
