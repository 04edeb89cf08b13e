/** How int8 cases run: calibrated on their own inputs, compiled for a target, compared with the integer reference. */
import { compileQuantized } from '../../src/compiler/compile.js';
import { errorCode } from '../../src/errors.js';
import type { Tensor } from '../../src/graph/graph.js';
import { granularities } from '../../src/passes/quantize/granularity.js';
import type { QuantizedNetwork } from '../../src/passes/quantize/network.js';
import { quantize } from '../../src/quantize-network.js';
import { runQuantizedReference } from '../../src/reference/quantized.js';
import { instantiate } from '../../src/runtime/network.js';
import { difference } from './compare.js';
import type { OpCase } from './op-case.js';
import { sameBits, type Target } from './targets.js';
import { randomInputs, randomWeights } from './values.js';

/** Softmax has exponentials: close, not equal. */
const softmaxTolerance = 1e-5;

/** Throws RangeError `NOT_QUANTIZABLE` where a graph has no int8 form. */
export async function quantizeCase({ graph, batch, seed, inputScale }: OpCase): Promise<QuantizedNetwork> {
  const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
  const pictures = Array.from({ length: batch }, (_, image) =>
    Object.fromEntries(
      [...inputs].map(([name, { data }]) => {
        const size = data.length / batch;
        return [name, data.slice(image * size, (image + 1) * size)];
      }),
    ),
  );
  // each case has one of the granularities, so that all are run
  const granularity = granularities[(seed >>> 0) % granularities.length] ?? 'half';
  const { network } = await quantize(graph, randomWeights(graph, seed), {
    calibration: pictures,
    granularity,
    ranges: 'minmax',
  });
  return network;
}

/** What is wrong with a case in int8 on a target, or undefined; graphs without an int8 form are right. */
export async function int8Failure(target: Target, opCase: OpCase): Promise<string | undefined> {
  const { graph, batch, seed, inputScale } = opCase;
  let network: QuantizedNetwork;
  try {
    network = await quantizeCase(opCase);
  } catch (error) {
    if (errorCode(error) === 'NOT_QUANTIZABLE') return undefined;
    return `quantise throws ${(error as Error).stack ?? error}`;
  }
  const inputs = randomInputs(graph, { batch, seed, scale: inputScale });
  const expected = runQuantizedReference(network, inputs);
  const { relaxed, threads } = target;
  let actual: Record<string, Float32Array>;
  try {
    const compiled = compileQuantized(network, { batch, relaxed, threads, check: true });
    const running = await instantiate(compiled);
    const given = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
    actual = running.runAll(given);
    running.dispose();
  } catch (error) {
    return `throws ${(error as Error).stack ?? error}`;
  }
  const isSoftmax = graph.nodes.some(({ kind }) => kind === 'softmax');
  for (const [name, tensor] of expected) {
    const data = actual[name] ?? new Float32Array();
    if (sameBits(data, tensor.data)) continue;
    const got: Tensor = { shape: tensor.shape, data };
    const { relative, report } = difference(got, tensor);
    if (!(isSoftmax && relative < softmaxTolerance)) return `output "${name}": ${report}`;
  }
  return undefined;
}
