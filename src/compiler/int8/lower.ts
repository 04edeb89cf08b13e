/** Lowers a quantised network to a program of int8 kernels: the dispatch; the operations are in the files beside. */
import { unreachable } from '../../errors.js';
import { inferShapes, shiftWindow } from '../../graph/shapes.js';
import { isDepthwise, type Operation } from '../../passes/fuse.js';
import { filterOf } from '../../passes/quantize/constants.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import { int8Operations } from '../../passes/quantize/operations.js';
import type { Isa } from '../kernels/kernel.js';
import type { View } from '../layout.js';
import { type LowerOptions, lowerItems } from '../lower.js';
import { macs } from '../lower-convolution.js';
import type { Program } from '../program.js';
import { Int8Context } from './context.js';
import { lowerInt8Dense } from './convolution.js';
import { lowerInt8Depthwise, lowerInt8Ghost } from './depthwise.js';
import {
  lowerInt8Chain,
  lowerInt8Mul,
  lowerInt8Output,
  lowerInt8Softmax,
  lowerInt8Window,
} from './elementwise.js';

/** Throws RangeError `NOT_QUANTIZABLE`, `QUANTIZATION_RANGE`, `SHAPE_MISMATCH` or `BAD_BATCH`. */
export function lowerInt8(network: QuantizedNetwork, isa: Isa, options: LowerOptions = {}): Program {
  const shapes = inferShapes(network.graph, options);
  const context = new Int8Context(network, shapes, int8Operations(network.graph), isa);
  return lowerItems(context, options, {
    operation: (operation) => lowerOperation(context, operation),
    output: (name) => lowerInt8Output(context, name),
  });
}

function lowerOperation(context: Int8Context, operation: Operation): View | undefined {
  const { root } = operation;
  if (root.kind === 'chain') return lowerInt8Chain(context, operation, root);
  if (root.kind === 'ghost') return lowerInt8Ghost(context, operation, root);
  const { node } = root;
  switch (node.kind) {
    case 'input':
      return undefined;
    case 'linear':
      return lowerInt8Dense(context, operation, node);
    case 'conv2d':
      if (!isDepthwise(node)) return lowerInt8Dense(context, operation, node);
      return lowerInt8Depthwise(context, operation, {
        ...node,
        input: node.inputs[0] as string,
        filter: filterOf(context.network, node.name),
        multiplier: node.outChannels / node.inChannels,
        macs: macs(context, operation, node),
      });
    case 'shift':
      return lowerInt8Depthwise(context, operation, {
        ...shiftWindow(node),
        stride: [1, 1],
        dilation: [1, 1],
        input: node.inputs[0] as string,
        filter: filterOf(context.network, node.name),
        multiplier: 1,
        macs: 0,
      });
    case 'mul':
      return lowerInt8Mul(context, operation, node);
    case 'maxPool':
    case 'avgPool':
    case 'globalAvgPool':
    case 'upsample':
      return lowerInt8Window(context, operation, node);
    case 'softmax':
      return lowerInt8Softmax(context, operation, node);
    default:
      return unreachable(node);
  }
}
