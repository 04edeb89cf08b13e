/**
 * Post-training quantisation in one call: runs the float network on calibration pictures, chooses ranges, rounds weights, corrects biases,
 * and gives a quantised network with a plan. Where the quantise pass and the compiler meet.
 */
import { compile } from './compiler/compile.js';
import { createQuantizedNetwork } from './create-network.js';
import { rangeError } from './errors.js';
import { type Graph, inputNodes, makeGraph, type Weights } from './graph/graph.js';
import { correctBiases } from './passes/quantize/bias-correction.js';
import type { RoundingMethod } from './passes/quantize/least-squares.js';
import { Observation } from './passes/quantize/observation.js';
import {
  type Prepared,
  prepareQuantization,
  type QuantizationResult,
  type QuantizeOptions,
  quantizePrepared,
} from './passes/quantize/quantize.js';
import { instantiate } from './runtime/network.js';

/** One picture for networks of one input, or values by input name; planar [C, H, W] as the network takes them. */
export type CalibrationInput = Float32Array | Readonly<Record<string, Float32Array>>;

export interface ObserveOptions {
  /** Pictures like those that the network will see; 32 to 256 are enough. */
  readonly calibration: Iterable<CalibrationInput> | AsyncIterable<CalibrationInput>;
  /** Called after every picture. */
  readonly onPicture?: (done: number) => void;
}

export interface CorrectedOptions extends QuantizeOptions {
  /**
   * Corrects the biases, layer after layer, by what int8 does to the mean of their sums: on the first 128 pictures, or
   * as many as fit 256 MiB. Default true.
   */
  readonly biasCorrection?: boolean;
  /**
   * How weights are rounded: `least-squares` (the default) such that a filter's sums change least on the same pictures,
   * or each to its `nearest` step.
   */
  readonly rounding?: RoundingMethod;
  /** Called as bias correction goes on. */
  readonly onCorrection?: (done: number, steps: number) => void;
}

export interface CalibratedOptions extends ObserveOptions, CorrectedOptions {}

/**
 * Quantises a network to int8. Batch norm is folded on the way; graph and weights given stay as they are.
 * Throws RangeError `NO_CALIBRATION` (no pictures), `NOT_QUANTIZABLE`, and what `compile` throws.
 */
export async function quantize(
  graph: Graph,
  weights: Weights,
  options: CalibratedOptions,
): Promise<QuantizationResult> {
  const prepared = prepareQuantization(graph, weights);
  return quantizeObserved(prepared, await observe(prepared, options), options);
}

/** The same of a network whose values were observed. */
export async function quantizeObserved(
  prepared: Prepared,
  observation: Observation,
  options: CorrectedOptions = {},
): Promise<QuantizationResult> {
  const { network, plan } = quantizePrepared(prepared, observation.statistics(), options);
  const { biasCorrection: biases = true, rounding = 'least-squares' } = options;
  if (!biases && rounding === 'nearest') return { network, plan };
  const corrected = await correctBiases(prepared, network, observation, {
    open: (part) => createQuantizedNetwork(part),
    onStage: options.onCorrection,
    biases,
    rounding,
  });
  return { network: corrected, plan };
}

/** What the calibration pictures make of a prepared network. */
export async function observe(prepared: Prepared, options: ObserveOptions): Promise<Observation> {
  const { graph, weights, observed } = prepared;
  const network = await instantiate(compile(makeGraph({ ...graph, outputs: observed }), weights));
  const observation = new Observation(prepared);
  const names = inputNodes(graph).map(({ name }) => name);
  let done = 0;
  try {
    for await (const picture of options.calibration) {
      const inputs = picture instanceof Float32Array ? { [names[0] as string]: picture } : picture;
      const values = network.runAll(inputs);
      observation.add((name) => values[name] as Float32Array);
      done++;
      options.onPicture?.(done);
    }
  } finally {
    network.dispose();
  }
  if (done === 0)
    throw rangeError(
      'NO_CALIBRATION',
      `quantize "${graph.name}": no calibration pictures were given, expected at least one; 32 or more are better`,
    );
  return observation;
}
