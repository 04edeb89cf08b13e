/**
 * Static shape inference: the output shape of every node, for a batch size and optional other input sizes.
 * Feature maps are [N, C, H, W], flattened features [N, C]. Pure; every mismatch names the node, what was given and
 * what was expected.
 */
import { rangeError, unreachable } from '../errors.js';
import type { Graph } from './graph.js';
import type { Node, Padding, Pair, ShiftNode } from './nodes.js';

export interface ShapeOptions {
  /** N of every input. Default 1. */
  readonly batch?: number;
  /** Other [C, H, W] for inputs by node name, e.g. another image size. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
}

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Output length of a window that slides along `size` (PyTorch's rule, ceil mode included). */
export function windowOutput(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation = 1,
  ceilMode = false,
): number {
  const span = size + before + after - dilation * (kernel - 1) - 1;
  if (!ceilMode) return Math.floor(span / stride) + 1;
  const out = Math.ceil(span / stride) + 1;
  return (out - 1) * stride >= size + before ? out - 1 : out;
}

/** [N, C, H, W] after a window of the given geometry over [N, *, H, W]. */
export function windowShape(
  shape: readonly number[],
  channels: number,
  geometry: {
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: Padding;
    readonly dilation?: Pair;
    readonly ceilMode?: boolean;
  },
): readonly number[] {
  const [n, , h, w] = shape as [number, number, number, number];
  const [top, left, bottom, right] = geometry.padding;
  const [dh, dw] = geometry.dilation ?? [1, 1];
  const ceil = geometry.ceilMode ?? false;
  return [
    n,
    channels,
    windowOutput(h, geometry.kernel[0], geometry.stride[0], top, bottom, dh, ceil),
    windowOutput(w, geometry.kernel[1], geometry.stride[1], left, right, dw, ceil),
  ];
}

/** The window that holds all offsets of a shift: as a depthwise convolution has it. */
export function shiftWindow(node: ShiftNode): { readonly kernel: Pair; readonly padding: Padding } {
  const rows = node.offsets.map(([dy]) => dy);
  const columns = node.offsets.map(([, dx]) => dx);
  const top = Math.max(0, ...rows.map((dy) => -dy));
  const left = Math.max(0, ...columns.map((dx) => -dx));
  const bottom = Math.max(0, ...rows);
  const right = Math.max(0, ...columns);
  return { kernel: [top + bottom + 1, left + right + 1], padding: [top, left, bottom, right] };
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The output shape of one node from its inputs' shapes. Throws RangeError `SHAPE_MISMATCH`. */
export function inferNodeShape(node: Node, inputs: readonly (readonly number[])[]): readonly number[] {
  const fail = (given: string, expected: string): never => {
    throw rangeError(
      'SHAPE_MISMATCH',
      `node "${node.name}" (${node.kind}): given ${given}, expected ${expected}`,
    );
  };
  const arity = (count: number): void => {
    if (inputs.length !== count) fail(`${inputs.length} inputs`, `${count}`);
  };
  const first = inputs[0] ?? [];
  const needMaps = (channels?: number): void => {
    if (first.length !== 4) fail(show(first), 'a feature map [N, C, H, W]');
    if (channels !== undefined && first[1] !== channels) fail(show(first), `${channels} channels`);
  };
  const positive = (shape: readonly number[]): readonly number[] => {
    if (shape.some((size) => size < 1)) fail(`${show(first)}, which gives ${show(shape)}`, 'a larger input');
    return shape;
  };
  switch (node.kind) {
    case 'input':
      return fail('an input node', 'its declared shape');
    case 'conv2d':
      arity(1);
      needMaps(node.inChannels);
      return positive(windowShape(first, node.outChannels, node));
    case 'batchNorm':
      arity(1);
      if (first[1] !== node.channels) fail(show(first), `${node.channels} channels`);
      return first;
    case 'add':
      arity(2);
      if (show(first) !== show(inputs[1] ?? []))
        fail(`${show(first)} and ${show(inputs[1] ?? [])}`, 'equal shapes');
      return first;
    case 'mul': {
      arity(2);
      const second = inputs[1] ?? [];
      const gate =
        first.length === 4 && second.length === 4 && second[0] === first[0] && second[1] === first[1];
      const isGate = gate && second[2] === 1 && second[3] === 1;
      if (show(first) !== show(second) && !isGate)
        fail(`${show(first)} and ${show(second)}`, 'equal shapes, or a gate [N, C, 1, 1] as the second');
      return first;
    }
    case 'concat': {
      if (inputs.length === 0) fail('no inputs', 'at least one');
      let channels = 0;
      for (const shape of inputs) {
        const same =
          shape.length === first.length && shape.every((size, axis) => axis === 1 || size === first[axis]);
        if (!same) fail(inputs.map(show).join(' and '), 'shapes that differ in C only');
        channels += shape[1] ?? 0;
      }
      return first.map((size, axis) => (axis === 1 ? channels : size));
    }
    case 'slice': {
      arity(1);
      const channels = first[1] ?? 0;
      if (!(node.start >= 0 && node.start < node.end && node.end <= channels))
        fail(`channels ${node.start} to ${node.end} of ${show(first)}`, `0 <= start < end <= ${channels}`);
      return first.map((size, axis) => (axis === 1 ? node.end - node.start : size));
    }
    case 'padChannels':
      arity(1);
      return first.map((size, axis) => (axis === 1 ? node.before + size + node.after : size));
    case 'shuffle':
      arity(1);
      needMaps();
      if ((first[1] ?? 0) % node.groups !== 0)
        fail(show(first), `channels divisible by ${node.groups} groups`);
      return first;
    case 'permuteChannels': {
      arity(1);
      const given = new Set(node.order);
      const channels = first[1] ?? 0;
      const whole = node.order.every((c) => Number.isInteger(c) && c >= 0 && c < channels);
      if (!whole || node.order.length !== channels || given.size !== channels)
        fail(`order ${node.order.join(', ')} of ${show(first)}`, `each of 0 to ${channels - 1} once`);
      return first;
    }
    case 'shift':
      arity(1);
      needMaps(node.offsets.length);
      return first;
    case 'maxPool':
    case 'avgPool':
      arity(1);
      needMaps();
      return positive(windowShape(first, first[1] ?? 0, node));
    case 'globalAvgPool':
      arity(1);
      needMaps();
      return [first[0] ?? 0, first[1] ?? 0, 1, 1];
    case 'flatten':
      arity(1);
      return [first[0] ?? 0, first.slice(1).reduce((a, b) => a * b, 1)];
    case 'linear':
      arity(1);
      if (first.length !== 2 || first[1] !== node.inFeatures) fail(show(first), `[N, ${node.inFeatures}]`);
      return [first[0] ?? 0, node.outFeatures];
    case 'upsample':
      arity(1);
      needMaps();
      return [first[0] ?? 0, first[1] ?? 0, (first[2] ?? 0) * node.scale[0], (first[3] ?? 0) * node.scale[1]];
    case 'softmax':
    case 'activation':
    case 'dropout':
    case 'identity':
      arity(1);
      return first;
    default:
      return unreachable(node);
  }
}

/**
 * The output shape of every node by name, batch included.
 * Throws RangeError `SHAPE_MISMATCH` (naming node, given and expected) or `BAD_BATCH`.
 */
export function inferShapes(graph: Graph, options: ShapeOptions = {}): Shapes {
  const batch = options.batch ?? 1;
  if (!Number.isInteger(batch) || batch < 1)
    throw rangeError('BAD_BATCH', `batch: given ${batch}, expected a whole number of at least 1`);
  const shapes = new Map<string, readonly number[]>();
  for (const node of graph.nodes) {
    if (node.kind === 'input') {
      const shape = options.inputShapes?.[node.name] ?? node.shape;
      if (shape.length !== node.shape.length || shape.some((size) => !Number.isInteger(size) || size < 1))
        throw rangeError(
          'SHAPE_MISMATCH',
          `node "${node.name}" (input): given ${show(shape)}, expected ${node.shape.length} whole numbers of at least 1`,
        );
      shapes.set(node.name, [batch, ...shape]);
      continue;
    }
    const inputs = node.inputs.map((name) => {
      const shape = shapes.get(name);
      if (!shape)
        throw rangeError(
          'GRAPH_INVALID',
          `node "${node.name}" reads "${name}", which is not an earlier node`,
        );
      return shape;
    });
    shapes.set(node.name, inferNodeShape(node, inputs));
  }
  return shapes;
}
