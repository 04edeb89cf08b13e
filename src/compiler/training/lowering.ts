/** The state of lowering a training graph, and what every part of it asks of a node. Emits nothing. */
import type { ForwardNode, TrainingGraph } from '../../autodiff/nodes.js';
import type { Graph } from '../../graph/graph.js';
import type { Conv2dNode } from '../../graph/nodes.js';
import type { LoweringContext } from './context.js';
import { asConvolution, type TraitsOf } from './convolution-weights.js';
import type { NormState } from './lower-batch-norm.js';
import type { View } from './maps.js';

export interface Lowering {
  readonly context: LoweringContext;
  readonly graph: Graph;
  readonly training: TrainingGraph;
  readonly traits: TraitsOf;
  /** Logical [C, H, W] of every value. */
  readonly sizes: ReadonlyMap<string, readonly [number, number, number]>;
  readonly views: Map<string, View>;
  /** Border that a value's gradient needs for its producer. */
  readonly gradientBorders: Map<string, number>;
  readonly norms: Map<string, NormState>;
  readonly view: (name: string) => View;
}

/** A convolution, or the one that a linear layer is. */
export function convolutionOf(node: ForwardNode): Conv2dNode | undefined {
  return node.kind === 'conv2d' ? node : node.kind === 'linear' ? asConvolution(node) : undefined;
}

/** Whether a node's output is part of its input's memory. */
export function isView(
  node: ForwardNode,
  sizeOf: (name: string) => readonly [number, number, number],
): boolean {
  const [x = ''] = node.inputs;
  switch (node.kind) {
    case 'identity':
      return true;
    case 'slice': {
      const channels = sizeOf(x)[0];
      return node.start % 4 === 0 && (node.end % 4 === 0 || node.end === channels);
    }
    case 'flatten': {
      const [, height, width] = sizeOf(x);
      return height === 1 && width === 1;
    }
    case 'dropout':
      return node.rate === 0;
    default:
      return false;
  }
}
