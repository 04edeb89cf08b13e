/** Readers of ONNX's elementwise operators: activations, clips, sums and products, with maps, gates and constants. */
import type { ActivationName } from '../../../graph/nodes.js';
import { formulaOf, gated, withAffine, withClip, withFunction } from '../formula.js';
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import type { Constant } from '../tensor-data.js';
import { type Affine, type FormulaValue, valueShape } from '../values.js';

/** A value as a formula of some node; written out first where it is none. */
function formula(importer: Importer, name: string): FormulaValue {
  const value = importer.value(name);
  if (value.kind === 'formula') return value;
  const node = importer.map(name);
  return formulaOf(node, importer.builder.shape(node));
}

/** The same, with what waits written out. */
function fresh(importer: Importer, name: string): FormulaValue {
  const node = importer.map(name);
  return formulaOf(node, importer.builder.shape(node));
}

/** An activation of the first input. */
export function activation(fn: ActivationName) {
  return (op: Operation, importer: Importer): void => {
    const x = op.input(0);
    importer.defineValue(op, withFunction(formula(importer, x), fn) ?? withFunction(fresh(importer, x), fn)!);
  };
}

function clipTo(op: Operation, importer: Importer, x: string, low: number, high: number): void {
  if (!(low < high)) importer.refuse(`bounds ${low} and ${high} leave no range`, 'min');
  importer.defineValue(
    op,
    withClip(formula(importer, x), low, high) ?? withClip(fresh(importer, x), low, high)!,
  );
}

export function relu(op: Operation, importer: Importer): void {
  const value = formula(importer, op.input(0));
  // a clip at 0 keeps what a relu or relu6 gives
  if (value.function === null) importer.defineValue(op, withFunction(value, 'relu')!);
  else clipTo(op, importer, op.input(0), 0, Number.POSITIVE_INFINITY);
}

export function hardSigmoid(op: Operation, importer: Importer): void {
  const affine = { scale: op.float('alpha', 0.2), shift: op.float('beta', 0.5) };
  const value = formula(importer, op.input(0));
  const x = value.function === null ? value : fresh(importer, op.input(0));
  importer.defineValue(op, withClip(withAffine(x, affine), 0, 1)!);
}

const largest = 3.4e38;

export function clip(op: Operation, importer: Importer): void {
  const bound = (name: string, index: number, otherwise: number): number => {
    if (op.opset < 11) return op.float(name, otherwise);
    if (op.input(index) === '') return otherwise;
    return importer.needConstant(op.input(index), name).data[0] ?? otherwise;
  };
  const low = bound('min', 1, Number.NEGATIVE_INFINITY);
  const high = bound('max', 2, Number.POSITIVE_INFINITY);
  const open = (value: number): number =>
    Math.abs(value) >= largest ? Math.sign(value) * Number.POSITIVE_INFINITY : value;
  clipTo(op, importer, op.input(0), open(low), open(high));
}

/** Min and Max with a constant: one-sided clips. */
export function bound(op: Operation, importer: Importer): void {
  const isMin = op.file.op === 'Min';
  if (op.inputs.length !== 2) importer.refuse('has more than two inputs');
  const [x, constant] = importer.constant(op.input(1))
    ? [op.input(0), importer.constant(op.input(1))!]
    : [op.input(1), importer.needConstant(op.input(0), 'data_1')];
  const limit = constant.data[0]!;
  if (constant.data.length !== 1) importer.refuse('is a constant of more than one number');
  clipTo(op, importer, x, isMin ? Number.NEGATIVE_INFINITY : limit, isMin ? limit : Number.POSITIVE_INFINITY);
}

/** A constant that is one number, or one a channel of `shape`. Throws `Unsupported`. */
function perChannel(importer: Importer, constant: Constant, shape: readonly number[]): number | Float64Array {
  const { data } = constant;
  if (data.length === 1) return data[0]!;
  const own = constant.shape;
  const at = shape.length - own.length;
  const fits =
    own.length <= shape.length && own.every((size, axis) => size === (axis + at === 1 ? shape[1] : 1));
  if (!fits)
    importer.refuse(
      `a constant of shape [${own.join(', ')}] meets [${shape.join(', ')}]; one number or one a channel is supported`,
    );
  return Float64Array.from(data);
}

const negative = (values: number | Float64Array): number | Float64Array =>
  typeof values === 'number' ? -values : values.map((value) => -value);
const inverse = (values: number | Float64Array): number | Float64Array =>
  typeof values === 'number' ? 1 / values : values.map((value) => 1 / value);

/** What Add, Sub, Mul or Div with a constant do to the other input. */
function affineOf(
  op: Operation,
  importer: Importer,
  values: number | Float64Array,
  constantFirst: boolean,
): Affine {
  switch (op.file.op) {
    case 'Add':
    case 'Sum':
      return { scale: 1, shift: values };
    case 'Sub':
      return constantFirst ? { scale: -1, shift: values } : { scale: 1, shift: negative(values) };
    case 'Mul':
      return { scale: values, shift: 0 };
    default:
      if (constantFirst) importer.refuse('a division by a value computed from the input is not supported');
      return { scale: inverse(values), shift: 0 };
  }
}

/** Add, Sub, Mul and Div; of two values computed from the input, Add, Sub and Mul. */
export function arithmetic(op: Operation, importer: Importer): void {
  if (op.opset < 7) importer.refuse('broadcasts as before opset 7');
  const [a, b] = [op.input(0), op.input(1)];
  const [left, right] = [importer.constant(a), importer.constant(b)];
  const constant = left ?? right;
  if (constant) {
    const x = left ? b : a;
    const shape = importer.shape(x);
    if (constant.shape.length > shape.length || shape.length === 0)
      importer.refuse(`a constant of shape [${constant.shape.join(', ')}] meets [${shape.join(', ')}]`);
    const values = perChannel(importer, constant, shape);
    const value = importer.value(x);
    if (value.kind === 'product' && op.file.op === 'Add') {
      const outputs = value.shape[1]!;
      const bias =
        typeof values === 'number' ? new Float32Array(outputs).fill(values) : Float32Array.from(values);
      const biasName = bias.length === constant.data.length ? (left ? a : b) : '';
      importer.defineNode(
        op,
        importer.linear(op.name, value.base, value.weight, value.weightName, bias, biasName),
      );
      return;
    }
    const affine = affineOf(op, importer, values, Boolean(left));
    const known = formula(importer, x);
    // a sum begins a formula of its own, so that y + 3 with y = x * sigmoid(x) can become a hard-swish of y; and what
    // others read too is computed once
    const begins =
      known.function !== null && (['Add', 'Sub', 'Sum'].includes(op.file.op) || importer.readers(x) > 1);
    importer.defineValue(op, withAffine(begins ? fresh(importer, x) : known, affine));
    return;
  }
  if (op.file.op === 'Div') importer.refuse('a division by a value computed from the input is not supported');
  if (op.file.op === 'Mul') product(op, importer, a, b);
  else if (op.file.op === 'Sub') {
    const minus = importer.write(
      withAffine(formula(importer, b), { scale: -1, shift: 0 }),
      `${op.name}.minus`,
    );
    sumOf(op, importer, [importer.map(a), minus]);
  } else sumOf(op, importer, [importer.map(a), importer.map(b)]);
}

/** Sum of any number of inputs. */
export function sum(op: Operation, importer: Importer): void {
  if (op.inputs.length === 1) importer.alias(op.file.outputs[0]!, op.input(0));
  else if (op.inputs.length === 2) arithmetic(op, importer);
  else
    sumOf(
      op,
      importer,
      op.inputs.map((name) => importer.map(name)),
    );
}

function sumOf(op: Operation, importer: Importer, nodes: readonly string[]): void {
  const shapes = nodes.map((node) => importer.builder.shape(node));
  const gate = shapes.findIndex((shape) => shape.join() !== shapes[0]!.join());
  if (gate >= 0)
    importer.refuse(
      `adds [${shapes[0]!.join(', ')}] and [${shapes[gate]!.join(', ')}]; equal shapes are supported`,
    );
  let result = nodes[0]!;
  nodes.slice(1).forEach((node, i) => {
    const name = importer.unique(i === nodes.length - 2 ? op.name : `${op.name}.sum${i}`);
    result = importer.add({ kind: 'add', name, inputs: [result, node] });
  });
  importer.defineNode(op, result);
}

/** x * y: hard-swish and SiLU spelled out, a squeeze-and-excite gate, or equal shapes. */
function product(op: Operation, importer: Importer, a: string, b: string): void {
  const asFormula = (name: string): FormulaValue | undefined => {
    const value = importer.value(name);
    if (value.kind === 'formula') return value;
    return value.kind === 'view' && valueShape(value)?.length ? formula(importer, name) : undefined;
  };
  const [x, y] = [asFormula(a), asFormula(b)];
  const known = x && y && (gated(x, y) ?? gated(y, x));
  if (known) {
    importer.defineValue(op, known);
    return;
  }
  const nodes = [importer.map(a), importer.map(b)];
  const size = (node: string): number => importer.builder.shape(node).reduce((p, q) => p * q, 1);
  if (size(nodes[0]!) < size(nodes[1]!)) nodes.reverse();
  const [big, small] = nodes.map((node) => importer.builder.shape(node)) as [
    readonly number[],
    readonly number[],
  ];
  const isGate =
    big.length === 4 && small.length === 4 && small[1] === big[1] && small[2] === 1 && small[3] === 1;
  if (big.join() !== small.join() && !isGate)
    importer.refuse(
      `multiplies [${big.join(', ')}] by [${small.join(', ')}]; equal shapes or a gate [N, C, 1, 1] are supported`,
    );
  importer.defineNode(op, importer.add({ kind: 'mul', name: importer.unique(op.name), inputs: nodes }));
}
