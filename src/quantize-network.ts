/**
 * Post-training quantisation in one call: runs the float network on calibration pictures, chooses ranges, and gives a
 * quantised network with a plan. Where the quantise pass and the compiler meet.
 */
import { compile } from './compiler/compile.js';
import { rangeError } from './errors.js';
import { type Graph, inputNodes, makeGraph, type Weights } from './graph/graph.js';
import { inferShapes } from './graph/shapes.js';
import {
  type Prepared,
  prepareQuantization,
  type QuantizationResult,
  type QuantizeOptions,
  quantizePrepared,
} from './passes/quantize/quantize.js';
import { StatisticsCollector, type ValueStatistics } from './passes/quantize/statistics.js';
import { instantiate } from './runtime/network.js';

/** One picture for networks of one input, or values by input name; planar [C, H, W] as the network takes them. */
export type CalibrationInput = Float32Array | Readonly<Record<string, Float32Array>>;

export interface CalibratedOptions extends QuantizeOptions {
  /** Pictures like those that the network will see; 32 to 256 are enough. */
  readonly calibration: Iterable<CalibrationInput> | AsyncIterable<CalibrationInput>;
  /** Called after every picture. */
  readonly onPicture?: (done: number) => void;
}

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
  return quantizePrepared(prepared, await observe(prepared, options), options);
}

/** Statistics of every value of a prepared network over the calibration pictures. */
export async function observe(
  prepared: Prepared,
  options: Pick<CalibratedOptions, 'calibration' | 'onPicture'>,
): Promise<ReadonlyMap<string, ValueStatistics>> {
  const { graph, weights, observed } = prepared;
  const tapped = makeGraph({ ...graph, outputs: observed });
  const network = await instantiate(compile(tapped, weights));
  const shapes = inferShapes(tapped);
  const collectors = new Map(
    observed.map((name) => [name, new StatisticsCollector(shapes.get(name)?.[1] ?? 1)]),
  );
  const names = inputNodes(graph).map(({ name }) => name);
  let done = 0;
  try {
    for await (const picture of options.calibration) {
      const inputs = picture instanceof Float32Array ? { [names[0] as string]: picture } : picture;
      const values = network.runAll(inputs);
      for (const [name, collector] of collectors) collector.add(values[name] as Float32Array);
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
  return new Map([...collectors].map(([name, collector]) => [name, collector.finish()]));
}
