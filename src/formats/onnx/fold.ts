/**
 * Operators on constants, computed while a file is read: the shape arithmetic that exporters write around Reshape and
 * Resize (Shape, Gather, Concat, Cast, ...) and simple sums of weights. Results never grow beyond a stated size, so that
 * a small file cannot ask for a large memory. Nothing here sees the network's input.
 */
import type { Importer } from './importer.js';
import { type Operation, Unsupported } from './operation.js';
import { resolveAxis, resolveReshape, sliceRanges } from './ranges.js';
import { type Constant, isFloat, isFloatType, readTensor } from './tensor-data.js';

/** Elements that a folded constant may have when none of its inputs has as many. */
const mostFolded = 2 ** 20;

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function make(float: boolean, shape: readonly number[], inputs: readonly Constant[] = []): Constant {
  const count = product(shape);
  if (!shape.every((size) => Number.isInteger(size) && size >= 0))
    throw new Unsupported(`would make a constant of shape [${shape.join(', ')}]`);
  if (count > Math.max(mostFolded, ...inputs.map(({ data }) => data.length)))
    throw new Unsupported(`would make a constant of ${count} elements, at most ${mostFolded}`);
  return { shape, data: float ? new Float32Array(count) : new Float64Array(count) };
}

/** The shape that two shapes broadcast to. */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      throw new Unsupported(`shapes [${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** The constant with its elements repeated to a shape that its own broadcasts to. */
function expand(constant: Constant, shape: readonly number[]): Constant {
  const result = make(isFloat(constant), shape, [constant]);
  const strides: number[] = [];
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const own = constant.shape[axis - shape.length + constant.shape.length] ?? 1;
    strides[axis] = own === 1 ? 0 : stride;
    stride *= own;
  }
  const at = shape.map(() => 0);
  for (let i = 0; i < result.data.length; i++) {
    result.data[i] = constant.data[at.reduce((sum, k, axis) => sum + k * strides[axis]!, 0)]!;
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis]! >= shape[axis]!; axis--) at[axis] = 0;
  }
  return result;
}

function binary(a: Constant, b: Constant, f: (x: number, y: number) => number): Constant {
  const shape = broadcast(a.shape, b.shape);
  const [left, right] = [expand(a, shape), expand(b, shape)];
  const result = make(isFloat(a) || isFloat(b), shape, [a, b]);
  for (let i = 0; i < result.data.length; i++) result.data[i] = f(left.data[i]!, right.data[i]!);
  return result;
}

function transpose(x: Constant, order: readonly number[]): Constant {
  const shape = order.map((axis) => x.shape[axis]!);
  const strides = order.map((axis) => product(x.shape.slice(axis + 1)));
  const result = make(isFloat(x), shape, [x]);
  const at = shape.map(() => 0);
  for (let i = 0; i < result.data.length; i++) {
    result.data[i] = x.data[at.reduce((sum, k, axis) => sum + k * strides[axis]!, 0)]!;
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis]! >= shape[axis]!; axis--) at[axis] = 0;
  }
  return result;
}

/** Elements `indices` along an axis. */
function take(x: Constant, axis: number, indices: readonly number[], inner: readonly number[]): Constant {
  const [outer, size, rest] = [
    product(x.shape.slice(0, axis)),
    x.shape[axis]!,
    product(x.shape.slice(axis + 1)),
  ];
  const shape = [...x.shape.slice(0, axis), ...inner, ...x.shape.slice(axis + 1)];
  const result = make(isFloat(x), shape, [x]);
  let to = 0;
  for (let o = 0; o < outer; o++)
    for (const index of indices) {
      const i = index < 0 ? index + size : index;
      if (!(i >= 0 && i < size)) throw new Unsupported(`index ${index} lies outside ${size} elements`);
      const from = (o * size + i) * rest;
      result.data.set(x.data.subarray(from, from + rest), to);
      to += rest;
    }
  return result;
}

function concat(inputs: readonly Constant[], axis: number): Constant {
  const first = inputs[0]!;
  const size = inputs.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
  const result = make(inputs.some(isFloat), first.shape.with(axis, size), inputs);
  let to = 0;
  for (let o = 0; o < product(first.shape.slice(0, axis)); o++)
    for (const { shape, data } of inputs) {
      const length = product(shape.slice(axis));
      if (to + length > result.data.length) throw new Unsupported('constants of different shapes are joined');
      result.data.set(data.subarray(o * length, (o + 1) * length), to);
      to += length;
    }
  return result;
}

const binaries: ReadonlyMap<string, (x: number, y: number) => number> = new Map(
  Object.entries<(x: number, y: number) => number>({
    Add: (x, y) => x + y,
    Sub: (x, y) => x - y,
    Mul: (x, y) => x * y,
    Pow: (x, y) => x ** y,
    Min: Math.min,
    Max: Math.max,
    Mod: (x, y) => x - y * Math.floor(x / y),
    Equal: (x, y) => Number(x === y),
    Greater: (x, y) => Number(x > y),
    Less: (x, y) => Number(x < y),
    And: (x, y) => Number(x !== 0 && y !== 0),
    Or: (x, y) => Number(x !== 0 || y !== 0),
  }),
);

const unaries: ReadonlyMap<string, (x: number) => number> = new Map(
  Object.entries<(x: number) => number>({
    Neg: (x) => -x,
    Abs: Math.abs,
    Sqrt: Math.sqrt,
    Floor: Math.floor,
    Ceil: Math.ceil,
    Exp: Math.exp,
    Reciprocal: (x) => 1 / x,
    Not: (x) => Number(x === 0),
  }),
);

/** The result of an operator whose inputs are all constants, or undefined when it is not folded. Throws `Unsupported`. */
export function foldOperation(op: Operation, importer: Importer): Constant | undefined {
  const inputs = op.inputs.map((name) => (name === '' ? undefined : importer.constant(name)));
  const [x, y, z] = inputs;
  if (!x) return undefined;
  const combine = binaries.get(op.file.op);
  if (combine && y) return inputs.slice(1).reduce((sum, next) => binary(sum!, next!, combine), x);
  const map = unaries.get(op.file.op);
  if (map) return { shape: x.shape, data: x.data.map(map) };
  const ints = (constant: Constant | undefined): number[] | undefined => constant && [...constant.data];
  switch (op.file.op) {
    case 'Div': {
      if (!y) return undefined;
      const whole = !isFloat(x) && !isFloat(y);
      return binary(x, y, (a, b) => (whole ? Math.trunc(a / b) : a / b));
    }
    case 'Cast': {
      const to = op.int('to', 1);
      if (isFloatType(to)) return { shape: x.shape, data: Float32Array.from(x.data) };
      return {
        shape: x.shape,
        data: Float64Array.from(x.data, (value) => (to === 9 ? Number(value !== 0) : Math.trunc(value))),
      };
    }
    case 'Where':
      if (!y || !z) return undefined;
      return binary(
        binary(x, y, (c, a) => (c === 0 ? 0 : a)),
        binary(x, z, (c, b) => (c === 0 ? b : 0)),
        (a, b) => a + b,
      );
    case 'Gather': {
      if (!y) return undefined;
      const axis = resolveAxis(op.int('axis', 0), x.shape.length, 'axis');
      return take(x, axis, [...y.data], y.shape);
    }
    case 'Concat':
      return concat(inputs as Constant[], resolveAxis(op.int('axis', 1), x.shape.length, 'axis'));
    case 'Reshape': {
      const target = ints(y) ?? op.ints('shape') ?? [];
      return { shape: resolveReshape(x.shape, target, op.int('allowzero', 0) === 1), data: x.data };
    }
    case 'Flatten': {
      const axis = op.int('axis', 1);
      return { shape: [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))], data: x.data };
    }
    case 'Squeeze':
    case 'Unsqueeze':
      return { shape: squeezed(op, x.shape, ints(y) ?? op.ints('axes')), data: x.data };
    case 'Transpose':
      return transpose(x, op.ints('perm') ?? x.shape.map((_, axis) => x.shape.length - 1 - axis));
    case 'Slice': {
      let result = x;
      for (const { axis, start, step, count } of sliceRanges(op, x.shape, (name) =>
        importer.constant(name),
      )) {
        const indices = Array.from({ length: count }, (_, i) => start + i * step);
        result = take(result, axis, indices, [count]);
      }
      return result;
    }
    case 'Expand':
      return y && expand(x, broadcast(x.shape, [...y.data]));
    case 'ConstantOfShape': {
      const shape = [...x.data];
      const value = op.tensor('value');
      const filler = value ? readTensor(value) : { shape: [1], data: Float32Array.of(0) };
      const result = make(isFloat(filler), shape);
      result.data.fill(filler.data[0] ?? 0);
      return result;
    }
    case 'Range': {
      if (!y || !z) return undefined;
      const [start, limit, delta] = [x.data[0]!, y.data[0]!, z.data[0]!];
      const result = make(isFloat(x), [Math.max(0, Math.ceil((limit - start) / delta))]);
      result.data.forEach((_, i) => {
        result.data[i] = start + i * delta;
      });
      return result;
    }
    case 'ReduceProd': {
      const total = product([...x.data]);
      const shape = op.int('keepdims', 1) === 1 ? x.shape.map(() => 1) : [];
      if (x.shape.length > 1) return undefined;
      op.ints('axes');
      return { shape, data: isFloat(x) ? Float32Array.of(total) : Float64Array.of(total) };
    }
    default:
      return undefined;
  }
}

/** The shape after Squeeze or Unsqueeze. Throws `Unsupported`. */
export function squeezed(
  op: Operation,
  shape: readonly number[],
  axes: readonly number[] | undefined,
): number[] {
  if (op.file.op === 'Squeeze') {
    const away = axes?.map((axis) => resolveAxis(axis, shape.length, 'axes'));
    if (away?.some((axis) => shape[axis] !== 1))
      throw new Unsupported('takes away a dimension that is not 1', 'axes');
    return shape.filter((size, axis) => !(away ? away.includes(axis) : size === 1 && axis > 0));
  }
  const rank = shape.length + (axes?.length ?? 0);
  const added = new Set(axes?.map((axis) => resolveAxis(axis, rank, 'axes')));
  if (added.size !== (axes?.length ?? 0)) throw new Unsupported('names a dimension twice', 'axes');
  const rest = [...shape];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!));
}
