/**
 * How long a layer takes in the compiled module, by a simple model: its multiply-accumulates at the speed that its kind
 * of kernel was measured at, plus a fixed cost a step. Channels count in the quads in which they are stored. One thread.
 * 3x3 convolutions that the compiler runs by Winograd's scheme count 36 products a tile of 4x4, and both transforms.
 *
 * The speeds are the medians of `bench/results/kernels-*-node24.csv` and `kernels-*-node20.csv` (the machine is named
 * there). Another machine is faster or slower by some factor, which leaves what is compared here, one variant of a layer
 * with another, nearly as it is; `--measure` replaces the model by measurement.
 */
import type { Conv2dNode } from '../../graph/nodes.js';

/** Multiply-accumulates a nanosecond; with fused multiply-add (relaxed SIMD) and without. */
const speeds = {
  relaxed: { matrix: 27.5, depthwise: 18, strided: 15, wide: 9 },
  plain: { matrix: 21, depthwise: 17, strided: 14.5, wide: 7.6 },
} as const;
/** Milliseconds a step: its call, first touches of weights, edges of tiles. */
const stepMs = 0.001;

/** Milliseconds of one tile's transform of four channels, there or back. */
const transformMs = 1.6e-5;

const quads = (channels: number): number => Math.ceil(channels / 4) * 4;

/** Milliseconds of a convolution whose output map is [C, H, W]. */
export function convolutionMs(
  conv: Pick<Conv2dNode, 'inChannels' | 'outChannels' | 'groups' | 'kernel' | 'stride' | 'dilation'>,
  map: readonly number[],
  relaxed = true,
): number {
  const speed = speeds[relaxed ? 'relaxed' : 'plain'];
  const pixels = (map[1] ?? 1) * (map[2] ?? 1);
  const window = conv.kernel[0] * conv.kernel[1];
  const perOutput = (conv.inChannels / conv.groups) * window;
  const macs = quads(conv.outChannels) * pixels * perOutput;
  const depthwise = conv.groups > 1 && conv.groups === conv.inChannels;
  const rate = !depthwise
    ? speed.matrix
    : conv.stride[0] > 1 || conv.stride[1] > 1
      ? window > 9
        ? speed.wide
        : speed.strided
      : speed.depthwise;
  const direct = macs / rate / 1e6 + stepMs;
  const winograd = depthwise ? undefined : winogradMs(conv, map, speed.matrix);
  return winograd === undefined ? direct : Math.min(direct, winograd);
}

/** The same by Winograd's scheme; undefined where it cannot be, or the map has too few tiles. */
function winogradMs(
  conv: Parameters<typeof convolutionMs>[0],
  map: readonly number[],
  rate: number,
): number | undefined {
  const { inChannels, outChannels, groups, kernel, stride, dilation } = conv;
  const tiles = Math.ceil((map[1] ?? 1) / 4) * Math.ceil((map[2] ?? 1) / 4);
  const square = kernel.every((side) => side === 3) && [...stride, ...dilation].every((step) => step === 1);
  if (groups > 1 || !square || Math.min(inChannels, outChannels) < 8 || tiles < 4) return undefined;
  const [ins, outs] = [quads(inChannels), quads(outChannels)];
  return (tiles * 36 * ins * outs) / rate / 1e6 + ((tiles * (ins + outs)) / 4) * transformMs + 3 * stepMs;
}

/** Milliseconds to copy or combine maps of [C, H, W] once: read and written at about 8 GB/s. */
export function movementMs(map: readonly number[]): number {
  return (quads(map[0] ?? 0) * (map[1] ?? 1) * (map[2] ?? 1) * 8) / 8e6 + stepMs;
}
