/**
 * From what a command line calls a model, a name or a file, to its graph and weights.
 */
import type { Graph } from '../graph/graph.js';
import { createModel } from '../models/registry.js';

/** The graph of a network by name. */
export async function loadGraph(nameOrFile: string): Promise<Graph> {
  return createModel(nameOrFile);
}
