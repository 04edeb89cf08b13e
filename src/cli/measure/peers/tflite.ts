/**
 * A graph with batch norm folded as a TFLite model, for measuring LiteRT beside this package. One case a node kind; a
 * kind that no benchmark network has is an error. The container is tflite-file.ts.
 *
 * Shape legend: values [N, H, W, C]; convolution filters [Co, kh, kw, Ci], depthwise ones [1, kh, kw, Co].
 */
import { EnvironmentError } from '../../../errors.js';
import type { Graph, Weights } from '../../../graph/graph.js';
import type { ActivationName, Conv2dNode, Padding } from '../../../graph/nodes.js';
import {
  type ChannelsLastPlan,
  type ChannelsLastStep,
  type FusedRelu,
  lastShape,
  planChannelsLast,
  swapInner,
} from './channels-last.js';
import { type FlatBuilder, type OperatorOptions, TfliteFile } from './tflite-file.js';

/** BuiltinOperator of the schema. */
const code = {
  add: 0,
  averagePool2d: 1,
  concatenation: 2,
  conv2d: 3,
  depthwiseConv2d: 4,
  fullyConnected: 9,
  logistic: 14,
  maxPool2d: 17,
  mul: 18,
  relu: 19,
  relu6: 21,
  reshape: 22,
  softmax: 25,
  pad: 34,
  transpose: 39,
  mean: 40,
  padV2: 60,
  slice: 65,
  hardSwish: 117,
} as const;

const fusedCode = (relu: FusedRelu): number => (relu === 'relu' ? 1 : relu === 'relu6' ? 3 : 0);
const elementwise = (type: number, relu: FusedRelu = null): OperatorOptions => ({
  type,
  count: 2,
  fields: [[0, 'i8', fusedCode(relu)]],
});
const addOptions = (relu: FusedRelu = null): OperatorOptions => elementwise(11, relu);
const mulOptions = elementwise(21);

class TfliteWriter {
  readonly file = new TfliteFile();
  readonly #plan: ChannelsLastPlan;
  readonly #values = new Map<string, number>();
  #constants = 0;

  constructor(plan: ChannelsLastPlan) {
    this.#plan = plan;
    for (const step of plan.steps) this.#write(step);
  }

  value(name: string): number {
    const index = this.#values.get(name);
    if (index === undefined) throw new Error(`tflite: "${name}" is read before it is written`);
    return index;
  }

  #shape(name: string): readonly number[] {
    return lastShape(this.#plan.shapes.get(name) ?? []);
  }

  #constant(shape: readonly number[], data: Float32Array | Int32Array): number {
    return this.file.tensor(`constant${this.#constants++}`, shape, data);
  }

  #ints(...values: readonly number[]): number {
    return this.#constant([values.length], Int32Array.from(values));
  }

  #parameter(name: string | undefined, outputs: number): Float32Array {
    return (name === undefined ? undefined : this.#plan.weights.get(name)?.data) ?? new Float32Array(outputs);
  }

  /** The input with a border: of zeros, or for max pooling of the lowest number. */
  #padded(input: string, [top, left, bottom, right]: Padding, lowest = false): number {
    const x = this.value(input);
    if (top + left + bottom + right === 0) return x;
    const [n = 1, h = 1, w = 1, c = 1] = this.#shape(input);
    const shape = [n, h + top + bottom, w + left + right, c];
    const y = this.file.tensor(`${input}:padded${this.#constants}`, shape);
    const border = this.#constant([4, 2], Int32Array.from([0, 0, top, bottom, left, right, 0, 0]));
    if (!lowest) return this.file.operator(code.pad, [x, border], y, { type: 22, count: 0, fields: [] });
    const value = this.#constant([1], Float32Array.of(-3.4e38));
    return this.file.operator(code.padV2, [x, border, value], y, { type: 43, count: 0, fields: [] });
  }

  #convolution(node: Conv2dNode, relu: FusedRelu, y: number): void {
    const { kernel, stride, dilation, padding, groups, inChannels, outChannels } = node;
    const [kh, kw] = kernel;
    const depthwise = groups === inChannels && groups > 1;
    if (groups > 1 && !depthwise) throw unsupported('a grouped convolution', node.name);
    // SAME means the same as symmetric padding of half the kernel only at stride 1
    const half = (axis: 0 | 1): number => (dilation[axis] * ((kernel[axis] as number) - 1)) / 2;
    const isSame =
      stride[0] === 1 && stride[1] === 1 && padding.every((side, i) => side === half((i % 2) as 0 | 1));
    const isValid = padding.every((side) => side === 0);
    const x =
      isSame || isValid
        ? this.value(node.inputs[0] as string)
        : this.#padded(node.inputs[0] as string, padding);
    const data = this.#parameter(node.weight, 0);
    const filter = depthwise
      ? this.#constant([1, kh, kw, outChannels], swapInner(data, 1, outChannels, kh * kw))
      : this.#constant([outChannels, kh, kw, inChannels], swapInner(data, outChannels, inChannels, kh * kw));
    const bias = this.#constant([outChannels], this.#parameter(node.bias, outChannels));
    const strides = [
      [0, 'i8', isSame && !isValid ? 0 : 1],
      [1, 'i32', stride[1]],
      [2, 'i32', stride[0]],
    ] as const;
    const options: OperatorOptions = depthwise
      ? {
          type: 2,
          count: 7,
          fields: [
            ...strides,
            [3, 'i32', outChannels / inChannels],
            [4, 'i8', fusedCode(relu)],
            [5, 'i32', dilation[1]],
            [6, 'i32', dilation[0]],
          ],
        }
      : {
          type: 1,
          count: 6,
          fields: [...strides, [3, 'i8', fusedCode(relu)], [4, 'i32', dilation[1]], [5, 'i32', dilation[0]]],
        };
    this.file.operator(depthwise ? code.depthwiseConv2d : code.conv2d, [x, filter, bias], y, options);
  }

  /** relu6(x + 3) / 6 in two operators, as converters write it. */
  #hardSigmoid(x: number, shape: readonly number[], y: number): void {
    const shifted = this.file.tensor(`hard-sigmoid${this.#constants}`, shape);
    const three = this.#constant([1], Float32Array.of(3));
    this.file.operator(code.add, [x, three], shifted, addOptions('relu6'));
    this.file.operator(code.mul, [shifted, this.#constant([1], Float32Array.of(1 / 6))], y, mulOptions);
  }

  #activation(name: ActivationName, x: number, shape: readonly number[], y: number): void {
    const { file } = this;
    switch (name) {
      case 'hardSigmoid':
        this.#hardSigmoid(x, shape, y);
        return;
      case 'silu': {
        const gate = file.tensor(`silu${y}`, shape);
        file.operator(code.logistic, [x], gate);
        file.operator(code.mul, [x, gate], y, mulOptions);
        return;
      }
      case 'sigmoid':
        file.operator(code.logistic, [x], y);
        return;
      default:
        file.operator(code[name], [x], y);
    }
  }

  #write({ node, relu, output }: ChannelsLastStep): void {
    const shape = this.#shape(output);
    const input = node.inputs[0] as string;
    if (node.kind === 'flatten') {
      this.#values.set(output, this.#flatten(input, shape));
      return;
    }
    if (node.kind === 'dropout' || node.kind === 'identity') {
      this.#values.set(output, this.value(input));
      return;
    }
    const y = this.file.tensor(output, shape);
    this.#values.set(output, y);
    const { file } = this;
    switch (node.kind) {
      case 'input':
        return;
      case 'conv2d':
        this.#convolution(node, relu, y);
        return;
      case 'linear': {
        const filter = this.#constant([node.outFeatures, node.inFeatures], this.#parameter(node.weight, 0));
        const bias = this.#constant([node.outFeatures], this.#parameter(node.bias, node.outFeatures));
        const options = { type: 8, count: 4, fields: [[0, 'i8', fusedCode(relu)]] } as const;
        file.operator(code.fullyConnected, [this.value(input), filter, bias], y, options);
        return;
      }
      case 'add':
      case 'mul': {
        const inputs = node.inputs.map((name) => this.value(name));
        file.operator(code[node.kind], inputs, y, node.kind === 'add' ? addOptions(relu) : mulOptions);
        return;
      }
      case 'concat':
        file.operator(
          code.concatenation,
          node.inputs.map((name) => this.value(name)),
          y,
          { type: 10, count: 2, fields: [[0, 'i32', shape.length - 1]] },
        );
        return;
      case 'slice': {
        const begin = this.#ints(...shape.map((_, axis) => (axis === shape.length - 1 ? node.start : 0)));
        file.operator(code.slice, [this.value(input), begin, this.#ints(...shape)], y);
        return;
      }
      case 'padChannels': {
        const border = Int32Array.from(
          shape.flatMap((_, axis) => (axis === shape.length - 1 ? [node.before, node.after] : [0, 0])),
        );
        const sides = this.#constant([shape.length, 2], border);
        file.operator(code.pad, [this.value(input), sides], y, { type: 22, count: 0, fields: [] });
        return;
      }
      case 'maxPool':
      case 'avgPool': {
        const isMax = node.kind === 'maxPool';
        if (node.ceilMode || (!isMax && node.padding.some((side) => side > 0)))
          throw unsupported('a pool with ceil mode or an average over padding', node.name);
        const x = this.#padded(input, node.padding, isMax);
        const fields = [
          [0, 'i8', 1],
          [1, 'i32', node.stride[1]],
          [2, 'i32', node.stride[0]],
          [3, 'i32', node.kernel[1]],
          [4, 'i32', node.kernel[0]],
        ] as const;
        file.operator(isMax ? code.maxPool2d : code.averagePool2d, [x], y, { type: 5, count: 6, fields });
        return;
      }
      case 'globalAvgPool':
        file.operator(code.mean, [this.value(input), this.#ints(1, 2)], y, {
          type: 27,
          count: 1,
          fields: [[0, 'i8', 1]],
        });
        return;
      case 'softmax':
        file.operator(code.softmax, [this.value(input)], y, { type: 9, count: 1, fields: [[0, 'f32', 1]] });
        return;
      case 'activation':
        this.#activation(node.function, this.value(input), shape, y);
        return;
      default:
        throw unsupported(`the node kind ${node.kind}`, node.name);
    }
  }

  #flatten(input: string, shape: readonly number[]): number {
    let x = this.value(input);
    const [n = 1, h = 1, w = 1, c = 1] = this.#shape(input);
    if (h * w > 1) {
      const first = this.file.tensor(`${input}:channels-first`, [n, c, h, w]);
      x = this.file.operator(code.transpose, [x, this.#ints(0, 3, 1, 2)], first);
    }
    const y = this.file.tensor(`${input}:flat`, shape);
    return this.file.operator(code.reshape, [x, this.#ints(...shape)], y);
  }
}

function unsupported(what: string, node: string): EnvironmentError {
  return new EnvironmentError('PEER_UNSUPPORTED', `tflite: ${what} (node "${node}") is not written`);
}

/**
 * The bytes of a TFLite model of a graph with folded batch norm. Throws EnvironmentError `PEER_UNSUPPORTED` for nodes
 * that no benchmark network has.
 */
export function exportTflite(
  builder: FlatBuilder,
  graph: Graph,
  weights: Weights,
  batch: number,
): Uint8Array {
  const plan = planChannelsLast(graph, weights, batch);
  const writer = new TfliteWriter(plan);
  return writer.file.finish(builder, [writer.value(plan.input)], [writer.value(plan.output)]);
}
