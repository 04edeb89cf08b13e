/**
 * From a graph and its weights to a network that runs here, in one call: finds out what the engine offers, compiles
 * for it and instantiates. The place where compiler and runtime meet.
 */
import { type CompileOptions, compile, compileQuantized } from './compiler/compile.js';
import type { CompiledModel } from './compiler/compiled-model.js';
import { EnvironmentError } from './errors.js';
import type { Graph, Weights } from './graph/graph.js';
import type { QuantizedNetwork } from './passes/quantize/network.js';
import { detectFeatures, type Features } from './runtime/features.js';
import { instantiate, type Network } from './runtime/network.js';
import { warnOnce } from './runtime/warn-once.js';

export interface NetworkOptions extends Omit<CompileOptions, 'relaxed' | 'check'> {
  /** Default: whether the engine has it. */
  readonly relaxed?: boolean;
  /** Default: what `detectFeatures()` finds. */
  readonly features?: Features;
}

/**
 * Compiles `graph` (batch norm is folded on the way) and instantiates it. Where threads are asked for but cannot be
 * had, it runs with one, says so once on the console and in `network.backend.reason`; results are the same.
 * Throws what `compile` and `instantiate` throw.
 */
export async function createNetwork(
  graph: Graph,
  weights: Weights,
  options: NetworkOptions = {},
): Promise<Network> {
  return create(options, (resolved) => compile(graph, weights, resolved));
}

/** As `createNetwork`, of a quantised network; outputs are the same to the bit on every engine. */
export async function createQuantizedNetwork(
  network: QuantizedNetwork,
  options: NetworkOptions = {},
): Promise<Network> {
  return create(options, (resolved) => compileQuantized(network, resolved));
}

async function create(
  options: NetworkOptions,
  compileFor: (options: CompileOptions) => CompiledModel,
): Promise<Network> {
  const features = options.features ?? detectFeatures();
  const relaxed = options.relaxed ?? features.relaxed;
  const narrow = options.narrow ?? features.narrow;
  const threads = options.threads ?? 1;
  const single = (reason: string): Promise<Network> => {
    const what = `ghostnet: ${threads} threads were asked for, running with one: ${reason}`;
    warnOnce('threads', what);
    return instantiate(compileFor({ ...options, relaxed, narrow, threads: 1 }), { reason: what });
  };
  if (threads > 1 && !features.threads.available) return single(features.threads.reason);
  const compiled = compileFor({ ...options, relaxed, narrow, threads });
  try {
    return await instantiate(compiled);
  } catch (error) {
    if (error instanceof EnvironmentError && error.code === 'WORKER_FAILED') return single(error.message);
    throw error;
  }
}
