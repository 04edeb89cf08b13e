/** What becomes of a compressed network: it is compared with the old one, and written. */
import { writeFileAtomically, writeModelFile, writeQuantizedFile } from '../../../formats/node/model-file.js';
import { type Graph, makeGraph, type Weights } from '../../../graph/graph.js';
import type { Calibration, CompressionResult } from '../../../passes/compression.js';
import { answersOf, answersOfQuantized } from '../../measure/answers.js';
import { type Comparison, compareAnswers } from '../../measure/compare.js';

export interface Model {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** Pictures on which networks are compared. */
export interface Measuring {
  readonly inputs: readonly Float32Array[];
  readonly calibration: Calibration;
  readonly labels?: readonly number[];
}

export async function compared(
  model: Model,
  result: CompressionResult,
  { inputs, calibration, labels }: Measuring,
  threads: number,
): Promise<Comparison> {
  const before = await answersOf(model.graph, model.weights, calibration);
  const after = result.quantized
    ? await answersOfQuantized(result.quantized, inputs, threads)
    : await answersOf(result.graph, result.weights, calibration);
  return compareAnswers(before, after, labels);
}

/** `.onnx` is written with batch norm folded, anything else as a model file; integers as int8 models. */
export async function writeCompressed(out: string, result: CompressionResult, how: string): Promise<void> {
  const { graph, weights, quantized } = result;
  if (quantized) return writeQuantizedFile(out, quantized);
  const notes = { ...graph.meta.notes, compressed: how };
  const noted = makeGraph({ ...graph, meta: { ...graph.meta, notes } });
  if (!out.endsWith('.onnx')) return writeModelFile(out, noted, weights);
  const { exportOnnx } = await import('../../../formats/onnx/export.js');
  const { foldBatchNorm } = await import('../../../passes/fold-batch-norm.js');
  const folded = foldBatchNorm(noted, weights);
  return writeFileAtomically(out, exportOnnx(folded.graph, folded.weights));
}
