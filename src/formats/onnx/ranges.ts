/** Rules that several ONNX operators share: negative axes, the shape that Reshape means, the ranges that Slice takes. */
import { type Operation, Unsupported } from './operation.js';
import type { Constant } from './tensor-data.js';

/** An axis counted from the front. Throws `Unsupported`. */
export function resolveAxis(axis: number, rank: number, attribute: string): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank)
    throw new Unsupported(`is ${axis} for a value of ${rank} dimensions`, attribute);
  return resolved;
}

/** The sizes that a Reshape target means: 0 keeps (unless `allowZero`), -1 is what is left. Throws `Unsupported`. */
export function resolveReshape(
  shape: readonly number[],
  target: readonly number[],
  allowZero: boolean,
): number[] {
  const total = shape.reduce((a, b) => a * b, 1);
  const sizes = target.map((size, axis) => (size === 0 && !allowZero ? (shape[axis] ?? -2) : size));
  const free = sizes.indexOf(-1);
  if (free >= 0) sizes[free] = total / sizes.reduce((a, b, axis) => (axis === free ? a : a * b), 1);
  const fits = sizes.every((size) => Number.isInteger(size) && size >= 0);
  if (!fits || sizes.reduce((a, b) => a * b, 1) !== total)
    throw new Unsupported(`is [${target.join(', ')}], which does not fit [${shape.join(', ')}]`, 'shape');
  return sizes;
}

export interface AxisRange {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What a Slice takes from each axis that it names (attributes before opset 10, inputs since). Throws `Unsupported`. */
export function sliceRanges(
  op: Operation,
  shape: readonly number[],
  constant: (name: string) => Constant | undefined,
): AxisRange[] {
  const given = (name: string, index: number): readonly number[] | undefined => {
    if (op.opset < 10) return name === 'steps' ? undefined : op.ints(name);
    const input = op.input(index);
    if (input === '') return undefined;
    const values = constant(input);
    if (!values) throw new Unsupported('must be a constant, not computed from the input', name);
    return [...values.data];
  };
  const starts = given('starts', 1) ?? [];
  const ends = given('ends', 2) ?? [];
  const axes = given('axes', 3) ?? starts.map((_, axis) => axis);
  const steps = given('steps', 4) ?? starts.map(() => 1);
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
    throw new Unsupported('has another length than ends, axes or steps', 'starts');
  return axes.map((given_, i) => {
    const axis = resolveAxis(given_, shape.length, 'axes');
    const size = shape[axis]!;
    const step = steps[i]!;
    if (!Number.isInteger(step) || step === 0) throw new Unsupported(`is ${step}`, 'steps');
    // backwards a range ends before the first element, which -1 cannot say: it means the last
    const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (value: number, low: number): number =>
      Math.min(Math.max(value < 0 ? value + size : value, low), most);
    const [start, end] = [clamp(starts[i]!, 0), clamp(ends[i]!, least)];
    return { axis, start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
}
