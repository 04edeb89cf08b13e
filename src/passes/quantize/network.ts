/**
 * What a quantised network is: the folded graph, a range for every value, integers for every filter. Data only; how
 * the integers are computed with is arithmetic.ts, how they are chosen quantize.ts.
 *
 * An activation is q = clamp(round(x / scale) + zeroPoint, 0, 127), seven bits: the dot product of relaxed SIMD leaves
 * it to the engine what an eighth bit of its second operand means. A filter has eight bits, -127 to 127, and one scale
 * for each output channel; the scales of the input channels are inside the filter, so that the parts of a
 * concatenation (the halves of a Ghost module) may have scales of their own at no cost.
 */
import type { Graph, Weights } from '../../graph/graph.js';

/** Largest stored activation. */
export const levels = 127;

/** A run of channels with one scale: x = (q - zeroPoint) * scale. */
export interface ScaleRun {
  readonly channels: number;
  readonly scale: number;
  /** 0 to 127. */
  readonly zeroPoint: number;
}

/** Integers of one convolution or linear layer. */
export interface QuantizedFilter {
  /** [O][C / groups][kh][kw], -127 to 127: weight * input scale / scale of the output channel. */
  readonly values: Int8Array;
  /** [O]. */
  readonly scales: Float32Array;
  /** [O], in real units. */
  readonly bias: Float32Array;
}

export interface QuantizedNetwork {
  /** Batch norm folded, dead nodes gone; its convolutions' weights are in `filters`, not in `weights`. */
  readonly graph: Graph;
  /** Names of the outputs in the graph that was quantised, which passes may have renamed. */
  readonly outputNames: readonly string[];
  /** Parameters of batch norms that could not be folded. */
  readonly weights: Weights;
  /** By name of the convolution, linear layer or shift. */
  readonly filters: ReadonlyMap<string, QuantizedFilter>;
  /** Scales of inputs and of operations' outputs, by node name. Logits have none: they leave as floats. */
  readonly values: ReadonlyMap<string, readonly ScaleRun[]>;
}

/** Scale and zero point of each channel of a value. */
export interface ChannelScales {
  readonly scale: Float32Array;
  readonly zeroPoint: Int32Array;
}

export function expandRuns(runs: readonly ScaleRun[]): ChannelScales {
  const scale = runs.flatMap((run) => Array<number>(run.channels).fill(run.scale));
  const zeroPoint = runs.flatMap((run) => Array<number>(run.channels).fill(run.zeroPoint));
  return { scale: Float32Array.from(scale), zeroPoint: Int32Array.from(zeroPoint) };
}
