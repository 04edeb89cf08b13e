/** Readers of ONNX's operators that move values: Reshape and its kin, Slice, Split, Gather, Concat, Pad, Resize, Softmax. */
import { squeezed } from '../fold.js';
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import { resolveAxis, resolveReshape, sliceRanges } from '../ranges.js';
import { isFloatType } from '../tensor-data.js';
import { reshapeView, sliceView, transposeView, type ViewValue, valueShape, wholeView } from '../values.js';
import { gather } from '../write-view.js';

/** The value as a view in another shape; what has no such view is written out first. */
function reshaped(op: Operation, importer: Importer, shape: readonly number[]): void {
  const given = importer.shape(op.input(0));
  if (given.join() === shape.join()) {
    importer.alias(op.file.outputs[0]!, op.input(0));
    return;
  }
  let view = reshapeView(importer.view(op.input(0)), shape);
  if (!view) {
    const node = importer.map(op.input(0));
    view = reshapeView(wholeView(node, importer.builder.shape(node)), shape);
  }
  if (!view) importer.refuse(`from [${given.join(', ')}] to [${shape.join(', ')}] is not supported`, 'shape');
  importer.define(op.file.outputs[0]!, view!, op.name);
}

export function reshape(op: Operation, importer: Importer): void {
  const target = op.input(1) === '' ? (op.ints('shape') ?? []) : importer.needInts(op.input(1), 'shape');
  const shape = importer.shape(op.input(0));
  // a batch written as a number means the batch
  const batched = target[0] === importer.batch ? target.with(0, 1) : target;
  reshaped(op, importer, resolveReshape(shape, batched, op.int('allowzero', 0) === 1));
}

export function flatten(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const axis = resolveAxis(op.int('axis', 1), shape.length + 1, 'axis');
  op.only('axis', axis, 1);
  reshaped(op, importer, [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)]);
}

export function squeeze(op: Operation, importer: Importer): void {
  const axes = op.input(1) === '' ? op.ints('axes') : importer.needInts(op.input(1), 'axes');
  reshaped(op, importer, squeezed(op, importer.shape(op.input(0)), axes));
}

export function transpose(op: Operation, importer: Importer): void {
  const rank = importer.shape(op.input(0)).length;
  const order = op.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const isOrder = order.length === rank && [...order].sort((a, b) => a - b).every((axis, i) => axis === i);
  if (!isOrder) importer.refuse(`is [${order.join(', ')}] for ${rank} dimensions`, 'perm');
  importer.define(op.file.outputs[0]!, transposeView(importer.view(op.input(0)), order), op.name);
}

/** A part of one axis, from the view when it can, from the written map else. */
function part(
  importer: Importer,
  input: string,
  axis: number,
  range: { start: number; step: number; count: number },
): ViewValue {
  if (range.count < 1) importer.refuse('takes nothing', 'starts');
  const view = sliceView(importer.view(input), axis, range);
  if (view) return view;
  const node = importer.map(input);
  return sliceView(wholeView(node, importer.builder.shape(node)), axis, range)!;
}

export function slice(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const ranges = sliceRanges(op, shape, (name) => importer.constant(name));
  let view = importer.view(op.input(0));
  for (const { axis, ...range } of ranges) {
    if (range.count === shape[axis] && range.step === 1) continue;
    if (axis === 0) importer.refuse('cuts the batch', 'axes');
    if (range.step < 0) importer.refuse(`is ${range.step}, expected at least 1`, 'steps');
    if (range.count < 1) importer.refuse('takes nothing', 'starts');
    const cut = sliceView(view, axis, range);
    if (!cut) {
      if (ranges.length > 1) importer.refuse('cuts several axes of a reordered value', 'axes');
      view = part(importer, op.input(0), axis, range);
    } else view = cut;
  }
  importer.define(op.file.outputs[0]!, view, op.name);
}

export function split(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const axis = resolveAxis(op.int('axis', 0), shape.length, 'axis');
  const outputs = op.file.outputs;
  const size = shape[axis]!;
  const given = op.input(1) === '' ? op.ints('split') : importer.needInts(op.input(1), 'split');
  op.int('num_outputs', outputs.length);
  const even = Math.ceil(size / outputs.length);
  const sizes = given ?? outputs.map((_, i) => Math.min(even, size - i * even));
  if (axis === 0 && outputs.length > 1 && size === 1) importer.refuse('splits the batch', 'axis');
  if (sizes.length !== outputs.length || sizes.reduce((a, b) => a + b, 0) !== size)
    importer.refuse(`is [${sizes.join(', ')}] for ${size} elements and ${outputs.length} outputs`, 'split');
  let start = 0;
  outputs.forEach((output, i) => {
    const count = sizes[i]!;
    const name = outputs.length === 1 ? op.name : `${op.name}.${i}`;
    importer.define(output, part(importer, op.input(0), axis, { start, step: 1, count }), name);
    start += count;
  });
}

/** One element of an axis, or channels in a given order. */
export function gatherElements(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const axis = resolveAxis(op.int('axis', 0), shape.length, 'axis');
  const indices = importer.needConstant(op.input(1), 'indices');
  const list = [...indices.data].map((index) => (index < 0 ? index + shape[axis]! : index));
  if (list.some((index) => !(index >= 0 && index < shape[axis]!)))
    importer.refuse(`has an index outside ${shape[axis]} elements`, 'indices');
  if (indices.shape.length === 0) {
    const view = part(importer, op.input(0), axis, { start: list[0]!, step: 1, count: 1 });
    importer.define(op.file.outputs[0]!, { ...view, dims: view.dims.toSpliced(axis, 1) }, op.name);
    return;
  }
  if (axis !== 1 || indices.shape.length !== 1 || list.length === 0)
    importer.refuse('only one element of an axis, or a list of channels, can be gathered', 'indices');
  importer.defineNode(op, gather(importer, importer.map(op.input(0)), list, op.name));
}

export function concat(op: Operation, importer: Importer): void {
  const rank = importer.shape(op.input(0)).length;
  const axis = resolveAxis(op.int('axis', 1), rank, 'axis');
  op.only('axis', axis, 1);
  const inputs = op.inputs.map((name) => importer.map(name));
  importer.defineNode(op, importer.add({ kind: 'concat', name: importer.unique(op.name), inputs }));
}

export function pad(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const given = op.opset < 11 ? (op.ints('pads') ?? []) : importer.needInts(op.input(1), 'pads');
  const fill =
    op.opset < 11
      ? op.float('value', 0)
      : op.input(2) === ''
        ? 0
        : importer.needConstant(op.input(2), 'constant_value').data[0]!;
  const axes =
    op.input(3) === ''
      ? shape.map((_, axis) => axis)
      : importer.needInts(op.input(3), 'axes').map((axis) => resolveAxis(axis, shape.length, 'axes'));
  const rim = shape.map(() => [0, 0] as [number, number]);
  if (given.length !== axes.length * 2)
    importer.refuse(`has ${given.length} numbers, expected ${axes.length * 2}`, 'pads');
  axes.forEach((axis, i) => {
    rim[axis] = [given[i]!, given[i + axes.length]!];
  });
  if (given.some((size) => !(size >= 0))) importer.refuse(`is [${given.join(', ')}], which cuts`, 'pads');
  const lowest = fill < -3.4e38;
  if (fill !== 0 && !lowest) importer.refuse(`is ${fill}, only 0 is supported`, 'constant_value');
  const [batch = [0, 0], channels = [0, 0], rows = [0, 0], columns = [0, 0]] = rim;
  if (batch[0] + batch[1] > 0) importer.refuse(`is [${given.join(', ')}], which pads the batch`, 'pads');
  let x = importer.map(op.input(0));
  const spatial = rows[0] + rows[1] + columns[0] + columns[1] > 0;
  if (channels[0] + channels[1] > 0) {
    if (lowest) importer.refuse(`is ${fill}, only 0 is supported for channels`, 'constant_value');
    const name = importer.unique(spatial ? `${op.name}.channels` : op.name);
    x = importer.add({ kind: 'padChannels', name, inputs: [x], before: channels[0], after: channels[1] });
  }
  if (!spatial) {
    importer.defineNode(op, x);
    return;
  }
  const [n = 1, c = 1, h = 1, w = 1] = importer.builder.shape(x);
  importer.defineValue(op, {
    kind: 'padded',
    base: x,
    shape: [n, c, h + rows[0] + rows[1], w + columns[0] + columns[1]],
    padding: [rows[0], columns[0], rows[1], columns[1]],
    fill: lowest ? 'lowest' : 'zero',
  });
}

export function softmax(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const axis = resolveAxis(op.int('axis', op.opset < 13 ? 1 : -1), shape.length, 'axis');
  const rest = shape.slice(2).reduce((a, b) => a * b, 1);
  op.only('axis', axis, 1);
  // before opset 13 all axes from this one on are one
  if (op.opset < 13 && rest > 1) importer.refuse('spans channels, rows and columns before opset 13', 'axis');
  const x = importer.map(op.input(0));
  importer.defineNode(op, importer.add({ kind: 'softmax', name: importer.unique(op.name), inputs: [x] }));
}

export function dropout(op: Operation, importer: Importer): void {
  const rate =
    op.input(1) === ''
      ? op.float('ratio', 0.5)
      : (importer.needConstant(op.input(1), 'ratio').data[0] ?? 0.5);
  op.int('seed', 0);
  if (op.input(2) !== '' && importer.needConstant(op.input(2), 'training_mode').data[0] !== 0)
    importer.refuse('is true; files for training are not read', 'training_mode');
  const value = importer.value(op.input(0));
  if (!(rate > 0 && rate < 1) || ![2, 4].includes(valueShape(value)?.length ?? 0)) {
    importer.alias(op.file.outputs[0]!, op.input(0));
    return;
  }
  const x = importer.map(op.input(0));
  importer.defineNode(
    op,
    importer.add({
      kind: 'dropout',
      name: importer.unique(op.name),
      inputs: [x],
      rate: Number(rate.toPrecision(6)),
    }),
  );
}

export function cast(op: Operation, importer: Importer): void {
  const to = op.int('to', 1);
  op.int('saturate', 1);
  if (!isFloatType(to)) importer.refuse(`is ${to}, which is no float type`, 'to');
  importer.alias(op.file.outputs[0]!, op.input(0));
}

export function identity(op: Operation, importer: Importer): void {
  importer.alias(op.file.outputs[0]!, op.input(0));
}
