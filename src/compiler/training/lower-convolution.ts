/** The forward steps of convolutions, depthwise ones and linear layers. */
import type { Conv2dNode } from '../../graph/nodes.js';
import type { LoweringContext } from './context.js';
import { convolutionSlots, isDepthwise, type TraitsOf } from './convolution-weights.js';
import type { Strides } from './kernels/loops.js';
import { emitTapConv, type TapConvSpec, type TapGrid } from './kernels/tap-conv.js';
import { emitTapDepthwise } from './kernels/tap-depthwise.js';
import { isWinograd, lowerWinograd, prepareWinograd } from './lower-winograd.js';
import { quadsOf, strides, type View } from './maps.js';

/** Maps of one pixel: the batch takes the place of a row, so that images share tiles. */
export function isPointlike(views: readonly View[], node: Conv2dNode): boolean {
  if (isDepthwise(node) || node.kernel[0] !== 1 || node.kernel[1] !== 1) return false;
  return views.every(({ buffer }) => buffer.height === 1 && buffer.width === 1 && buffer.border === 0);
}

export const asRow = (s: Strides): Strides => ({ pixel: s.image, row: 0, image: 0 });

/** The taps of a window in a view: whole kernel rows at once when the channels of neighbours follow each other. */
export function gridOf(view: View, rows: number, cols: number, rowStep: number, colStep: number): TapGrid {
  const { pixel, row } = strides(view);
  const stored = quadsOf(view.channels) * 4;
  const joined = (colStep === 1 || cols === 1) && pixel === stored * 4;
  return joined
    ? { rows, cols: 1, rowStep: rowStep * row, colStep: 0, run: cols * stored }
    : { rows, cols, rowStep: rowStep * row, colStep: colStep * pixel, run: stored };
}

export function forwardForm(node: Conv2dNode, x: View, y: View) {
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
