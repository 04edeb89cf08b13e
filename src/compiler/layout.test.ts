/** Views: renaming channels moves nothing and loses nothing. */
import { describe, expect, it } from 'vitest';
import {
  concatViews,
  denseRun,
  flattenView,
  isOneToOne,
  padChannelsView,
  quadSpan,
  relativePositions,
  shuffleView,
  sliceView,
  spread,
  type View,
} from './layout.js';

function view(positions: readonly number[], height = 2, width = 3): View {
  const buffer = { id: 0, name: 'x', role: 'scratch', bytes: 0 } as const;
  return { buffer, height, width, positions: Int32Array.from(positions) };
}

describe('views', () => {
  it('slice, join and pad channels', () => {
    const x = view([4, 5, 6, 7, 12]);
    expect([...sliceView(x, 1, 4).positions]).toEqual([5, 6, 7]);
    expect([...concatViews([sliceView(x, 3, 5), x]).positions]).toEqual([7, 12, 4, 5, 6, 7, 12]);
    expect([...padChannelsView(x, 1, 2).positions]).toEqual([-1, 4, 5, 6, 7, 12, -1, -1]);
  });

  it('shuffle as a transpose of [groups, n]', () => {
    expect([...shuffleView(view([0, 1, 2, 3, 4, 5]), 2).positions]).toEqual([0, 3, 1, 4, 2, 5]);
    const back = shuffleView(shuffleView(view([0, 1, 2, 3, 4, 5]), 2), 3);
    expect([...back.positions]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('flatten so that every feature is found where its pixel lies', () => {
    const x = view([0, 5], 2, 3);
    const flat = flattenView(x);
    // float index of channel c, pixel p before and after
    const before = (stored: number, p: number): number => ((stored >> 2) * 6 + p) * 4 + (stored & 3);
    for (let c = 0; c < 2; c++)
      for (let p = 0; p < 6; p++) expect(flat.positions[c * 6 + p]).toBe(before(x.positions[c] as number, p));
    expect([flat.height, flat.width]).toEqual([1, 1]);
  });

  it('know their span, their spread and whether channels share a place', () => {
    expect(quadSpan(Int32Array.of(9, -1, 4))).toEqual({ first: 1, end: 3 });
    expect([...relativePositions(Int32Array.of(9, -1, 4))]).toEqual([5, -1, 0]);
    expect(spread(denseRun(8))).toBe(1);
    expect(spread(Int32Array.of(0, 4, 8, 12))).toBe(4);
    expect(isOneToOne(Int32Array.of(3, 1, 2))).toBe(true);
    expect(isOneToOne(Int32Array.of(3, 1, 3))).toBe(false);
    expect(isOneToOne(Int32Array.of(0, -1))).toBe(false);
  });
});
