/**
 * Runs any graph with the reference ops: the oracle that every engine is compared with. Slow on purpose, in float64
 * from input to output; batch norm uses its running statistics and dropout is the identity (inference).
 */
import { rangeError, unreachable } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { Node } from '../graph/nodes.js';
import { inferShapes } from '../graph/shapes.js';
import { activationForward, softmaxForward } from './activation.js';
import {
  concatForward,
  flattenForward,
  padChannelsForward,
  permuteChannelsForward,
  shiftForward,
  shuffleForward,
  sliceForward,
  upsampleForward,
} from './channels.js';
import { conv2dForward } from './convolution.js';
import { addForward, mulForward } from './elementwise.js';
import { linearForward } from './linear.js';
import { batchNormForward } from './normalization.js';
import { avgPoolForward, globalAvgPoolForward, maxPoolForward } from './pooling.js';
import { type RealTensor, toFloat64 } from './tensor.js';

export interface ReferenceOptions {
  /** Nodes whose values are wanted beside the outputs. */
  readonly taps?: readonly string[];
}

/** The value of one node (not an input) from its inputs' values; `parameter` looks up a parameter by name. */
export function forwardNode(
  node: Node,
  inputs: readonly RealTensor[],
  parameter: (name: string) => RealTensor,
): RealTensor {
  const x = inputs[0] as RealTensor;
  switch (node.kind) {
    case 'input':
      throw rangeError('INPUT_MISSING', `reference: input "${node.name}": its value must be given`);
    case 'conv2d':
      return conv2dForward(x, parameter(node.weight), node.bias ? parameter(node.bias) : undefined, node);
    case 'linear':
      return linearForward(x, parameter(node.weight), node.bias ? parameter(node.bias) : undefined);
    case 'batchNorm': {
      const [scale, shift] = [parameter(node.scale), parameter(node.shift)];
      const [mean, variance] = [parameter(node.mean), parameter(node.variance)];
      return batchNormForward(x, { scale, shift, mean, variance }, node.eps);
    }
    case 'activation':
      return activationForward(x, node.function);
    case 'add':
      return addForward(x, inputs[1] as RealTensor);
    case 'mul':
      return mulForward(x, inputs[1] as RealTensor);
    case 'concat':
      return concatForward(inputs);
    case 'slice':
      return sliceForward(x, node.start, node.end);
    case 'padChannels':
      return padChannelsForward(x, node.before, node.after);
    case 'shuffle':
      return shuffleForward(x, node.groups);
    case 'permuteChannels':
      return permuteChannelsForward(x, node.order);
    case 'shift':
      return shiftForward(x, node.offsets);
    case 'maxPool':
      return maxPoolForward(x, node);
    case 'avgPool':
      return avgPoolForward(x, node);
    case 'globalAvgPool':
      return globalAvgPoolForward(x);
    case 'flatten':
      return flattenForward(x);
    case 'softmax':
      return softmaxForward(x);
    case 'upsample':
      return upsampleForward(x, node.scale);
    case 'dropout':
    case 'identity':
      return x;
    default:
      return unreachable(node);
  }
}

/**
 * Runs the graph on `inputs` (by input node name, each [N, ...]) and returns the values of its outputs and of
 * `taps` by node name, rounded once to float32.
 * Throws RangeError `INPUT_MISSING`, `WEIGHTS_MISSING`, `UNKNOWN_NODE` (a tap) or `SHAPE_MISMATCH`.
 */
export function runReference(
  graph: Graph,
  weights: Weights,
  inputs: ReadonlyMap<string, Tensor>,
  options: ReferenceOptions = {},
): Map<string, Tensor> {
  const values = checkInputs(graph, inputs);
  const wanted = new Set([...graph.outputs, ...(options.taps ?? [])]);
  const lastReader = new Map<string, string>();
  for (const node of graph.nodes) for (const name of node.inputs) lastReader.set(name, node.name);
  for (const name of wanted)
    if (!graph.nodes.some((node) => node.name === name))
      throw rangeError('UNKNOWN_NODE', `reference: tap "${name}" is not a node of graph "${graph.name}"`);

  const parameter = (name: string): RealTensor => {
    const tensor = weights.get(name);
    const shape = graph.parameters[name]?.shape ?? [];
    if (!tensor)
      throw rangeError(
        'WEIGHTS_MISSING',
        `reference: no weights for parameter "${name}"; load or initialise them`,
      );
    if (tensor.shape.join() !== shape.join())
      throw rangeError(
        'SHAPE_MISMATCH',
        `reference: parameter "${name}": given [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
      );
    return toFloat64(tensor);
  };
  const results = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    const value =
      values.get(node.name) ??
      forwardNode(
        node,
        node.inputs.map((name) => values.get(name) as RealTensor),
        parameter,
      );
    values.set(node.name, value);
    if (wanted.has(node.name))
      results.set(node.name, { shape: value.shape, data: Float32Array.from(value.data) });
    for (const name of node.inputs) if (lastReader.get(name) === node.name) values.delete(name);
  }
  return results;
}

/** The inputs' values in float64, after their shapes have been checked against the graph. */
function checkInputs(graph: Graph, inputs: ReadonlyMap<string, Tensor>): Map<string, RealTensor> {
  const values = new Map<string, RealTensor>();
  const inputShapes: Record<string, readonly number[]> = {};
  let batch = 0;
  for (const node of graph.nodes) {
    if (node.kind !== 'input') continue;
    const tensor = inputs.get(node.name);
    if (!tensor)
      throw rangeError(
        'INPUT_MISSING',
        `reference: input "${node.name}": given inputs ${[...inputs.keys()].join(', ') || 'none'}`,
      );
    const [n = 0, ...shape] = tensor.shape;
    if (batch !== 0 && n !== batch)
      throw rangeError('SHAPE_MISMATCH', `reference: input "${node.name}": batch ${n}, expected ${batch}`);
    batch = n;
    inputShapes[node.name] = shape;
    values.set(node.name, toFloat64(tensor));
  }
  inferShapes(graph, { batch, inputShapes });
  return values;
}
