/**
 * TensorFlow.js with its WebAssembly backend as a peer: the graph as a chain of its operations, filters transposed once.
 * Convolutions use the fused forms. One thread in Node.
 *
 * Shape legend: values [N, H, W, C]; filters [kh, kw, Ci, Co], depthwise ones [kh, kw, C, multiplier].
 */
import { EnvironmentError } from '../../../errors.js';
import type { Conv2dNode, MaxPoolNode, Padding } from '../../../graph/nodes.js';
import {
  type ChannelsLastPlan,
  type ChannelsLastStep,
  inputConverter,
  lastShape,
  planChannelsLast,
  toChannelsFirst,
} from './channels-last.js';
import type { Peer, PeerLoader } from './peer.js';

interface Value {
  dataSync(): Float32Array;
  dispose(): void;
}

type Pads = readonly (readonly [number, number])[];
type FusedOptions = Readonly<Record<string, unknown>>;

/** The part of tfjs that is used here. */
interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  env(): { set(flag: string, value: boolean): void; getAsync(flag: string): Promise<unknown> };
  tidy(run: () => Value): Value;
  keep(value: Value): Value;
  tensor(values: Float32Array, shape: readonly number[]): Value;
  fused: {
    conv2d(options: FusedOptions): Value;
    depthwiseConv2d(options: FusedOptions): Value;
    matMul(options: FusedOptions): Value;
  };
  add(a: Value, b: Value | number): Value;
  mul(a: Value, b: Value | number): Value;
  relu(x: Value): Value;
  relu6(x: Value): Value;
  sigmoid(x: Value): Value;
  concat(values: readonly Value[], axis: number): Value;
  slice(x: Value, begin: readonly number[], size: readonly number[]): Value;
  pad(x: Value, pads: Pads, value?: number): Value;
  maxPool(x: Value, kernel: readonly number[], stride: readonly number[], pad: 'valid'): Value;
  avgPool(x: Value, kernel: readonly number[], stride: readonly number[], pad: 'valid'): Value;
  mean(x: Value, axes: readonly number[], keepDims: boolean): Value;
  reshape(x: Value, shape: readonly number[]): Value;
  transpose(x: Value, order: readonly number[]): Value;
  softmax(x: Value): Value;
}

interface WasmBackend {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
}

/** A CommonJS package imported from an ES module has its exports under `default`. */
function unwrap<T>(module: unknown): T {
  return ((module as { default?: T }).default ?? module) as T;
}

const isNode = typeof process !== 'undefined' && Boolean(process.versions?.node);

let loaded: Promise<Tf> | undefined;

async function loadRuntime(load: PeerLoader, threads: number): Promise<Tf> {
  const tf = unwrap<Tf>(await load('@tensorflow/tfjs-core'));
  const wasm = unwrap<WasmBackend>(await load('@tensorflow/tfjs-backend-wasm'));
  wasm.setWasmPaths(`${load.root('@tensorflow/tfjs-backend-wasm')}/dist/`.replace('file://', ''));
  wasm.setThreadsCount(threads);
  await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT');
  if (threads === 1) tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  await tf.setBackend('wasm');
  await tf.ready();
  return tf;
}

const pads = ([top, left, bottom, right]: Padding): Pads => [
  [0, 0],
  [top, bottom],
  [left, right],
  [0, 0],
];

/** [A, B, K] to [K, B, A]. */
function reverseAxes(data: Float32Array, a: number, b: number, k: number): Float32Array {
  const reversed = new Float32Array(data.length);
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let t = 0; t < k; t++) reversed[(t * b + j) * a + i] = data[(i * b + j) * k + t] as number;
  return reversed;
}

type Op = (values: ReadonlyMap<string, Value>) => Value;

function unsupported(what: string, node: string): EnvironmentError {
  return new EnvironmentError('PEER_UNSUPPORTED', `tfjs: ${what} (node "${node}") is not written`);
}

class TfjsNetwork {
  readonly #tf: Tf;
  readonly #plan: ChannelsLastPlan;
  readonly #constants: Value[] = [];
  readonly #ops: readonly (readonly [string, Op])[];

  constructor(tf: Tf, plan: ChannelsLastPlan) {
    this.#tf = tf;
    this.#plan = plan;
    this.#ops = plan.steps
      .filter((step) => step.node.kind !== 'input')
      .map((step) => [step.output, this.#op(step)] as const);
  }

  run(x: Value): Value {
    return this.#tf.tidy(() => {
      const values = new Map([[this.#plan.input, x]]);
      for (const [name, op] of this.#ops) values.set(name, op(values));
      return values.get(this.#plan.output)!;
    });
  }

  dispose(): void {
    for (const constant of this.#constants) constant.dispose();
  }

  #constant(data: Float32Array, shape: readonly number[]): Value {
    const value = this.#tf.tensor(data, shape);
    this.#constants.push(value);
    return value;
  }

  #parameter(name: string | undefined, outputs: number): Float32Array {
    return (name === undefined ? undefined : this.#plan.weights.get(name)?.data) ?? new Float32Array(outputs);
  }

  #convolution(node: Conv2dNode, relu: string | null): Op {
    const { kernel, stride, dilation, padding, groups, inChannels, outChannels } = node;
    const [kh, kw] = kernel;
    const depthwise = groups === inChannels && groups > 1;
    if (groups > 1 && !depthwise) throw unsupported('a grouped convolution', node.name);
    const data = this.#parameter(node.weight, 0);
    const filter = depthwise
      ? this.#constant(reverseAxes(data, outChannels, 1, kh * kw), [
          kh,
          kw,
          inChannels,
          outChannels / inChannels,
        ])
      : this.#constant(reverseAxes(data, outChannels, inChannels, kh * kw), [
          kh,
          kw,
          inChannels,
          outChannels,
        ]);
    const options = {
      filter,
      strides: stride,
      dilations: dilation,
      pad: padding.every((side) => side === 0) ? 'valid' : pads(padding),
      bias: this.#constant(this.#parameter(node.bias, outChannels), [outChannels]),
      activation: relu ?? 'linear',
    };
    const run = depthwise ? this.#tf.fused.depthwiseConv2d : this.#tf.fused.conv2d;
    const input = node.inputs[0] as string;
    return (values) => run({ x: values.get(input), ...options });
  }

  #maxPool(node: MaxPoolNode): (x: Value) => Value {
    const tf = this.#tf;
    if (node.ceilMode) throw unsupported('a pool with ceil mode', node.name);
    const pool = (x: Value): Value => tf.maxPool(x, node.kernel, node.stride, 'valid');
    if (node.padding.every((side) => side === 0)) return pool;
    return (x) => pool(tf.pad(x, pads(node.padding), -3.4e38));
  }

  #op({ node, relu, output }: ChannelsLastStep): Op {
    const tf = this.#tf;
    const shape = lastShape(this.#plan.shapes.get(output) ?? []);
    const [first, second] = node.inputs as [string, string];
    const unary =
      (run: (x: Value) => Value): Op =>
      (values) =>
        run(values.get(first)!);
    const hardSigmoid = (x: Value): Value => tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
    switch (node.kind) {
      case 'conv2d':
        return this.#convolution(node, relu);
      case 'linear': {
        const data = reverseAxes(this.#parameter(node.weight, 0), node.outFeatures, node.inFeatures, 1);
        const b = this.#constant(data, [node.inFeatures, node.outFeatures]);
        const bias = this.#constant(this.#parameter(node.bias, node.outFeatures), [node.outFeatures]);
        return unary((a) => tf.fused.matMul({ a, b, bias, activation: relu ?? 'linear' }));
      }
      case 'add': {
        const activate = relu === null ? (x: Value) => x : tf[relu as 'relu' | 'relu6'];
        return (values) => activate(tf.add(values.get(first)!, values.get(second)!));
      }
      case 'mul':
        return (values) => tf.mul(values.get(first)!, values.get(second)!);
      case 'concat':
        return (values) =>
          tf.concat(
            node.inputs.map((name) => values.get(name)!),
            shape.length - 1,
          );
      case 'slice': {
        const begin = shape.map((_, axis) => (axis === shape.length - 1 ? node.start : 0));
        return unary((x) => tf.slice(x, begin, shape));
      }
      case 'padChannels': {
        const border = shape.map((_, axis): [number, number] =>
          axis === shape.length - 1 ? [node.before, node.after] : [0, 0],
        );
        return unary((x) => tf.pad(x, border));
      }
      case 'maxPool':
        return unary(this.#maxPool(node));
      case 'avgPool':
        if (node.ceilMode || node.padding.some((side) => side > 0))
          throw unsupported('an average over padding', node.name);
        return unary((x) => tf.avgPool(x, node.kernel, node.stride, 'valid'));
      case 'globalAvgPool':
        return unary((x) => tf.mean(x, [1, 2], true));
      case 'flatten': {
        const [, h = 1, w = 1] = lastShape(this.#plan.shapes.get(first) ?? []);
        return unary((x) => tf.reshape(h * w > 1 ? tf.transpose(x, [0, 3, 1, 2]) : x, shape));
      }
      case 'softmax':
        return unary((x) => tf.softmax(x));
      case 'dropout':
      case 'identity':
        return unary((x) => x);
      case 'activation':
        switch (node.function) {
          case 'relu':
          case 'relu6':
          case 'sigmoid':
            return unary(tf[node.function]);
          case 'hardSigmoid':
            return unary(hardSigmoid);
          case 'hardSwish':
            return unary((x) => tf.mul(x, hardSigmoid(x)));
          case 'silu':
            return unary((x) => tf.mul(x, tf.sigmoid(x)));
        }
    }
    throw unsupported(`the node kind ${node.kind}`, node.name);
  }
}

export const tfjsWasm: Peer = {
  name: 'tfjs-wasm',
  packages: { '@tensorflow/tfjs-core': '4.22.0', '@tensorflow/tfjs-backend-wasm': '4.22.0' },
  create: async (load, { graph, weights, inputShape, outputShape, threads }) => {
    if (isNode && threads > 1)
      throw new EnvironmentError('PEER_THREADS', 'tfjs-wasm has threads in pages only; with Node use one');
    loaded ??= loadRuntime(load, threads);
    const tf = await loaded;
    const network = new TfjsNetwork(tf, planChannelsLast(graph, weights, inputShape[0] ?? 1));
    const convert = inputConverter(inputShape);
    let [values, x]: [Float32Array | undefined, Value | undefined] = [undefined, undefined];
    return {
      run: async (input) => {
        const converted = convert(input);
        if (converted !== values) {
          x?.dispose();
          [values, x] = [converted, tf.tensor(converted, lastShape(inputShape))];
        }
        const output = network.run(x!);
        const result = output.dataSync();
        output.dispose();
        return outputShape.length === 4 ? toChannelsFirst(result, outputShape) : result;
      },
      dispose: async () => {
        x?.dispose();
        network.dispose();
      },
    };
  },
};
