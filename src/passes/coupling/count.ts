/**
 * MACs of a network with some units gone, without building it: what searches for a target ask thousands of times.
 * The counting rule is that of analysis/profile.ts.
 */
import type { Graph } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { type Coupling, convolutionForm } from './analyze.js';

/** A layer's units and its MACs per pair of input and output channel; of a depthwise one, per output channel. */
interface Layer {
  readonly input: Int32Array | undefined;
  readonly output: Int32Array;
  readonly perPair: number;
}

/** Of a graph: its MACs as a function of the units removed. */
export function macCounter(graph: Graph, coupling: Coupling): (removed: ReadonlySet<number>) => number {
  const shapes = inferShapes(graph);
  const layers = graph.nodes.flatMap((node): Layer[] => {
    if (node.kind !== 'conv2d' && node.kind !== 'linear') return [];
    const [, , h = 1, w = 1] = shapes.get(node.name) ?? [];
    const [input, output] = [node.inputs[0] as string, node.name].map(
      (name) => coupling.units.get(name) as Int32Array,
    ) as [Int32Array, Int32Array];
    if (node.kind === 'linear') return [{ input, output, perPair: 1 }];
    const perPixel = h * w * node.kernel[0] * node.kernel[1];
    if (convolutionForm(node) === 'depthwise') return [{ input: undefined, output, perPair: perPixel }];
    return [{ input, output, perPair: perPixel / node.groups }];
  });
  const left = (units: Int32Array, removed: ReadonlySet<number>): number => {
    let count = 0;
    for (const unit of units) if (!removed.has(unit)) count++;
    return count;
  };
  return (removed) =>
    layers.reduce(
      (sum, { input, output, perPair }) =>
        sum + left(output, removed) * (input ? left(input, removed) : 1) * perPair,
      0,
    );
}
