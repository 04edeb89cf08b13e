/** Readers of ONNX's pools, and what they share with Conv: kernel, strides, dilations, pads and auto_pad. */
import type { Padding, Pair } from '../../../graph/nodes.js';
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import { resolveAxis } from '../ranges.js';
import { wholeView } from '../values.js';

export interface Window {
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly padding: Padding;
}

function pairOf(op: Operation, importer: Importer, name: string): Pair {
  const values = op.ints(name) ?? [1, 1];
  if (values.length !== 2 || values.some((value) => !(value >= 1)))
    importer.refuse(`is [${values.join(', ')}], expected two sizes of at least 1`, name);
  return values as unknown as Pair;
}

/** Strides, dilations and padding of a window over x [1, C, H, W]. Throws `Unsupported`. */
export function readWindow(op: Operation, importer: Importer, x: readonly number[], kernel: Pair): Window {
  if (x.length !== 4) importer.refuse(`works on [N, C, H, W], given [${x.join(', ')}]`);
  const shape = op.ints('kernel_shape');
  if (shape && shape.join() !== kernel.join())
    importer.refuse(`is [${shape.join(', ')}], expected [${kernel.join(', ')}]`, 'kernel_shape');
  const stride = pairOf(op, importer, 'strides');
  const dilation = pairOf(op, importer, 'dilations');
  const mode = op.text('auto_pad', 'NOTSET') || 'NOTSET';
  const pads = op.ints('pads') ?? [0, 0, 0, 0];
  if (pads.length !== 4 || pads.some((value) => !(value >= 0)))
    importer.refuse(`is [${pads.join(', ')}], expected four numbers of at least 0`, 'pads');
  switch (mode) {
    case 'NOTSET':
      return { stride, dilation, padding: pads as unknown as Padding };
    case 'VALID':
      return { stride, dilation, padding: [0, 0, 0, 0] };
    case 'SAME_UPPER':
    case 'SAME_LOWER': {
      const sides = ([0, 1] as const).map((axis): Pair => {
        const size = x[axis + 2]!;
        const span = dilation[axis] * (kernel[axis] - 1) + 1;
        const out = Math.ceil(size / stride[axis]);
        const total = Math.max(0, (out - 1) * stride[axis] + span - size);
        const less = Math.floor(total / 2);
        return mode === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
      });
      const [[top, bottom], [left, right]] = sides as [Pair, Pair];
      return { stride, dilation, padding: [top, left, bottom, right] };
    }
    default:
      return importer.refuse(`is "${mode}", which is not known`, 'auto_pad');
  }
}

/** MaxPool and AveragePool; a Pad before goes into the pool where the numbers stay the same. */
export function pool(op: Operation, importer: Importer): void {
  const isMax = op.file.op === 'MaxPool';
  const given = op.ints('kernel_shape');
  if (given?.length !== 2 || given.some((size) => !(size >= 1)))
    importer.refuse(`is [${given?.join(', ')}], expected two sizes of at least 1`, 'kernel_shape');
  const kernel = given as unknown as Pair;
  const value = importer.value(op.input(0));
  const shape = importer.shape(op.input(0));
  const window = readWindow(op, importer, shape, kernel);
  const ceilMode = op.int('ceil_mode', 0) !== 0;
  const countIncludePad = !isMax && op.int('count_include_pad', 0) !== 0;
  const own = window.padding.some((size) => size > 0);
  const takes =
    value.kind === 'padded' &&
    (isMax ? value.fill === 'lowest' : value.fill === 'zero' && (!own || countIncludePad) && !ceilMode);
  const x = takes ? value.base : importer.map(op.input(0));
  const before = takes ? value.padding : ([0, 0, 0, 0] as const);
  const padding = window.padding.map((size, i) => size + before[i]!) as unknown as Padding;
  const geometry = { kernel, stride: window.stride, padding, ceilMode };
  const name = importer.unique(op.name);
  importer.defineNode(
    op,
    isMax
      ? importer.add({ kind: 'maxPool', name, inputs: [x], ...geometry })
      : importer.add({
          kind: 'avgPool',
          name,
          inputs: [x],
          ...geometry,
          countIncludePad: takes || countIncludePad,
        }),
  );
}

export function globalAveragePool(op: Operation, importer: Importer): void {
  const x = importer.map(op.input(0));
  importer.defineNode(
    op,
    importer.add({ kind: 'globalAvgPool', name: importer.unique(op.name), inputs: [x] }),
  );
}

export function globalMaxPool(op: Operation, importer: Importer): void {
  const x = importer.map(op.input(0));
  const [, , height = 1, width = 1] = importer.builder.shape(x);
  importer.defineNode(
    op,
    importer.add({
      kind: 'maxPool',
      name: importer.unique(op.name),
      inputs: [x],
      kernel: [height, width],
      stride: [1, 1],
      padding: [0, 0, 0, 0],
      ceilMode: false,
    }),
  );
}

/** A mean over H and W; over other axes it is refused. */
export function reduceMean(op: Operation, importer: Importer): void {
  const shape = importer.shape(op.input(0));
  const given = op.input(1) === '' ? op.ints('axes') : importer.needInts(op.input(1), 'axes');
  const axes = (given ?? []).map((axis) => resolveAxis(axis, shape.length, 'axes')).sort();
  const keep = op.int('keepdims', 1) !== 0;
  if (shape.length !== 4 || axes.join() !== '2,3')
    importer.refuse(
      `is [${(given ?? []).join(', ')}] for [${shape.join(', ')}]; only the mean over height and width is supported`,
      'axes',
    );
  const x = importer.map(op.input(0));
  const name = importer.unique(keep ? op.name : `${op.name}.mean`);
  const mean = importer.add({ kind: 'globalAvgPool', name, inputs: [x] });
  if (keep) importer.defineNode(op, mean);
  else {
    const view = wholeView(mean, importer.builder.shape(mean));
    importer.define(op.file.outputs[0]!, { ...view, dims: view.dims.slice(0, 2) }, op.name);
  }
}
