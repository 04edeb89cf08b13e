/**
 * Calibration pictures for compression passes: runs a network, compiled, on a set of inputs and shows the values of
 * its inner nodes. Stands beside create-network.ts because it needs compiler and runtime.
 */
import { createNetwork, createQuantizedNetwork } from './create-network.js';
import { rangeError } from './errors.js';
import { type Graph, inputNodes, makeGraph, type Tensor } from './graph/graph.js';
import { inferShapes } from './graph/shapes.js';
import type { Calibration } from './passes/compression.js';
import { eliminateDeadNodes } from './passes/eliminate-dead-nodes.js';

export interface CalibrationOptions {
  /** Pictures a run; smaller batches need less memory. Default 8. */
  readonly batch?: number;
  /** Default 1. */
  readonly threads?: number;
  /** False: without relaxed SIMD, so that every engine gives the same bits. Default: whether the engine has it. */
  readonly relaxed?: boolean;
}

/** The graph that ends at the named nodes. */
export function upTo(graph: Graph, nodes: readonly string[]): Graph {
  return makeGraph({ ...graph, outputs: [...nodes], ghostModules: [] });
}

/**
 * Calibration on prepared inputs, each [C, H, W] planar as the network takes it.
 * Throws RangeError `NO_CALIBRATION` for none, and while running `INPUT_SIZE` for one of another size.
 */
export function calibrationOf(
  inputs: readonly Float32Array[],
  options: CalibrationOptions = {},
): Calibration {
  if (inputs.length === 0)
    throw rangeError('NO_CALIBRATION', 'calibration: given no pictures, expected at least one');
  const { threads = 1, relaxed } = options;
  return {
    count: inputs.length,
    open: (network) => createQuantizedNetwork(network),
    async run(graph, weights, nodes, visit) {
      if (inputNodes(graph).length !== 1)
        throw rangeError('NO_CALIBRATION', `calibration: "${graph.name}" has not one input`);
      // a node may be asked for twice, an output cannot be
      const wanted = [...new Set(nodes)];
      const cut = eliminateDeadNodes(upTo(graph, wanted), weights);
      const nameOf = new Map(wanted.map((name, i) => [name, cut.graph.outputs[i] as string]));
      const outputs = [...new Set(cut.graph.outputs)];
      const target = makeGraph({ ...cut.graph, outputs });
      const runBatches = async (batch: number, from: number, end: number): Promise<void> => {
        const shapes = inferShapes(target, { batch });
        const network = await createNetwork(target, cut.weights, {
          batch,
          threads,
          ...(relaxed === undefined ? {} : { relaxed }),
        });
        try {
          const size = network.inputView().length / batch;
          for (let at = from; at < end; at += batch) {
            for (let i = 0; i < batch; i++) {
              const input = inputs[at + i] as Float32Array;
              if (input.length !== size)
                throw rangeError(
                  'INPUT_SIZE',
                  `calibration: input ${at + i} has ${input.length} values, "${graph.name}" takes ${size}`,
                );
              network.inputView().set(input, i * size);
            }
            network.execute();
            const values = new Map<string, Tensor>();
            for (const [asked, name] of nameOf)
              values.set(asked, { shape: shapes.get(name) ?? [], data: network.outputView(name) });
            visit(values);
          }
        } finally {
          network.dispose();
        }
      };
      const batch = Math.min(options.batch ?? 8, inputs.length);
      const whole = inputs.length - (inputs.length % batch);
      await runBatches(batch, 0, whole);
      if (whole < inputs.length) await runBatches(inputs.length - whole, whole, inputs.length);
    },
  };
}
