/**
 * Bias correction, layer after layer (Nagel et al. 2019, section 4.2, in the form that needs no batch norm): a filter's
 * bias is changed until its channels have the mean that they have in the float network, once all filters before it are
 * corrected. So it takes off what rounding weights and activations, clipping and the layers before do to the mean; doing
 * it for all layers at once would take the same error off in every layer that it passes.
 *
 * Means are compared behind the activation, where the next layer reads them: the mean of the sums has in it what ReLU
 * cuts off. The difference over the mean slope of the activation is one step of Newton's method.
 *
 * On the way, weights are rounded by least squares (rounding.ts), each filter's before its biases.
 *
 * The integers run stage by stage (stages.ts), once to measure and once corrected; of the pictures only the values that
 * later stages begin at are kept, as steps.
 */
import { inputNodes } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import type { RoundingMethod } from './least-squares.js';
import type { ChannelScales, QuantizedFilter, QuantizedNetwork } from './network.js';
import type { Observation } from './observation.js';
import { filterNode, int8Operations, operationsOf } from './operations.js';
import { OutputMeans } from './output-means.js';
import type { Prepared } from './quantize.js';
import { channelSources, roundByLeastSquares } from './rounding.js';
import { resolveScales } from './scales.js';
import { cutStages } from './stages.js';

/** A quantised network that runs one picture at a time: values in its memory by name, planar. */
export interface QuantizedRunner {
  inputView(name: string): Float32Array;
  execute(): void;
  outputView(name: string): Float32Array;
  dispose(): void;
}

export interface CorrectionOptions {
  /** Makes an engine for a part of the network. */
  readonly open: (network: QuantizedNetwork) => Promise<QuantizedRunner>;
  /** Called after every stage. */
  readonly onStage?: ((done: number, stages: number) => void) | undefined;
  /** Whether biases are corrected. Default true. */
  readonly biases?: boolean;
  /** How weights are rounded, each filter's before its biases are corrected. Default 'least-squares'. */
  readonly rounding?: RoundingMethod;
}

/** A channel that is open less than this gets a part of its step: what it is open for are few pixels. */
const leastSlope = 0.1;

/** `network` with weights rounded by least squares and corrected biases; `observation` is of the float network that it was made of. */
export async function correctBiases(
  prepared: Prepared,
  network: QuantizedNetwork,
  observation: Observation,
  { open, onStage, biases = true, rounding = 'least-squares' }: CorrectionOptions,
): Promise<QuantizedNetwork> {
  const { graph } = prepared;
  const shapes = inferShapes(graph);
  const fused = int8Operations(graph);
  const scales = resolveScales(network, fused, shapes);
  const scalesOf = (name: string): ChannelScales => scales.get(name) as ChannelScales;
  const means = new OutputMeans(operationsOf(fused), shapes);
  const filters = new Map(network.filters);
  const kept = new Map<string, Uint8Array[]>();
  const stages = cutStages(graph, fused, shapes);
  const sources = channelSources(fused, shapes);

  for (const [done, stage] of stages.entries()) {
    const begins = stage.inputs.map((name) => [name, runsOf(scalesOf(name))] as const);
    const part = {
      graph: stage.graph,
      outputNames: stage.graph.outputs,
      weights: network.weights,
      filters,
      values: new Map([...network.values, ...begins]),
    };
    const run = async (visit: (value: (name: string) => Float32Array) => void): Promise<void> => {
      const running = await open(part);
      try {
        observation.pictures.forEach((picture, i) => {
          for (const { name } of inputNodes(stage.graph)) {
            const given = kept.get(name)?.[i];
            if (given) toFloats(given, scalesOf(name), running.inputView(name));
            else running.inputView(name).set(picture[name] as Float32Array);
          }
          running.execute();
          visit((name) => running.outputView(name));
        });
      } finally {
        running.dispose();
      }
    };
    for (const operation of rounding === 'nearest' ? [] : stage.filtered) {
      const { name = '', inputs = [] } = filterNode(operation) ?? {};
      const filter = filters.get(name);
      if (!filter) continue;
      const given = { operation, filter, weights: prepared.weights, shapes, sources, biasFollows: biases };
      const x = scalesOf(inputs[0] as string);
      filters.set(name, roundByLeastSquares({ ...given, x, steps: (value) => kept.get(value) }));
    }
    if (biases && stage.filtered.length > 0)
      await run((value) => {
        for (const { output } of stage.filtered) means.add(output, value(output));
      });
    for (const operation of biases ? stage.filtered : []) {
      const { name = '' } = filterNode(operation) ?? {};
      const filter = filters.get(name);
      if (filter) filters.set(name, corrected(filter, operation.output, observation, means));
    }
    if (stage.kept.length > 0) {
      for (const name of stage.kept) kept.set(name, []);
      await run((value) => {
        for (const name of stage.kept) kept.get(name)?.push(toSteps(value(name), scalesOf(name)));
      });
    }
    for (const name of stage.released) kept.delete(name);
    onStage?.(done + 1, stages.length);
  }
  return { ...network, filters };
}

/** A filter makes the last channels of its operation's value: the only ones, but at the end of a Ghost module. */
function corrected(
  filter: QuantizedFilter,
  output: string,
  floats: Observation,
  now: OutputMeans,
): QuantizedFilter {
  const last = (all: OutputMeans): Float64Array => all.means(output).slice(-filter.bias.length);
  const [wanted, got, slopes] = [last(floats.means), last(now), last(floats.slopes)];
  const bias = filter.bias.map(
    (value, o) =>
      value + ((wanted[o] as number) - (got[o] as number)) / Math.max(slopes[o] as number, leastSlope),
  );
  return { ...filter, bias };
}

function toFloats(steps: Uint8Array, { scale, zeroPoint }: ChannelScales, values: Float32Array): void {
  const pixels = steps.length / scale.length;
  for (let c = 0; c < scale.length; c++) {
    const [unit, zero] = [scale[c] as number, zeroPoint[c] as number];
    for (let i = c * pixels; i < (c + 1) * pixels; i++) values[i] = ((steps[i] as number) - zero) * unit;
  }
}

/** The steps that a value was made of. */
function toSteps(values: Float32Array, { scale, zeroPoint }: ChannelScales): Uint8Array {
  const steps = new Uint8Array(values.length);
  const pixels = values.length / scale.length;
  for (let c = 0; c < scale.length; c++) {
    const [unit, zero] = [scale[c] as number, zeroPoint[c] as number];
    for (let i = c * pixels; i < (c + 1) * pixels; i++)
      steps[i] = Math.round((values[i] as number) / unit) + zero;
  }
  return steps;
}

function runsOf({ scale, zeroPoint }: ChannelScales) {
  return Array.from(scale, (value, c) => ({ channels: 1, scale: value, zeroPoint: zeroPoint[c] as number }));
}
