/**
 * The geometry of convolutions as grids of taps: where the windows of the forward pass begin, and the parity classes
 * of the gradient of the input (pixels of x that see the same taps form a class; each is a small convolution of stride
 * one over dz).
 */
import type { Conv2dNode } from '../../graph/nodes.js';

/** One axis of one class: pixels start, start + stride, ... (`count`) of x see `taps`, at `first + step * i` in dz. */
export interface AxisClass {
  readonly start: number;
  readonly count: number;
  /** Kernel positions, in the order of their place in dz. */
  readonly taps: readonly number[];
  readonly first: number;
  readonly step: number;
}

/** All classes of one axis. A class without taps has zero gradient. */
export function axisClasses(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  dilation: number,
): AxisClass[] {
  const classes: AxisClass[] = [];
  for (let start = 0; start < Math.min(stride, size); start++) {
    const taps: { readonly tap: number; readonly at: number }[] = [];
    for (let tap = kernel - 1; tap >= 0; tap--) {
      const at = start + before - tap * dilation;
      if (at % stride === 0) taps.push({ tap, at: at / stride });
    }
    const [first, second] = taps;
    classes.push({
      start,
      count: Math.ceil((size - start) / stride),
      taps: taps.map(({ tap }) => tap),
      first: first?.at ?? 0,
      step: first && second ? second.at - first.at : 1,
    });
  }
  return classes;
}

/** Rows of zeros that dz needs on the worse side of one axis so that no class reads outside. */
export function gradientReach(classes: readonly AxisClass[], outputs: number): number {
  let reach = 0;
  for (const { count, taps, first, step } of classes) {
    if (taps.length === 0) continue;
    const last = count - 1 + first + (taps.length - 1) * step;
    reach = Math.max(reach, -first, last - (outputs - 1));
  }
  return reach;
}

export function convolutionClasses(
  node: Conv2dNode,
  height: number,
  width: number,
): { readonly rows: AxisClass[]; readonly cols: AxisClass[] } {
  const { kernel, stride, padding, dilation } = node;
  return {
    rows: axisClasses(height, kernel[0], stride[0], padding[0], dilation[0]),
    cols: axisClasses(width, kernel[1], stride[1], padding[1], dilation[1]),
  };
}
