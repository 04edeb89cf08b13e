/**
 * How long a layer takes in the compiled module, by a simple model: its multiply-accumulates at the speed that its kind
 * of kernel was measured at, plus a fixed cost a step. Channels count in the quads in which they are stored. One thread.
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

const quads = (channels: number): number => Math.ceil(channels / 4) * 4;

/** Milliseconds of a convolution whose output map is [C, H, W]. */
export function convolutionMs(
  conv: Pick<Conv2dNode, 'inChannels' | 'outChannels' | 'groups' | 'kernel' | 'stride'>,
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
  return macs / rate / 1e6 + stepMs;
}

/** Milliseconds to copy or combine maps of [C, H, W] once: read and written at about 8 GB/s. */
export function movementMs(map: readonly number[]): number {
  return (quads(map[0] ?? 0) * (map[1] ?? 1) * (map[2] ?? 1) * 8) / 8e6 + stepMs;
}
