/**
 * Latency of networks in one interleaved run: one thread, batch 1, random weights (time does not depend on them).
 * Gives CSV lines; where they go is the caller's business.
 */
import { cpus } from 'node:os';
import { createNetwork } from '../../../create-network.js';
import { elementCount, inputNodes } from '../../../graph/graph.js';
import { initializeWeights } from '../../../models/initialize.js';
import { createModel } from '../../../models/registry.js';
import { csvLine } from '../../../paper/csv.js';
import { measure } from '../../measure/measure.js';

export const latencyHeader = ['model', 'medianMs', 'p90Ms', 'rounds', 'cpu', 'node', 'date'] as const;

/** Measures all `models` in turns for `rounds` rounds of about 60 ms each; the result is a CSV text with a header. */
export async function measureLatency(
  models: readonly string[],
  options: { readonly rounds: number; readonly onRound?: (done: number) => void },
): Promise<string> {
  const networks = [];
  for (const model of models) {
    const graph = createModel(model);
    const input = new Float32Array(elementCount(inputNodes(graph)[0]?.shape ?? [])).fill(0.5);
    const network = await createNetwork(graph, initializeWeights(graph, 1), { threads: 1 });
    networks.push({ network, run: () => network.run(input) });
  }
  try {
    const timings = await measure(networks, { ...options, sliceMs: 60 });
    const facts = [
      (cpus()[0]?.model ?? 'unknown processor').trim(),
      process.versions.node,
      new Date().toISOString().slice(0, 10),
    ];
    const lines = models.map((model, i) => {
      const { medianMs = Number.NaN, p90Ms = Number.NaN } = timings[i] ?? {};
      return csvLine([model, medianMs.toFixed(3), p90Ms.toFixed(3), options.rounds, ...facts]);
    });
    return csvLine(latencyHeader) + lines.join('');
  } finally {
    for (const { network } of networks) await network.dispose();
  }
}
