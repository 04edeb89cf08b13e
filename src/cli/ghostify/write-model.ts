/** Writes a ghostified model, with what was done to it in its notes. */
import { writeFileAtomically, writeModelFile } from '../../formats/node/model-file.js';
import { type Graph, makeGraph, type Weights } from '../../graph/graph.js';
import { foldBatchNorm } from '../../passes/fold-batch-norm.js';
import type { GhostPlan } from '../../passes/ghostify/plan.js';

/** `.onnx` is written with batch norm folded, anything else as a model file. */
export async function writeModel(
  out: string,
  graph: Graph,
  weights: Weights,
  plan: GhostPlan,
): Promise<void> {
  const changed = plan.layers.filter((layer) => layer.apply);
  const ratios = [...new Set(changed.map((layer) => layer.settings.ratio))].sort((a, b) => a - b);
  const noted = makeGraph({
    ...graph,
    meta: {
      ...graph.meta,
      notes: {
        ...graph.meta.notes,
        ghostified: `${changed.length} of ${plan.layers.length} convolutions, s=${ratios.join(', ')}`,
      },
    },
  });
  if (!out.endsWith('.onnx')) {
    await writeModelFile(out, noted, weights);
    return;
  }
  const { exportOnnx } = await import('../../formats/onnx/export.js');
  const folded = foldBatchNorm(noted, weights);
  await writeFileAtomically(out, exportOnnx(folded.graph, folded.weights));
}
