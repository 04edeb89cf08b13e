/** First answers of a network on prepared pictures, and how two networks' answers compare. */
import { createQuantizedNetwork } from '../../create-network.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { Calibration } from '../../passes/compression.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';

export interface Answers {
  /** Index of the largest output of each picture. */
  readonly first: Int32Array;
  /** All outputs, [pictures, classes]. */
  readonly outputs: Float32Array;
}

/** Runs all pictures of `pictures`. */
export async function answersOf(graph: Graph, weights: Weights, pictures: Calibration): Promise<Answers> {
  const output = graph.outputs[0] as string;
  const first = new Int32Array(pictures.count);
  let outputs = new Float32Array(0);
  let at = 0;
  await pictures.run(graph, weights, [output], (values) => {
    const tensor = values.get(output);
    if (!tensor) return;
    const [batch = 1] = tensor.shape;
    const classes = tensor.data.length / batch;
    if (outputs.length === 0) outputs = new Float32Array(pictures.count * classes);
    outputs.set(tensor.data, at * classes);
    for (let n = 0; n < batch; n++) {
      let best = 0;
      for (let k = 1; k < classes; k++)
        if ((tensor.data[n * classes + k] as number) > (tensor.data[n * classes + best] as number)) best = k;
      first[at + n] = best;
    }
    at += batch;
  });
  return { first, outputs };
}

/** The same of an int8 network, on inputs as it takes them. */
export async function answersOfQuantized(
  quantized: QuantizedNetwork,
  inputs: readonly Float32Array[],
  threads: number,
): Promise<Answers> {
  const network = await createQuantizedNetwork(quantized, { threads });
  try {
    const rows = inputs.map((input) => {
      network.inputView().set(input);
      network.execute();
      return network.outputView().slice();
    });
    const classes = rows[0]?.length ?? 0;
    const outputs = new Float32Array(rows.length * classes);
    for (const [i, row] of rows.entries()) outputs.set(row, i * classes);
    return { first: Int32Array.from(rows, (row) => row.indexOf(Math.max(...row))), outputs };
  } finally {
    network.dispose();
  }
}

/** Share of pictures with the same first answer. */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}

/** Squared distance of the outputs over the old outputs' spread about their mean; 0 is no change. */
export function outputError(old: Answers, now: Answers): number {
  const mean = old.outputs.reduce((sum, value) => sum + value, 0) / old.outputs.length;
  let [error, spread] = [0, 0];
  old.outputs.forEach((value, k) => {
    error += (value - (now.outputs[k] as number)) ** 2;
    spread += (value - mean) ** 2;
  });
  return spread > 0 ? error / spread : 0;
}
