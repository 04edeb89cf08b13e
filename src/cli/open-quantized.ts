/** An int8 network ready to answer: quantised on calibration inputs, compiled for this machine, warmed up. */
import { createQuantizedNetwork } from '../create-network.js';
import type { Graph, Weights } from '../graph/graph.js';
import { type CalibrationInput, quantize } from '../quantize-network.js';
import type { Network } from '../runtime/network.js';

/** Throws what `quantize` and `createQuantizedNetwork` throw. */
export async function openQuantized(
  graph: Graph,
  weights: Weights,
  options: {
    readonly calibration: Iterable<CalibrationInput> | AsyncIterable<CalibrationInput>;
    readonly threads: number;
  },
): Promise<Network> {
  const { calibration, threads } = options;
  const { network: quantized } = await quantize(graph, weights, { calibration });
  const network = await createQuantizedNetwork(quantized, { threads });
  await network.warmUp();
  return network;
}
