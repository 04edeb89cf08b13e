/** Which reader reads which ONNX operator: the list of what is supported. */
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import { activation, arithmetic, bound, clip, hardSigmoid, relu, sum } from './elementwise.js';
import { batchNormalization, conv, gemm, matMul } from './layers.js';
import {
  cast,
  concat,
  dropout,
  flatten,
  gatherElements,
  identity,
  pad,
  reshape,
  slice,
  softmax,
  split,
  squeeze,
  transpose,
} from './movement.js';
import { resize } from './resize.js';
import { globalAveragePool, globalMaxPool, pool, reduceMean } from './window.js';

/** Reads one operation: takes its inputs' values from the importer and defines its outputs. Throws `Unsupported`. */
export type OperatorReader = (op: Operation, importer: Importer) => void;

function constant(op: Operation, importer: Importer): void {
  const output = op.file.outputs[0] ?? '';
  const floats = op.has('value_float') ? [op.float('value_float', 0)] : op.floats('value_floats');
  const ints = op.has('value_int') ? [op.int('value_int', 0)] : op.ints('value_ints');
  const listed = op.has('value_floats') || op.has('value_ints');
  const tensor = op.tensor('value');
  if (tensor) importer.defineTensor({ ...tensor, name: output });
  else if (floats || ints) {
    const data = floats ? Float32Array.from(floats) : Float64Array.from(ints!);
    importer.defineValue(op, { kind: 'constant', constant: { shape: listed ? [data.length] : [], data } });
  } else importer.refuse('holds no number and no tensor of numbers', 'value');
}

function shapeOf(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const at = (name: string, otherwise: number): number => {
    const value = op.int(name, otherwise);
    return value < 0 ? value + shape.length : value;
  };
  const data = Float64Array.from(shape.slice(at('start', 0), at('end', shape.length)));
  importer.defineValue(op, { kind: 'constant', constant: { shape: [data.length], data } });
}

function sizeOf(op: Operation, importer: Importer): void {
  const data = Float64Array.of(importer.shape(op.input(0)).reduce((a, b) => a * b, 1));
  importer.defineValue(op, { kind: 'constant', constant: { shape: [], data } });
}

/** By name; a map, since names come from files. */
export const operators: ReadonlyMap<string, OperatorReader> = new Map(
  Object.entries({
    Add: arithmetic,
    AveragePool: pool,
    BatchNormalization: batchNormalization,
    Cast: cast,
    Clip: clip,
    Concat: concat,
    Constant: constant,
    Conv: conv,
    Div: arithmetic,
    Dropout: dropout,
    Flatten: flatten,
    Gather: gatherElements,
    Gemm: gemm,
    GlobalAveragePool: globalAveragePool,
    GlobalMaxPool: globalMaxPool,
    HardSigmoid: hardSigmoid,
    HardSwish: activation('hardSwish'),
    Identity: identity,
    MatMul: matMul,
    Max: bound,
    MaxPool: pool,
    Min: bound,
    Mul: arithmetic,
    Pad: pad,
    ReduceMean: reduceMean,
    Relu: relu,
    Reshape: reshape,
    Resize: resize,
    Shape: shapeOf,
    Sigmoid: activation('sigmoid'),
    Size: sizeOf,
    Slice: slice,
    Softmax: softmax,
    Split: split,
    Squeeze: squeeze,
    Sub: arithmetic,
    Sum: sum,
    Transpose: transpose,
    Unsqueeze: squeeze,
    Upsample: resize,
  }),
);
