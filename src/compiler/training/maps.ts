/**
 * Feature maps in memory: buffers, views of channel ranges in them, and the plan that gives buffers their addresses.
 * A buffer is [N][H + 2b][W + 2b][S] floats. Buffers share memory only with buffers of the very same form, so a zero
 * border stays zero for ever and an image always belongs to the same thread.
 */
import type { Strides } from './kernels/loops.js';

export interface MapBuffer {
  readonly label: string;
  readonly height: number;
  readonly width: number;
  /** S: stored channels, a multiple of 4. */
  readonly stored: number;
  readonly border: number;
  /** First and last step that touches it. */
  first: number;
  last: number;
  address: number;
}

/** Channels of a buffer: `channels` logical ones from stored channel `offset` on, padded with zeros to quads. */
export interface View {
  readonly buffer: MapBuffer;
  readonly offset: number;
  readonly channels: number;
}

export function quadsOf(channels: number): number {
  return Math.ceil(channels / 4);
}

export function strides(view: View): Strides {
  const { buffer } = view;
  const pixel = buffer.stored * 4;
  const row = (buffer.width + 2 * buffer.border) * pixel;
  return { pixel, row, image: (buffer.height + 2 * buffer.border) * row };
}

/** Address of the first pixel inside the border, of image 0. */
export function origin(view: View): number {
  const { pixel, row } = strides(view);
  return view.buffer.address + view.buffer.border * (row + pixel) + view.offset * 4;
}

/** Whether the view's pixels follow each other without other channels or borders between. */
export function isDense(view: View): boolean {
  return view.buffer.border === 0 && view.buffer.stored === quadsOf(view.channels) * 4;
}

export function overlaps(a: View, b: View): boolean {
  if (a.buffer !== b.buffer) return false;
  return a.offset < b.offset + quadsOf(b.channels) * 4 && b.offset < a.offset + quadsOf(a.channels) * 4;
}

/** Bytes of one image. */
export function mapBytes({ height, width, stored, border }: MapBuffer): number {
  return (height + 2 * border) * (width + 2 * border) * stored * 4;
}

/** Gives every buffer an address from `base` on, for `batch` images; returns the end of the last. */
export function placeMaps(buffers: readonly MapBuffer[], batch: number, base: number): number {
  const pools = new Map<string, { address: number; freeFrom: number }[]>();
  let end = base;
  for (const buffer of [...buffers].sort((a, b) => a.first - b.first || a.last - b.last)) {
    const { height, width, stored, border } = buffer;
    const key = [height, width, stored, border].join();
    const pool = pools.get(key) ?? [];
    pools.set(key, pool);
    let slot = pool.find((candidate) => candidate.freeFrom < buffer.first);
    if (!slot) {
      slot = { address: end, freeFrom: 0 };
      pool.push(slot);
      end += align(batch * (height + 2 * border) * (width + 2 * border) * stored * 4);
    }
    slot.freeFrom = buffer.last;
    buffer.address = slot.address;
  }
  return end;
}

export function align(bytes: number, to = 64): number {
  return Math.ceil(bytes / to) * to;
}
