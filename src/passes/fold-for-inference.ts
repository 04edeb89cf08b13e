/** What inference folds, in this order: parallel branches (fold-branches.ts), then batch norm (fold-batch-norm.ts). */
import type { Graph, Weights } from '../graph/graph.js';
import { foldBatchNorm } from './fold-batch-norm.js';
import { foldBranches } from './fold-branches.js';
import type { PassResult } from './pass.js';

/** Pure. Outputs keep their names. Throws RangeError `WEIGHTS_MISSING`. */
export function foldForInference(graph: Graph, weights: Weights): PassResult {
  const single = foldBranches(graph, weights);
  const folded = foldBatchNorm(single.graph, single.weights);
  return { ...folded, plan: [...single.plan, ...folded.plan] };
}
