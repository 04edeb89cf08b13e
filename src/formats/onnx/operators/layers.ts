/** Readers of ONNX's layers with weights: Conv, BatchNormalization, Gemm, MatMul. */
import type { Padding, Pair } from '../../../graph/nodes.js';
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import { type Constant, isFloat } from '../tensor-data.js';
import { dimSize, isWhole, transposeView } from '../values.js';
import { orderOf } from '../write-view.js';
import { readWindow, type Window } from './window.js';

export function conv(op: Operation, importer: Importer): void {
  const weight = importer.needFloats(op.input(1), 'W');
  const { shape } = weight;
  if (shape.length !== 4)
    importer.refuse(`has ${shape.length} dimensions; only 2-D convolutions are supported`, 'W');
  const [outChannels, perGroup, kernelHeight, kernelWidth] = shape as [number, number, number, number];
  const source = importer.value(op.input(0));
  const padded = source.kind === 'padded' && source.fill === 'zero' ? source : undefined;
  const x = padded ? padded.base : importer.map(op.input(0));
  const xShape = padded ? padded.shape : importer.builder.shape(x);
  const kernel: Pair = [kernelHeight, kernelWidth];
  const window = readWindow(op, importer, xShape, kernel);
  const groups = op.int('group', 1);
  const inChannels = xShape[1]!;
  if (!(groups >= 1) || inChannels !== perGroup * groups || outChannels % groups !== 0)
    importer.refuse(
      `is ${groups} for ${inChannels} channels and a weight of shape [${shape.join(', ')}]`,
      'group',
    );
  const bias = op.input(2) === '' ? undefined : importer.needFloats(op.input(2), 'B', [outChannels]);
  const offsets = padded || bias || groups !== inChannels ? undefined : shiftOffsets(weight, window);
  if (offsets) {
    const shift = { kind: 'shift', name: importer.unique(op.name), inputs: [x], offsets } as const;
    importer.defineNode(op, importer.add(shift));
    return;
  }
  const weightKey = importer.parameter(op.input(1), shape, weight.data);
  const biasKey = bias && importer.parameter(op.input(2), bias.shape, bias.data);
  const node = importer.add(
    {
      kind: 'conv2d',
      name: importer.unique(op.name),
      inputs: [x],
      inChannels,
      outChannels,
      kernel,
      stride: window.stride,
      padding: padded ? sum(window.padding, padded.padding) : window.padding,
      dilation: window.dilation,
      groups,
      weight: weightKey,
      ...(biasKey === undefined ? {} : { bias: biasKey }),
    },
    {
      [weightKey]: { shape: [...shape], role: 'weight' },
      ...(biasKey === undefined ? {} : { [biasKey]: { shape: [outChannels], role: 'bias' as const } }),
    },
  );
  importer.defineNode(op, node);
}

/**
 * What a depthwise convolution moves each channel by, when every filter is a single 1: a shift, which has neither weights
 * nor MACs. Undefined when it is none, or when a smaller filter would do.
 */
function shiftOffsets({ shape, data }: Constant, window: Window): Pair[] | undefined {
  const [channels = 0, perGroup, size = 0, width] = shape;
  const radius = (size - 1) / 2;
  const same =
    window.padding.every((side) => side === radius) &&
    [...window.stride, ...window.dilation].every((n) => n === 1);
  if (perGroup !== 1 || size !== width || size < 3 || size % 2 === 0 || !same) return undefined;
  const offsets: Pair[] = [];
  for (let c = 0; c < channels; c++) {
    const filter = data.subarray(c * size * size, (c + 1) * size * size);
    const at = filter.indexOf(1);
    if (at < 0 || filter.some((value, i) => value !== 0 && i !== at)) return undefined;
    offsets.push([Math.floor(at / size) - radius, (at % size) - radius]);
  }
  return offsets.flat().some((offset) => Math.abs(offset) === radius) ? offsets : undefined;
}

function sum(a: Padding, b: Padding): Padding {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]];
}

export function batchNormalization(op: Operation, importer: Importer): void {
  const x = importer.map(op.input(0));
  const channels = importer.builder.channels(x);
  const parts = ['scale', 'B', 'mean', 'var'].map((what, i) => {
    const { shape, data } = importer.needFloats(op.input(i + 1), what, [channels]);
    return importer.parameter(op.input(i + 1), shape, data);
  });
  const [scale, shift, mean, variance] = parts as [string, string, string, string];
  const shape = [channels];
  const node = importer.add(
    {
      kind: 'batchNorm',
      name: importer.unique(op.name),
      inputs: [x],
      channels,
      eps: shortest(op.float('epsilon', 1e-5), (value) => value),
      momentum: shortest(op.float('momentum', 0.9), (value) => 1 - value),
      scale,
      shift,
      mean,
      variance,
    },
    {
      [scale]: { shape, role: 'scale' },
      [shift]: { shape, role: 'shift' },
      [mean]: { shape, role: 'statistic' },
      [variance]: { shape, role: 'statistic' },
    },
  );
  importer.defineNode(op, node);
}

/** The shortest decimal number d for which `given` was written as 32-bit `form(d)`; `form` is its own inverse. */
function shortest(given: number, form: (value: number) => number): number {
  const target = Math.fround(given);
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(form(target).toPrecision(digits));
    if (Math.fround(form(candidate)) === target) return candidate;
  }
  return form(given);
}

/** The transpose of a weight [rows, columns]. */
function transposed({ shape, data }: Constant): Constant {
  const [rows, columns] = shape as [number, number];
  const result = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j]!;
  return { shape: [columns, rows], data: result };
}

/**
 * Features [1, F] for a linear layer and its weight [O, F]. Features that are a map in another order (a transpose before
 * the flatten) are taken in the map's order, with the weight's columns moved instead.
 */
function features(
  op: Operation,
  importer: Importer,
  weight: Constant,
  transpose: boolean,
): { readonly base: string; readonly weight: Constant } {
  const value = importer.value(op.input(0));
  let view = value.kind === 'view' ? value : importer.view(op.input(0));
  if (transpose) view = transposeView(view, [1, 0]);
  if (view.dims.length !== 2)
    importer.refuse(`has ${view.dims.length} dimensions, expected [N, features]`, 'A');
  const [outputs, inputs] = weight.shape as [number, number];
  const base = importer.builder.shape(view.base);
  const total = base.reduce((a, b) => a * b, 1);
  const given = dimSize(view.dims[1]!);
  if (dimSize(view.dims[0]!) !== 1 || given !== inputs)
    importer.refuse(
      `has [${view.dims.map(dimSize).join(', ')}] values for a weight of ${inputs} inputs`,
      'A',
    );
  const permutes = base.length === 4 && given === total && base[2]! * base[3]! > 1 && !isWhole(view, total);
  if (!permutes) {
    const name = `${op.name}.flatten`;
    return {
      base: value.kind === 'view' && !transpose ? importer.map(op.input(0)) : importer.write(view, name),
      weight,
    };
  }
  const order = orderOf(importer, view.dims[1]!, view.offset);
  const data = new Float32Array(weight.data.length);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++) data[o * inputs + order[i]!] = weight.data[o * inputs + i]!;
  const flat = importer.add({
    kind: 'flatten',
    name: importer.unique(`${op.name}.flatten`),
    inputs: [view.base],
  });
  return { base: flat, weight: { shape: weight.shape, data } };
}

/** Whether a reordered weight can keep the initializer's name. */
function weightName(op: Operation, weight: Constant, original: Constant): string {
  return weight.data === original.data ? op.input(1) : `${op.name}.weight`;
}

export function gemm(op: Operation, importer: Importer): void {
  const [alpha, beta] = [op.float('alpha', 1), op.float('beta', 1)];
  const [transA, transB] = [op.int('transA', 0), op.int('transB', 0)];
  op.int('broadcast', 0);
  const original = importer.needFloats(op.input(1), 'B');
  if (original.shape.length !== 2)
    importer.refuse(`has shape [${original.shape.join(', ')}], expected two sizes`, 'B');
  let given = transB === 0 ? transposed(original) : original;
  if (alpha !== 1) given = { shape: given.shape, data: given.data.map((value) => value * alpha) };
  const { base, weight } = features(op, importer, given, transA !== 0);
  const outputs = weight.shape[0]!;
  let bias: Float32Array | undefined;
  let biasName = '';
  if (op.input(2) !== '' && beta !== 0) {
    const c = importer.needFloats(op.input(2), 'C');
    const perOutput = c.data.length === outputs && (c.shape.at(-1) ?? 1) === outputs;
    if (!perOutput && c.data.length !== 1)
      importer.refuse(
        `has shape [${c.shape.join(', ')}], expected one value an output (${outputs}) or one`,
        'C',
      );
    bias = Float32Array.from({ length: outputs }, (_, i) => beta * c.data[perOutput ? i : 0]!);
    biasName = perOutput && beta === 1 ? op.input(2) : '';
  }
  const node = importer.linear(op.name, base, weight, weightName(op, weight, original), bias, biasName);
  importer.defineNode(op, node);
}

export function matMul(op: Operation, importer: Importer): void {
  const original = importer.needConstant(op.input(1), 'B');
  if (!isFloat(original) || original.shape.length !== 2)
    importer.refuse(`has shape [${original.shape.join(', ')}], expected floats of two sizes`, 'B');
  const { base, weight } = features(op, importer, transposed(original), false);
  importer.define(
    op.file.outputs[0]!,
    {
      kind: 'product',
      base,
      shape: [1, weight.shape[0]!],
      weight,
      weightName: `${op.name}.weight`,
    },
    op.name,
  );
}
