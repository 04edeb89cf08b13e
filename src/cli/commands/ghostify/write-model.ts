/** Writes a ghostified model, with what was done to it in its notes. */
import { writeFileAtomically, writeModelFile } from '../../../formats/node/model-file.js';
import { type Graph, makeGraph, type Weights } from '../../../graph/graph.js';
import { foldBatchNorm } from '../../../passes/fold-batch-norm.js';
import type { GhostPlan } from '../../../passes/ghostify/plan.js';

/** The graph with a note of what was done to it. */
export function withNotes(graph: Graph, plan: GhostPlan): Graph {
  const changed = plan.layers.filter((layer) => layer.apply);
  const ratios = [...new Set(changed.map((layer) => layer.settings.ratio))].sort((a, b) => a - b);
  const ghostified = `${changed.length} of ${plan.layers.length} convolutions, s=${ratios.join(', ')}`;
  return makeGraph({ ...graph, meta: { ...graph.meta, notes: { ...graph.meta.notes, ghostified } } });
}

/** `.onnx` is written with batch norm folded, anything else as a model file. */
export async function writeModel(
  out: string,
  graph: Graph,
  weights: Weights,
  dtype: 'f32' | 'f16',
): Promise<void> {
  if (!out.endsWith('.onnx'))
    return writeModelFile(out, graph, weights, { dtype: dtype === 'f16' ? 'F16' : 'F32' });
  const { exportOnnx } = await import('../../../formats/onnx/export.js');
  const folded = foldBatchNorm(graph, weights);
  return writeFileAtomically(out, exportOnnx(folded.graph, folded.weights));
}
