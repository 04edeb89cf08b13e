/**
 * Gradients of convolutions, depthwise ones and linear layers as steps: of weight and bias, added to the thread's own,
 * and of the input, which reads a rearranged copy of the weights that is made at the start of each step.
 */
import type { Conv2dNode } from '../../graph/nodes.js';
import type { LoweringContext } from './context.js';
import { classTable, convolutionSlots, isDepthwise, type TraitsOf } from './convolution-weights.js';
import { emitReorder } from './kernels/gather.js';
import type { Strides } from './kernels/loops.js';
import { emitReduce } from './kernels/pixelwise.js';
import {
  emitTapConv,
  emitTapConvGradient,
  type TapConvGradientSpec,
  type TapConvSpec,
} from './kernels/tap-conv.js';
import { emitTapDepthwise, emitTapDepthwiseGradient } from './kernels/tap-depthwise.js';
import { asRow, forwardForm, gridOf, isPointlike } from './lower-convolution.js';
import { isWinograd, lowerWinograd, lowerWinogradGradient, prepareWinograd } from './lower-winograd.js';
import { quadsOf, strides, type View } from './maps.js';
import { convolutionClasses, gradientReach } from './taps.js';

/** Border that a gradient of the node's output needs. */
export function gradientBorder(node: Conv2dNode, input: View, output: View): number {
  const { rows, cols } = convolutionClasses(node, input.buffer.height, input.buffer.width);
  return Math.max(gradientReach(rows, output.buffer.height), gradientReach(cols, output.buffer.width));
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
