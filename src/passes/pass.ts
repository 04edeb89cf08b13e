/**
 * What a pass is: a pure function of a graph (and its weights) that returns the new graph and a plan, one line per
 * change, that can be printed before anything is used.
 */
import type { Graph, Weights } from '../graph/graph.js';

export interface PlanStep {
  /** The node or module that the step is about. */
  readonly node: string;
  /** What happens to it. */
  readonly action: string;
  readonly reason?: string;
}

export interface PassResult {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly plan: readonly PlanStep[];
}

/** A plan as text, one line a step. */
export function printPlan(plan: readonly PlanStep[]): string {
  return plan
    .map((step) => `${step.node}: ${step.action}${step.reason ? ` (${step.reason})` : ''}`)
    .join('\n');
}
