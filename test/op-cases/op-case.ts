/**
 * What an op case is: a small graph, a batch size and a seed, under a name that says every parameter. Cases are data;
 * values.ts gives them weights and inputs, targets.ts runs them.
 */
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/graph.js';
import { hashText } from '../../src/models/random.js';

export interface OpCase {
  readonly name: string;
  readonly graph: Graph;
  readonly batch: number;
  /** Of weights and inputs. */
  readonly seed: number;
  /** Inputs lie in ±inputScale. */
  readonly inputScale: number;
}

export interface CaseOptions {
  /** Default 1. */
  readonly batch?: number;
  /** Default 1. */
  readonly inputScale?: number;
}

/** A case on one input `x` of shape [C, H, W] (or [C]); `build` returns the output node or nodes. */
export function opCase(
  what: string,
  shape: readonly number[],
  build: (g: GraphBuilder, x: string) => string | readonly string[],
  options: CaseOptions = {},
): OpCase {
  const { batch = 1, inputScale = 1 } = options;
  const name = `${what} on ${batch}x${shape.join('x')}${inputScale === 1 ? '' : ` ±${inputScale}`}`;
  const g = new GraphBuilder(name);
  const outputs = build(g, g.input('x', shape));
  const graph = g.build(typeof outputs === 'string' ? [outputs] : outputs);
  return { name, graph, batch, seed: hashText(name), inputScale };
}

/** Item `i` of a list, round and round. */
export function cycle<T>(list: readonly T[], i: number): T {
  return list[i % list.length] as T;
}

/** Channel counts with every remainder modulo 4. */
export const channelCounts = [1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 20] as const;

/** Heights and widths with every remainder, mostly not square. */
export const mapSizes = [
  [1, 1],
  [5, 4],
  [1, 2],
  [7, 7],
  [2, 3],
  [1, 17],
  [9, 16],
  [3, 3],
  [17, 1],
  [6, 5],
  [13, 3],
] as const;

export const batches = [1, 2, 1, 3] as const;
