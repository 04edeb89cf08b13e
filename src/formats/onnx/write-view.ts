/**
 * Writes a view (elements of a map in another order or shape) as nodes: channels moved are slices, a shuffle or a
 * concatenation of slices; rows and columns taken are a strided pool or a one-hot filter; [N, C, H, W] to [N, C*H*W] is
 * flatten. What is none of these is refused.
 */
import type { GraphWriter } from './graph-writer.js';
import { dimSize, type Factor, isWhole, offsetsOf, type ViewValue } from './values.js';

/** Most slices that one reordering of channels may become. */
const mostRuns = 4096;

/** The node that holds the view, made where needed. Throws `Unsupported`. */
export function writeView(writer: GraphWriter, view: ViewValue, name: string): string {
  const base = writer.builder.shape(view.base);
  const shape = view.dims.map(dimSize);
  const show = `[${base.join(', ')}] to [${shape.join(', ')}]`;
  if (shape[0] !== 1) writer.refuse(`the reshape ${show} of one image mixes the batch with other dimensions`);
  if (shape.length !== 2 && shape.length !== 4)
    writer.refuse(`a value of shape [${shape.join(', ')}] is used where [N, C, H, W] or [N, C] is needed`);
  const [, channels = 1, height = 1, width = 1] = base;
  const plane = height * width;
  if (isWhole(view, channels * plane) && shape.join() === base.join()) return view.base;
  if (shape.length === 2 && base.length === 4) {
    if (isWhole(view, channels * plane)) return flatten(writer, view.base, name);
    if (plane > 1) writer.refuse(`the reshape ${show} changes the order of values`);
    const all = orderOf(writer, view.dims[1]!, view.offset);
    return flatten(writer, gather(writer, view.base, all, `${name}.channels`), name);
  }
  if (shape.length === 2) return gather(writer, view.base, orderOf(writer, view.dims[1]!, view.offset), name);
  if (base.length === 2) {
    if (shape[2] !== 1 || shape[3] !== 1) writer.refuse(`the reshape ${show} makes a map of features`);
    return gather(writer, asMap(writer, view.base), orderOf(writer, view.dims[1]!, view.offset), name);
  }
  const from = orderOf(writer, view.dims[1]!, view.offset - (view.offset % plane));
  const row = axis(view, 2, width, height);
  const column = axis(view, 3, 1, width);
  const aligned = from.every((offset) => offset % plane === 0);
  if (!aligned || !row || !column)
    return writer.refuse(`the reshape ${show} moves rows or columns in a way that is not supported`);
  const start = view.offset % plane;
  const picked = gather(
    writer,
    view.base,
    from.map((offset) => offset / plane),
    sameSize(row, height) && sameSize(column, width) && start === 0 ? name : `${name}.channels`,
  );
  return pick(
    writer,
    picked,
    { ...row, start: Math.floor(start / width) },
    { ...column, start: start % width },
    name,
  );
}

/** Offsets of elements, within the limit. Throws `Unsupported`. */
export function orderOf(writer: GraphWriter, factors: readonly Factor[], from: number): Int32Array {
  writer.reserve(dimSize(factors));
  return offsetsOf(factors, from);
}

interface Steps {
  readonly count: number;
  readonly step: number;
}

/** Rows or columns of a view that are `unit` apart or a multiple of it; undefined when they are not one run. */
function axis(view: ViewValue, index: number, unit: number, size: number): Steps | undefined {
  const factors = view.dims[index]!;
  if (factors.length === 0) return { count: 1, step: 1 };
  const [factor] = factors;
  if (factors.length > 1 || !factor || factor.stride % unit !== 0) return undefined;
  const step = factor.stride / unit;
  return (factor.size - 1) * step < size ? { count: factor.size, step } : undefined;
}

function sameSize({ count, step }: Steps, size: number): boolean {
  return count === size && step === 1;
}

function flatten(writer: GraphWriter, x: string, name: string): string {
  return writer.add({ kind: 'flatten', name: writer.unique(name), inputs: [x] });
}

/** Channels `from` of x, in order. */
export function gather(writer: GraphWriter, x: string, from: ArrayLike<number>, name: string): string {
  const channels = writer.builder.channels(x);
  const count = from.length;
  const list = Array.from(from);
  const isRun = list.every((channel, i) => channel === list[0]! + i);
  if (isRun) return slice(writer, x, list[0]!, list[0]! + count, name);
  // a shuffle of g groups sends channel k * (C / g) + j to j * g + k
  const step = list[1]! - list[0]!;
  if (step > 0 && channels % step === 0) {
    const groups = channels / step;
    const first = list[0]!;
    const start = (first % step) * groups + Math.floor(first / step);
    const shuffled = (at: number): number => (at % groups) * step + Math.floor(at / groups);
    if (list.every((channel, i) => start + i < channels && channel === shuffled(start + i))) {
      const whole = count === channels;
      const node = writer.add({
        kind: 'shuffle',
        name: writer.unique(whole ? name : `${name}.shuffle`),
        inputs: [x],
        groups,
      });
      return slice(writer, node, start, start + count, name);
    }
  }
  const runs: [start: number, end: number][] = [];
  for (const channel of list) {
    const last = runs.at(-1);
    if (last && last[1] === channel) last[1]++;
    else runs.push([channel, channel + 1]);
  }
  if (runs.length > mostRuns)
    writer.refuse(`channels are reordered in ${runs.length} pieces, at most ${mostRuns}`);
  const parts = runs.map(([start, end], i) => slice(writer, x, start, end, `${name}.part${i}`));
  return writer.add({ kind: 'concat', name: writer.unique(name), inputs: parts });
}

function slice(writer: GraphWriter, x: string, start: number, end: number, name: string): string {
  if (start === 0 && end === writer.builder.channels(x)) return x;
  return writer.add({ kind: 'slice', name: writer.unique(name), inputs: [x], start, end });
}

/** Every `step`th row and column from `start` on. */
function pick(
  writer: GraphWriter,
  x: string,
  rows: Steps & { readonly start: number },
  columns: Steps & { readonly start: number },
  name: string,
): string {
  const [, channels = 1, height = 1, width = 1] = writer.builder.shape(x);
  if (rows.start === 0 && columns.start === 0 && sameSize(rows, height) && sameSize(columns, width)) return x;
  // a one-hot filter as long as what lies before the first and behind the last row
  const kernelOf = ({ start, step, count }: typeof rows, size: number): number =>
    Math.max(start + 1, size - (count - 1) * step - (step - 1));
  const kernel = [kernelOf(rows, height), kernelOf(columns, width)] as const;
  writer.reserve(channels * kernel[0] * kernel[1]);
  const data = new Float32Array(channels * kernel[0] * kernel[1]);
  for (let c = 0; c < channels; c++) data[(c * kernel[0] + rows.start) * kernel[1] + columns.start] = 1;
  return writer.fixedFilter(name, x, data, kernel, [0, 0, 0, 0], [rows.step, columns.step]);
}

/**
 * Features [N, C] as a map [N, C, 1, 1], for squeeze-and-excite blocks of linear layers: the layers are written once more
 * as 1x1 convolutions from the flatten on. Throws `Unsupported` when they do not come from a map [N, C, 1, 1].
 */
export function asMap(writer: GraphWriter, name: string): string {
  const node = writer.node(name);
  const again = (): string => asMap(writer, node!.inputs[0]!);
  const copy = writer.unique(`${name}.map`);
  switch (node?.kind) {
    case 'flatten': {
      const [, , height, width] = writer.builder.shape(node.inputs[0]!);
      if (height === 1 && width === 1) return node.inputs[0]!;
      break;
    }
    case 'linear': {
      const x = again();
      const shape = [node.outFeatures, node.inFeatures, 1, 1];
      const { data } = writer.weights.get(node.weight)!;
      const weight = writer.parameter(`${node.name}.filter`, shape, data);
      return writer.add(
        {
          kind: 'conv2d',
          name: copy,
          inputs: [x],
          inChannels: node.inFeatures,
          outChannels: node.outFeatures,
          kernel: [1, 1],
          stride: [1, 1],
          padding: [0, 0, 0, 0],
          dilation: [1, 1],
          groups: 1,
          weight,
          ...(node.bias === undefined ? {} : { bias: node.bias }),
        },
        {
          [weight]: { shape, role: 'weight' },
          ...(node.bias === undefined
            ? {}
            : { [node.bias]: { shape: [node.outFeatures], role: 'bias' as const } }),
        },
      );
    }
    case 'activation':
    case 'batchNorm':
    case 'slice':
    case 'dropout':
      return writer.add({ ...node, name: copy, inputs: [again()] });
    case 'add':
    case 'mul':
    case 'concat':
      return writer.add({
        ...node,
        name: copy,
        inputs: node.inputs.map((input) => asMap(writer, input)),
      });
    default:
  }
  return writer.refuse('features [N, C] become a map, which is only supported after a global average pool');
}
