/**
 * Writes a graph and its weights as an ONNX file (opset 17, IR version 8) that every ONNX runtime reads. The batch
 * dimension is free (`N`), names are the graph's, preprocessing and labels go into the metadata. One case a node kind.
 * Does not fold batch norm: run the pass first for speed.
 */
import { rangeError, unreachable } from '../../errors.js';
import { elementCount, type Graph, type Weights } from '../../graph/graph.js';
import type { AvgPoolNode, MaxPoolNode, Node, Padding } from '../../graph/nodes.js';
import { inferShapes, type Shapes, windowOutput } from '../../graph/shapes.js';
import { metaToOnnx } from './metadata.js';
import { dataTypes, OnnxModel, type OnnxNode } from './schema.js';
import { OnnxWriter, text } from './writer.js';

/** The operator set of the files written. */
export const onnxOpset = 17;

export interface OnnxExportOptions {
  /** Free batch dimension; a number fixes it. Default free. */
  readonly batch?: number;
  /** [C, H, W] of inputs by name, when not the graph's own. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /**
   * Write the Slice that PyTorch's export of the official code has after every Ghost module even when it cuts
   * nothing; only for comparing speed. Default false.
   */
  readonly redundantSlices?: boolean;
  /**
   * 'F16' stores the weights in half the bytes, rounded to nearest even, with a Cast to 32 bits before their use: the
   * network still computes in 32 bits. Default 'F32'.
   */
  readonly dtype?: 'F32' | 'F16';
}

function pads([top, left, bottom, right]: Padding): readonly number[] {
  return [top, left, bottom, right];
}

function writeActivation(w: OnnxWriter, node: Extract<Node, { kind: 'activation' }>, x: string): void {
  const y = node.name;
  switch (node.function) {
    case 'relu':
      w.node('Relu', [x], y);
      return;
    case 'relu6': {
      const min = w.floats('relu6.min', [], Float32Array.of(0));
      const max = w.floats('relu6.max', [], Float32Array.of(6));
      w.node('Clip', [x, min, max], y);
      return;
    }
    case 'hardSwish':
      w.node('HardSwish', [x], y);
      return;
    case 'hardSigmoid':
      w.node('HardSigmoid', [x], y, { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
      return;
    case 'sigmoid':
      w.node('Sigmoid', [x], y);
      return;
    case 'silu':
      w.node('Mul', [x, w.node('Sigmoid', [x], `${y}.sigmoid`)], y);
      return;
    default:
      unreachable(node.function);
  }
}

/** Shift as a depthwise convolution with one-hot filters. */
function writeShift(w: OnnxWriter, node: Extract<Node, { kind: 'shift' }>, x: string): void {
  const radius = Math.max(0, ...node.offsets.flat().map(Math.abs));
  const size = 2 * radius + 1;
  const data = new Float32Array(node.offsets.length * size * size);
  node.offsets.forEach(([dy, dx], c) => {
    data[(c * size + dy + radius) * size + dx + radius] = 1;
  });
  const weight = w.floats(`${node.name}.weight`, [node.offsets.length, 1, size, size], data);
  const attributes = {
    kernel_shape: [size, size],
    pads: [radius, radius, radius, radius],
    group: node.offsets.length,
  };
  w.node('Conv', [x, weight], node.name, attributes);
}

/**
 * A pool's mode and padding. In ceil mode a last window that would start beyond the input is dropped, which leaves what
 * floor gives; shape inference of some versions of ONNX does not know that rule, so floor is written there. Where only one
 * axis drops its window, the other's padding grows so that floor gives its length too; not for averages that count the
 * padding, which keep ceil_mode.
 */
function poolWindow(
  node: MaxPoolNode | AvgPoolNode,
  x: readonly number[],
): { readonly ceilMode: 0 | 1; readonly padding: MaxPoolNode['padding'] } {
  const { kernel, stride, padding } = node;
  if (!node.ceilMode) return { ceilMode: 0, padding };
  const axes = ([0, 1] as const).map((axis) => {
    const [size, before, after] = [x[axis + 2] ?? 1, padding[axis], padding[axis === 0 ? 2 : 3]];
    const length = (ceil: boolean): number =>
      windowOutput(size, kernel[axis], stride[axis], before, after, 1, ceil);
    const plain = Math.ceil((size + before + after - kernel[axis]) / stride[axis]) + 1;
    const reached = (length(true) - 1) * stride[axis] + kernel[axis] - size - before;
    return {
      drops: plain !== length(true),
      isFloor: length(true) === length(false),
      after: length(true) === length(false) ? after : reached,
    };
  });
  if (!axes.some(({ drops }) => drops)) return { ceilMode: 1, padding };
  if (axes.every(({ isFloor }) => isFloor)) return { ceilMode: 0, padding };
  if (node.kind === 'avgPool' && node.countIncludePad) return { ceilMode: 1, padding };
  const [bottom, right] = axes.map(({ after }) => after) as [number, number];
  return { ceilMode: 0, padding: [padding[0], padding[1], bottom, right] };
}

function writeNode(w: OnnxWriter, node: Node, shapes: Shapes): void {
  const y = node.name;
  const x = node.inputs[0] ?? '';
  const shape = shapes.get(x) ?? [];
  switch (node.kind) {
    case 'input':
      return;
    case 'conv2d':
      w.node('Conv', [x, node.weight, ...(node.bias === undefined ? [] : [node.bias])], y, {
        kernel_shape: node.kernel,
        strides: node.stride,
        pads: pads(node.padding),
        dilations: node.dilation,
        group: node.groups,
      });
      return;
    case 'batchNorm':
      w.node('BatchNormalization', [x, node.scale, node.shift, node.mean, node.variance], y, {
        epsilon: { float: node.eps },
        momentum: { float: 1 - node.momentum },
      });
      return;
    case 'activation':
      writeActivation(w, node, x);
      return;
    case 'add':
      w.node('Add', node.inputs, y);
      return;
    case 'mul':
      w.node('Mul', node.inputs, y);
      return;
    case 'concat':
      w.node('Concat', node.inputs, y, { axis: 1 });
      return;
    case 'slice':
      w.node(
        'Slice',
        [x, w.ints(`${y}.start`, [node.start]), w.ints(`${y}.end`, [node.end]), w.ints('axis.1', [1])],
        y,
      );
      return;
    case 'padChannels': {
      const rank = shape.length;
      const before = Array.from({ length: rank }, (_, axis) => (axis === 1 ? node.before : 0));
      const after = Array.from({ length: rank }, (_, axis) => (axis === 1 ? node.after : 0));
      w.node('Pad', [x, w.ints(`${y}.pads`, [...before, ...after])], y);
      return;
    }
    case 'shuffle': {
      const [, channels = 0, height = 0, width = 0] = shape;
      const split = w.ints(`${y}.split`, [0, node.groups, channels / node.groups, height, width]);
      const merge = w.ints(`${y}.merge`, [0, channels, height, width]);
      const viewed = w.node('Reshape', [x, split], `${y}.view`);
      const turned = w.node('Transpose', [viewed], `${y}.transpose`, { perm: [0, 2, 1, 3, 4] });
      w.node('Reshape', [turned, merge], y);
      return;
    }
    case 'permuteChannels':
      w.node('Gather', [x, w.ints(`${y}.order`, node.order)], y, { axis: 1 });
      return;
    case 'shift':
      writeShift(w, node, x);
      return;
    case 'maxPool':
    case 'avgPool': {
      const { ceilMode, padding } = poolWindow(node, shape);
      w.node(node.kind === 'maxPool' ? 'MaxPool' : 'AveragePool', [x], y, {
        kernel_shape: node.kernel,
        strides: node.stride,
        pads: pads(padding),
        ceil_mode: ceilMode,
        ...(node.kind === 'avgPool' ? { count_include_pad: node.countIncludePad ? 1 : 0 } : {}),
      });
      return;
    }
    case 'globalAvgPool':
      w.node('GlobalAveragePool', [x], y);
      return;
    case 'flatten':
      w.node('Flatten', [x], y, { axis: 1 });
      return;
    case 'linear':
      w.node('Gemm', [x, node.weight, ...(node.bias === undefined ? [] : [node.bias])], y, { transB: 1 });
      return;
    case 'softmax':
      w.node('Softmax', [x], y, { axis: 1 });
      return;
    case 'upsample': {
      const scales = w.floats(`${y}.scales`, [4], Float32Array.of(1, 1, ...node.scale));
      w.nodes.push({
        name: y,
        opType: 'Resize',
        input: [x, '', scales],
        output: [y],
        attribute: [
          text('mode', 'nearest'),
          text('coordinate_transformation_mode', 'asymmetric'),
          text('nearest_mode', 'floor'),
        ],
      });
      return;
    }
    case 'dropout':
      w.node('Dropout', [x, w.floats(`${y}.ratio`, [], Float32Array.of(node.rate))], y);
      return;
    case 'identity':
      w.node('Identity', [x], y);
      return;
    default:
      unreachable(node);
  }
}

function valueInfo(name: string, shape: readonly number[], batch: number | undefined): object {
  const dim = shape.map((size, axis) =>
    axis === 0 && batch === undefined ? { dimParam: 'N' } : { dimValue: size },
  );
  return { name, type: { tensorType: { elemType: dataTypes.float, shape: { dim } } } };
}

/** Adds, after each Ghost module, the Slice of the official code that keeps all channels. */
function withRedundantSlices(graph: Graph, w: OnnxWriter, shapes: Shapes): void {
  for (const module of graph.ghostModules) {
    const concat = w.nodes.find((node) => node.opType === 'Concat' && node.output[0] === module.output);
    const channels = shapes.get(module.output)?.[1];
    if (!concat || channels === undefined) continue;
    const whole = `${module.output}.whole`;
    const at = w.nodes.indexOf(concat);
    w.nodes[at] = { ...concat, name: whole, output: [whole] };
    w.node(
      'Slice',
      [whole, w.ints('slice.0', [0]), w.ints(`slice.${channels}`, [channels]), w.ints('axis.1', [1])],
      module.output,
    );
    const slice = w.nodes.pop() as OnnxNode;
    w.nodes.splice(at + 1, 0, slice);
  }
}

/** The bytes of an ONNX file. Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH` or `FLOAT16_OVERFLOW`. */
export function exportOnnx(graph: Graph, weights: Weights, options: OnnxExportOptions = {}): Uint8Array {
  const shapes = inferShapes(graph, {
    batch: options.batch ?? 1,
    ...(options.inputShapes ? { inputShapes: options.inputShapes } : {}),
  });
  const w = new OnnxWriter();
  for (const [name, parameter] of Object.entries(graph.parameters)) {
    const tensor = weights.get(name);
    if (!tensor || tensor.data.length !== elementCount(parameter.shape))
      throw rangeError('WEIGHTS_MISSING', `ONNX export: no fitting weights for parameter "${name}"`);
    if (options.dtype === 'F16') w.halves(name, parameter.shape, tensor.data);
    else w.floats(name, parameter.shape, tensor.data);
  }
  for (const node of graph.nodes) writeNode(w, node, shapes);
  if (options.redundantSlices) withRedundantSlices(graph, w, shapes);
  const info = (name: string): object => valueInfo(name, shapes.get(name) ?? [], options.batch);
  const inputs = graph.nodes.filter((node) => node.kind === 'input').map((node) => node.name);
  const model = OnnxModel.fromObject({
    irVersion: 8,
    producerName: 'ghostnet',
    opsetImport: [{ domain: '', version: onnxOpset }],
    metadataProps: [...metaToOnnx(graph)].map(([key, value]) => ({ key, value })),
    graph: {
      name: graph.name,
      node: w.nodes,
      initializer: [...w.initializers.values()],
      input: inputs.map(info),
      output: graph.outputs.map(info),
    },
  });
  return OnnxModel.encode(model).finish();
}
