/**
 * Convolutions, depthwise ones and linear layers as steps. Parameters live in the arena in the layout that the
 * forward kernel reads; the gradient of the input reads a rearranged copy that is made at the start of each step.
 *
 * Shape legend: I input channels, O output channels, R x S kernel.
 */
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import type { LoweringContext, ParameterSlot } from './context.js';
import { emitReorder } from './kernels/gather.js';
import type { Strides } from './kernels/loops.js';
import { emitReduce } from './kernels/pixelwise.js';
import {
  emitTapConv,
  emitTapConvGradient,
  type TapConvGradientSpec,
  type TapConvSpec,
  type TapGrid,
} from './kernels/tap-conv.js';
import { emitTapDepthwise, emitTapDepthwiseGradient } from './kernels/tap-depthwise.js';
import { isWinograd, lowerWinograd, lowerWinogradGradient, prepareWinograd } from './lower-winograd.js';
import { quadsOf, strides, type View } from './maps.js';
import { convolutionClasses, gradientReach } from './taps.js';

/** Whether parameters are learned and decayed. */
export interface Traits {
  readonly learned: boolean;
  readonly decays: boolean;
}
export type TraitsOf = (name: string) => Traits;

/** A linear layer is a 1x1 convolution of 1x1 maps. */
export function asConvolution(node: LinearNode): Conv2dNode {
  const { inFeatures: inChannels, outFeatures: outChannels } = node;
  return {
    ...node,
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
  };
}

function isDepthwise(node: Conv2dNode): boolean {
  return node.groups === node.inChannels && node.groups === node.outChannels && node.groups > 1;
}

/** Index in panels of 8 outputs (a last one of 4): row k of K, output o of `quads` quads. */
function panelIndex(k: number, K: number, o: number, quads: number): number {
  const panel = o >> 3;
  const width = panel === quads >> 1 ? 4 : 8;
  return panel * K * 8 + k * width + (o & 7);
}

/** The slots of a convolution's parameters. Grouped weights are stored as a dense block diagonal. */
export function convolutionSlots(
  context: LoweringContext,
  node: Conv2dNode,
  traits: TraitsOf,
): { readonly weight: ParameterSlot; readonly bias: ParameterSlot | undefined } {
  const { inChannels, outChannels, groups } = node;
  const [R, S] = node.kernel;
  const [inStored, outStored] = [quadsOf(inChannels) * 4, quadsOf(outChannels) * 4];
  const perGroup = inChannels / groups;
  const K = R * S * inStored;
  const logical = outChannels * perGroup * R * S;
  const indexOf = (i: number): number => {
    const tap = i % (R * S);
    const c = Math.floor(i / (R * S)) % perGroup;
    const o = Math.floor(i / (R * S * perGroup));
    if (isDepthwise(node)) return tap * inStored + o;
    const input = Math.floor(o / (outChannels / groups)) * perGroup + c;
    return panelIndex(tap * inStored + input, K, o, outStored / 4);
  };
  const count = isDepthwise(node) ? R * S * inStored : K * outStored;
  const weight = context.parameter(node.weight, logical, count, indexOf, traits(node.weight));
  if (node.bias === undefined) return { weight, bias: undefined };
  return { weight, bias: context.parameter(node.bias, outChannels, outStored, (i) => i, traits(node.bias)) };
}

/** Border that a gradient of the node's output needs. */
export function gradientBorder(node: Conv2dNode, input: View, output: View): number {
  const { rows, cols } = convolutionClasses(node, input.buffer.height, input.buffer.width);
  return Math.max(gradientReach(rows, output.buffer.height), gradientReach(cols, output.buffer.width));
}

/** Maps of one pixel: the batch takes the place of a row, so that images share tiles. */
function isPointlike(views: readonly View[], node: Conv2dNode): boolean {
  if (isDepthwise(node) || node.kernel[0] !== 1 || node.kernel[1] !== 1) return false;
  return views.every(({ buffer }) => buffer.height === 1 && buffer.width === 1 && buffer.border === 0);
}

const asRow = (s: Strides): Strides => ({ pixel: s.image, row: 0, image: 0 });

/** The taps of a window in a view: whole kernel rows at once when the channels of neighbours follow each other. */
function gridOf(view: View, rows: number, cols: number, rowStep: number, colStep: number): TapGrid {
  const { pixel, row } = strides(view);
  const stored = quadsOf(view.channels) * 4;
  const joined = (colStep === 1 || cols === 1) && pixel === stored * 4;
  return joined
    ? { rows, cols: 1, rowStep: rowStep * row, colStep: 0, run: cols * stored }
    : { rows, cols, rowStep: rowStep * row, colStep: colStep * pixel, run: stored };
}

function forwardForm(node: Conv2dNode, x: View, y: View) {
  const [sy, sx] = node.stride;
  const s = strides(x);
  return {
    grid: isDepthwise(node)
      ? {
          rows: node.kernel[0],
          cols: node.kernel[1],
          rowStep: node.dilation[0] * s.row,
          colStep: node.dilation[1] * s.pixel,
          run: 0,
        }
      : gridOf(x, node.kernel[0], node.kernel[1], node.dilation[0], node.dilation[1]),
    height: y.buffer.height,
    width: y.buffer.width,
    x: { pixel: s.pixel * sx, row: s.row * sy, image: s.image },
  };
}

export function lowerConvolution(
  context: LoweringContext,
  node: Conv2dNode,
  x: View,
  y: View,
  traits: TraitsOf,
): void {
  const { weight, bias } = convolutionSlots(context, node, traits);
  if (isWinograd(node, y)) {
    const channels = { inQuads: quadsOf(x.channels), outQuads: quadsOf(y.channels) };
    const U = prepareWinograd(context, node.name, () => context.weight(weight), channels, 'both');
    lowerWinograd(context, x, y, U, bias ? { bias: () => context.weight(bias) } : 'zero');
    return;
  }
  const form = forwardForm(node, x, y);
  const start = bias ? ('bias' as const) : ('zero' as const);
  const depthwise = isDepthwise(node);
  const pointlike = isPointlike([x, y], node);
  context.step(
    (share) => {
      const spec: TapConvSpec = { ...form, y: strides(y), start, outQuads: quadsOf(y.channels) };
      if (depthwise) {
        const own = { ...form, y: strides(y), start, quads: quadsOf(y.channels) };
        return { key: `depthwise ${JSON.stringify(own)}`, emit: (isa) => emitTapDepthwise(own, isa) };
      }
      const used = pointlike
        ? { ...spec, width: share.count, x: asRow(strides(x)), y: asRow(strides(y)) }
        : spec;
      return { key: `conv ${JSON.stringify(used)}`, emit: (isa) => emitTapConv(used, isa) };
    },
    (share) => [
      context.at(x, share, -node.padding[0], -node.padding[1]),
      context.weight(weight),
      bias ? context.weight(bias) : 0,
      context.at(y, share),
      pointlike ? 1 : share.count,
    ],
    [x, y],
  );
}

/** Gradients of weight and bias, added to the thread's own. */
export function lowerParameterGradient(
  context: LoweringContext,
  node: Conv2dNode,
  x: View,
  dz: View,
  traits: TraitsOf,
): void {
  const { weight, bias } = convolutionSlots(context, node, traits);
  const pointlike = isPointlike([x, dz], node);
  if (weight.learned) {
    const form = { ...forwardForm(node, x, dz), z: strides(dz) };
    if (isWinograd(node, dz)) lowerWinogradGradient(context, x, dz, weight);
    else
      context.step(
        (share) => {
          if (isDepthwise(node)) {
            const own = { ...form, quads: quadsOf(dz.channels) };
            return {
              key: `depthwise gradient ${JSON.stringify(own)}`,
              emit: (isa) => emitTapDepthwiseGradient(own, isa),
            };
          }
          const spec: TapConvGradientSpec = { ...form, outQuads: quadsOf(dz.channels) };
          const used = pointlike
            ? { ...spec, width: share.count, x: asRow(strides(x)), z: asRow(strides(dz)) }
            : spec;
          return {
            key: `conv gradient ${JSON.stringify(used)}`,
            emit: (isa) => emitTapConvGradient(used, isa),
          };
        },
        (share) => [
          context.at(x, share, -node.padding[0], -node.padding[1]),
          context.at(dz, share),
          context.gradient(weight, share.thread),
          0,
          pointlike ? 1 : share.count,
        ],
        [x, dz],
      );
    if ((node.groups > 1 || node.inChannels % 4 !== 0) && !isDepthwise(node)) {
      // what lies off the block diagonal, or belongs to pad channels (sigmoid(0) is not 0), is no weight
      const kept = new Int32Array(weight.count).fill(-1);
      for (const i of weight.index) kept[i] = i * 4;
      const table = context.block(kept.byteLength, kept);
      context.step(
        () => ({ key: 'reorder', emit: () => emitReorder() }),
        (share) => {
          const at = context.gradient(weight, share.thread);
          return [at, table.address, at, weight.count];
        },
        [],
        'last',
      );
    }
  }
  if (bias?.learned) {
    const { height, width } = dz.buffer;
    const spec = {
      height,
      width,
      quads: quadsOf(dz.channels),
      inputs: [strides(dz)],
      sums: 1,
      resultImage: 0,
    };
    context.step(
      () => ({
        key: `bias gradient ${JSON.stringify(spec)}`,
        emit: () =>
          emitReduce(spec, (f, { inputs }, [sum = 0]) => {
            f.get(sum)
              .get(inputs[0] as number)
              .op('f32x4Add')
              .set(sum);
          }),
      }),
      (share) => [context.at(dz, share), context.gradient(bias, share.thread), 0, share.count],
      [dz],
    );
  }
}

/** Gradient of the input, class by class. `border`: what the input's own producer needs around it. */
export function lowerInputGradient(
  context: LoweringContext,
  node: Conv2dNode,
  name: string,
  x: View,
  dz: View,
  border: number,
  traits: TraitsOf,
): void {
  const { weight } = convolutionSlots(context, node, traits);
  const { rows, cols } = convolutionClasses(node, x.buffer.height, x.buffer.width);
  const classes = rows.flatMap((row) => cols.map((col) => ({ row, col })));
  const empty = classes.some(({ row, col }) => row.taps.length === 0 || col.taps.length === 0);
  const target = empty ? undefined : context.target(name, x, border);
  const to = target ? target.to : context.prepared(name, x, border);
  const from = target ? target.start : to;
  const [sy, sx] = node.stride;
  const scaled = (view: View): Strides => {
    const { pixel, row, image } = strides(view);
    return { pixel: pixel * sx, row: row * sy, image };
  };
  const start = from ? scaled(from) : ('zero' as const);
  const depthwise = isDepthwise(node);
  const pointlike = isPointlike(from ? [to, dz, from] : [to, dz], node);
  for (const { row, col } of classes) {
    if (row.taps.length === 0 || col.taps.length === 0) continue;
    const table = classTable(node, weight, row.taps, col.taps);
    const tableBlock = context.block(table.byteLength, table);
    const copy = context.block(table.byteLength);
    context.prepareWeights(weight, tableBlock, copy, table.length);
    if (isWinograd(node, x)) {
      const channels = { inQuads: quadsOf(dz.channels), outQuads: quadsOf(x.channels) };
      const U = prepareWinograd(context, node.name, () => copy.address, channels, 'train');
      lowerWinograd(context, dz, to, U, from ?? 'zero');
      continue;
    }
    const form = {
      grid: depthwise
        ? {
            rows: row.taps.length,
            cols: col.taps.length,
            rowStep: row.step * strides(dz).row,
            colStep: col.step * strides(dz).pixel,
            run: 0,
          }
        : gridOf(dz, row.taps.length, col.taps.length, row.step, col.step),
      height: row.count,
      width: col.count,
      x: strides(dz),
      y: scaled(to),
      start,
    };
    context.step(
      (share) => {
        if (depthwise) {
          const own = { ...form, quads: quadsOf(x.channels) };
          return { key: `depthwise ${JSON.stringify(own)}`, emit: (isa) => emitTapDepthwise(own, isa) };
        }
        const spec: TapConvSpec = { ...form, outQuads: quadsOf(x.channels) };
        const used = pointlike
          ? {
              ...spec,
              width: share.count,
              x: asRow(strides(dz)),
              y: asRow(strides(to)),
              start: from ? asRow(strides(from)) : ('zero' as const),
            }
          : spec;
        return { key: `conv ${JSON.stringify(used)}`, emit: (isa) => emitTapConv(used, isa) };
      },
      (share) => [
        context.at(dz, share, row.first, col.first),
        copy.address,
        from ? context.at(from, share, row.start, col.start) : 0,
        context.at(to, share, row.start, col.start),
        pointlike ? 1 : share.count,
      ],
      [dz, to, from],
    );
  }
}

/** For each value of a class's weights, the byte offset in the weight's slot (below 0: a zero). */
function classTable(
  node: Conv2dNode,
  weight: ParameterSlot,
  rowTaps: readonly number[],
  colTaps: readonly number[],
): Int32Array {
  const { inChannels, outChannels, groups } = node;
  const [R, S] = node.kernel;
  const [inQuads, outStored] = [quadsOf(inChannels), quadsOf(outChannels) * 4];
  const taps = rowTaps.length * colTaps.length;
  const perGroup = inChannels / groups;
  const depthwise = isDepthwise(node);
  const table = new Int32Array(depthwise ? taps * inQuads * 4 : taps * outStored * inQuads * 4).fill(-1);
  for (let o = 0; o < outChannels; o++)
    for (let c = 0; c < perGroup; c++)
      rowTaps.forEach((r, i) => {
        colTaps.forEach((s, j) => {
          const source = weight.index[((o * perGroup + c) * R + r) * S + s] as number;
          const tap = i * colTaps.length + j;
          const input = Math.floor(o / (outChannels / groups)) * perGroup + c;
          const at = depthwise
            ? tap * inQuads * 4 + o
            : panelIndex(tap * outStored + o, taps * outStored, input, inQuads);
          table[at] = source * 4;
        });
      });
  return table;
}
