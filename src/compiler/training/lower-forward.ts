/** The forward steps of every node kind. */
import type { ForwardNode } from '../../autodiff/nodes.js';
import { rangeError, unreachable } from '../../errors.js';
import type { ConcatNode, ShiftNode, SliceNode } from '../../graph/nodes.js';
import { emitActivation } from '../kernels/kernel.js';
import type { LoweringContext } from './context.js';
import { emitGather, emitPool } from './kernels/gather.js';
import { emitDropout, emitRowSoftmax } from './kernels/loss.js';
import { emitReduce } from './kernels/pixelwise.js';
import { lowerBatchNorm } from './lower-batch-norm.js';
import { lowerConvolution } from './lower-convolution.js';
import { convolutionOf, isView, type Lowering } from './lowering.js';
import { isDense, quadsOf, strides, type View } from './maps.js';
import { gatherTable, type PoolKind, poolTable } from './tables.js';

type Source = (c: number, y: number, x: number) => readonly [number, number, number] | undefined;

/** The place in the input that a value of the output is a copy of, for ops that only move values. */
export function sourceOf(node: ForwardNode, x: View): Source | undefined {
  const { height, width } = x.buffer;
  switch (node.kind) {
    case 'slice':
      return (c, i, j) => [(node as SliceNode).start + c, i, j];
    case 'padChannels':
      return (c, i, j) =>
        c >= node.before && c < node.before + x.channels ? [c - node.before, i, j] : undefined;
    case 'shuffle': {
      const perGroup = x.channels / node.groups;
      return (c, i, j) => [(c % node.groups) * perGroup + Math.floor(c / node.groups), i, j];
    }
    case 'permuteChannels':
      return (c, i, j) => [node.order[c] as number, i, j];
    case 'shift':
      return (c, i, j) => {
        const [dy, dx] = (node as ShiftNode).offsets[c] as readonly [number, number];
        const inside = i + dy >= 0 && i + dy < height && j + dx >= 0 && j + dx < width;
        return inside ? [c, i + dy, j + dx] : undefined;
      };
    case 'flatten':
      return (c) => [Math.floor(c / (height * width)), Math.floor(c / width) % height, c % width];
    case 'upsample':
      return (c, i, j) => [c, Math.floor(i / node.scale[0]), Math.floor(j / node.scale[1])];
    default:
      return undefined;
  }
}

/** A table-driven copy of each image. */
export function gather(
  context: LoweringContext,
  from: View,
  to: View,
  table: Int32Array,
  add: boolean,
): void {
  const block = context.block(table.byteLength, table);
  const spec = {
    count: table.length / 2,
    inImage: strides(from).image,
    outImage: strides(to).image,
    add,
  };
  context.step(
    () => ({ key: `gather ${JSON.stringify(spec)}`, emit: () => emitGather(spec) }),
    (share) => [context.at(from, share), block.address, context.at(to, share), share.count],
    [from, to],
  );
}

export function poolOf(node: ForwardNode): PoolKind | undefined {
  if (node.kind === 'maxPool') return { kind: 'max', geometry: node };
  if (node.kind === 'avgPool') return { kind: 'average', geometry: node };
  return undefined;
}

/** Per-image coefficients of a gate or a pooled value: one quad vector an image. */
export function imageVector(context: LoweringContext, view: View) {
  return {
    count: 1,
    step: 0,
    image: strides(view).image,
    at: (share: Parameters<LoweringContext['at']>[1]) => context.at(view, share),
  };
}

/** A number that tells the dropouts of a network apart. */
export function saltOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

/** y = mask(x): the same for values and gradients. Both are copied to dense maps where needed. */
export function dropout(
  context: LoweringContext,
  node: Extract<ForwardNode, { kind: 'dropout' }>,
  from: View,
  to: View,
  seedWord: () => number,
  add: boolean,
): void {
  let x = from;
  if (!isDense(from)) {
    const { height, width } = from.buffer;
    x = {
      buffer: context.buffer(`${node.name} dense`, height, width, from.channels, 0),
      offset: 0,
      channels: from.channels,
    };
    context.copy(from, x);
  }
  const { height, width, stored } = x.buffer;
  const spec = {
    count: height * width * stored,
    inImage: strides(x).image,
    outImage: strides(to).image,
    rate: node.rate,
    salt: saltOf(node.name),
    add,
  };
  if (!isDense(to))
    throw rangeError(
      'NOT_TRAINABLE',
      `node "${node.name}" (dropout): its output is part of another map; put an activation after it`,
    );
  context.step(
    () => ({ key: `dropout ${JSON.stringify(spec)}`, emit: () => emitDropout(spec) }),
    (share) => [context.at(x, share), seedWord(), context.at(to, share), share.first, share.count],
    [x, to],
  );
}

function lowerConcat(context: LoweringContext, node: ConcatNode, lowering: Lowering): void {
  const to = lowering.view(node.name);
  let offset = 0;
  for (const name of node.inputs) {
    const from = lowering.view(name);
    const start = offset;
    offset += from.channels;
    if (from.buffer === to.buffer && from.offset === to.offset + start) continue;
    const aligned = start % 4 === 0 && (from.channels % 4 === 0 || offset === to.channels);
    if (aligned) {
      context.copy(from, { buffer: to.buffer, offset: to.offset + start, channels: from.channels });
      continue;
    }
    const all = gatherTable(from, to, (c, y, x) =>
      c >= start && c < offset ? [c - start, y, x] : undefined,
    );

    const kept: number[] = [];
    for (let i = 0; i < all.length; i += 2)
      if ((all[i] as number) >= 0) kept.push(all[i] as number, all[i + 1] as number);
    gather(context, from, to, Int32Array.from(kept), false);
  }
}

export function lowerForward(lowering: Lowering, node: ForwardNode): void {
  const { context, view, traits, sizes } = lowering;
  if (isView(node, (name) => sizes.get(name) ?? [1, 1, 1])) return;
  const y = view(node.name);
  if (node.kind === 'input') {
    lowerInput(context, y);
    return;
  }
  const x = view(node.inputs[0] as string);
  const conv = convolutionOf(node);
  if (conv) {
    lowerConvolution(context, conv, x, y, traits);
    return;
  }
  const pool = poolOf(node);
  if (pool) {
    const table = poolTable(pool, x, y);
    const block = context.block(table.byteLength, table);
    const { kernel } = pool.geometry;
    const spec = {
      kind: pool.kind,
      pixels: y.buffer.height * y.buffer.width,
      taps: kernel[0] * kernel[1],
      quads: quadsOf(y.channels),
      inImage: strides(x).image,
      outImage: strides(y).image,
      gradientInImage: 0,
      gradientOutImage: 0,
    };
    context.step(
      () => ({ key: `pool ${JSON.stringify(spec)}`, emit: () => emitPool(spec) }),
      (share) => [context.at(x, share), block.address, context.at(y, share), share.count],
      [x, y],
    );
    return;
  }
  switch (node.kind) {
    case 'batchNormActivation':
      lowering.norms.set(node.name, lowerBatchNorm(context, node, x, y, traits));
      return;
    case 'activation':
      context.map(`act ${node.function}`, [x], y, undefined, (f, { inputs: [v = 0] }) => {
        f.get(v);
        emitActivation(f, node.function);
      });
      return;
    case 'add':
    case 'addRelu': {
      const other = view(node.inputs[1] as string);
      context.map(node.kind, [x, other], y, undefined, (f, { inputs: [a = 0, b = 0] }) => {
        f.get(a).get(b).op('f32x4Add');
        if (node.kind === 'addRelu') emitActivation(f, 'relu');
      });
      return;
    }
    case 'mul': {
      const other = view(node.inputs[1] as string);
      if (other.buffer.height === x.buffer.height && other.buffer.width === x.buffer.width)
        context.map('mul', [x, other], y, undefined, (f, { inputs: [a = 0, b = 0] }) => {
          f.get(a).get(b).op('f32x4Mul');
        });
      else
        context.map(
          'gate',
          [x],
          y,
          imageVector(context, other),
          (f, { inputs: [a = 0], coefficients: [g = 0] }) => void f.get(a).get(g).op('f32x4Mul'),
          [other],
        );
      return;
    }
    case 'globalAvgPool': {
      const { height, width } = x.buffer;
      const quads = quadsOf(x.channels);
      const spec = { height, width, quads, inputs: [strides(x)], sums: 1, resultImage: strides(y).image };
      context.step(
        () => ({
          key: `global pool ${JSON.stringify(spec)}`,
          emit: () =>
            emitReduce(
              spec,
              (f, { inputs: [v = 0] }, [sum = 0]) => void f.get(sum).get(v).op('f32x4Add').set(sum),
              (f) => void f.f32x4Const(1 / (height * width)).op('f32x4Mul'),
            ),
        }),
        (share) => [context.at(x, share), context.at(y, share), 0, share.count],
        [x, y],
      );
      return;
    }
    case 'concat':
      lowerConcat(context, node, lowering);
      return;
    case 'softmax': {
      if (x.buffer.height * x.buffer.width !== 1 || !isDense(x) || !isDense(y))
        throw rangeError(
          'NOT_TRAINABLE',
          `node "${node.name}" (softmax): training takes it over [N, C] only`,
        );
      const quads = quadsOf(x.channels);
      context.step(
        () => ({ key: `softmax ${x.channels}`, emit: () => emitRowSoftmax(x.channels, quads) }),
        (share) => [context.at(x, share), 0, context.at(y, share), share.count],
        [x, y],
      );
      return;
    }
    case 'dropout': {
      const program = context.program;
      context.program = 'train';
      dropout(context, node, x, y, () => context.seedWord, false);
      context.program = 'evaluate';
      context.copy(x, y);
      context.program = program;
      return;
    }
    case 'slice':
    case 'padChannels':
    case 'shuffle':
    case 'permuteChannels':
    case 'shift':
    case 'flatten':
    case 'upsample': {
      const source = sourceOf(node, x);
      if (source) gather(context, x, y, gatherTable(x, y, source), false);
      return;
    }
    case 'identity':
    case 'conv2d':
    case 'linear':
    case 'maxPool':
    case 'avgPool':
      return;
    default:
      unreachable(node);
  }
}

/** Planar images [N, C, H, W] that the caller has put into the staging block become the input's map. */
function lowerInput(context: LoweringContext, y: View): void {
  const { height, width } = y.buffer;
  const { channels } = y;
  const stored = quadsOf(channels) * 4;
  const { pixel, row, image } = strides(y);
  const pairs: number[] = [];
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++)
      for (let c = 0; c < stored; c++)
        pairs.push(c < channels ? ((c * height + i) * width + j) * 4 : -1, i * row + j * pixel + c * 4);
  const table = Int32Array.from(pairs);
  const block = context.block(table.byteLength, table);
  const inImage = channels * height * width * 4;
  context.imageFloats = inImage / 4;
  context.staging = context.block(inImage * context.batch);
  const spec = { count: table.length / 2, inImage, outImage: image, add: false };
  context.step(
    () => ({ key: `gather ${JSON.stringify(spec)}`, emit: () => emitGather(spec) }),
    (share) => [
      (context.staging?.address ?? 0) + share.first * inImage,
      block.address,
      context.at(y, share),
      share.count,
    ],
    [y],
  );
}
