/**
 * Where a value's channels are stored. A view says for every logical channel its stored channel in a buffer, so that
 * slice, shuffle, concat, zero channels and flatten are new views and move nothing: readers permute and zero-pad their
 * weights to match. This file only does the arithmetic of views; it allocates nothing.
 *
 * Storage is [quads][pixels][4 lanes] floats; stored channel s is lane s & 3 of quad s >> 2.
 */
import type { VirtualBuffer } from './program.js';

export interface View {
  readonly buffer: VirtualBuffer;
  readonly height: number;
  readonly width: number;
  /** Bytes of one pixel of a quad: 16 (floats, the default), 8 or 4 (integers of int8 networks). */
  readonly pixelBytes?: number | undefined;
  /** Stored channel in the buffer of each logical channel; -1: the channel is zero everywhere and not stored. */
  readonly positions: Int32Array;
}

/** Bytes of one quad of a map. */
export function planeBytes(view: {
  readonly height: number;
  readonly width: number;
  readonly pixelBytes?: number | undefined;
}): number {
  return view.height * view.width * (view.pixelBytes ?? 16);
}

/** Positions first, first + 1, ... */
export function denseRun(count: number, first = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => first + i);
}

/** The run of quads that holds all stored channels of a view; [0, 1) for a view of zeros only. */
export function quadSpan(positions: Int32Array): { readonly first: number; readonly end: number } {
  let first = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const position of positions) {
    if (position < 0) continue;
    first = Math.min(first, position >> 2);
    end = Math.max(end, (position >> 2) + 1);
  }
  return end === 0 ? { first: 0, end: 1 } : { first, end };
}

/** Positions relative to the first quad of the span. */
export function relativePositions(positions: Int32Array): Int32Array {
  const base = quadSpan(positions).first * 4;
  return positions.map((position) => (position < 0 ? -1 : position - base));
}

export function samePositions(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((position, i) => position === b[i]);
}

/** Whether every channel is stored, at a place of its own. */
export function isOneToOne(positions: Int32Array): boolean {
  return new Set(positions).size === positions.length && !positions.includes(-1);
}

/** How many stored channels a kernel that reads whole quads touches for each logical one. */
export function spread(positions: Int32Array): number {
  const { first, end } = quadSpan(positions);
  return (end - first) / Math.ceil(positions.length / 4);
}

export function isDense(positions: Int32Array): boolean {
  return positions.every((position, i) => position === i + (positions[0] as number));
}

export function sliceView(view: View, start: number, end: number): View {
  return { ...view, positions: view.positions.slice(start, end) };
}

/** C = groups * n viewed [groups, n] and transposed: new channel j * groups + g is old channel g * n + j. */
export function shuffleView(view: View, groups: number): View {
  const n = view.positions.length / groups;
  const positions = view.positions.map(
    (_, i) => view.positions[(i % groups) * n + Math.floor(i / groups)] as number,
  );
  return { ...view, positions };
}

/** Channel c is old channel order[c]. */
export function permuteView(view: View, order: readonly number[]): View {
  return { ...view, positions: Int32Array.from(order, (c) => view.positions[c] as number) };
}

export function padChannelsView(view: View, before: number, after: number): View {
  const count = view.positions.length;
  const positions = new Int32Array(before + count + after).fill(-1);
  positions.set(view.positions, before);
  return { ...view, positions };
}

/** [C, H, W] as [C*H*W, 1, 1]: feature c*H*W + p is lane s & 3 of quad (s >> 2) * H*W + p. */
export function flattenView(view: View): View {
  const pixels = view.height * view.width;
  if (pixels === 1) return view;
  const positions = new Int32Array(view.positions.length * pixels);
  view.positions.forEach((stored, c) => {
    for (let p = 0; p < pixels; p++)
      positions[c * pixels + p] = stored < 0 ? -1 : ((stored >> 2) * pixels + p) * 4 + (stored & 3);
  });
  return { ...view, height: 1, width: 1, positions };
}

/** Views of one buffer and size joined along C. */
export function concatViews(views: readonly View[]): View {
  const positions = new Int32Array(views.reduce((sum, view) => sum + view.positions.length, 0));
  let at = 0;
  for (const view of views) {
    positions.set(view.positions, at);
    at += view.positions.length;
  }
  return { ...(views[0] as View), positions };
}
