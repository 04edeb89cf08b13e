/** Tiles cover every number of pixels exactly, within the registers of each engine. */
import { describe, expect, it } from 'vitest';
import type { Isa } from './kernel.js';
import { pixelTile, pixelTiles, tilesTime } from './tiles.js';

const isas: readonly Isa[] = [{ relaxed: true }, { relaxed: true, narrow: true }, { relaxed: false }];

describe('pixelTiles', () => {
  it('covers every count with at most two sizes, never slower than one size and a remainder', () => {
    for (const isa of isas)
      for (const quads of [1, 2] as const)
        for (const most of [12, 4, 1])
          for (let P = 1; P <= 260; P++) {
            const runs = pixelTiles(P, quads, isa, most);
            expect(runs.reduce((sum, { m, times }) => sum + m * times, 0)).toBe(P);
            expect(runs.length).toBeLessThanOrEqual(2);
            for (const { m, times } of runs) {
              expect(m).toBeLessThanOrEqual(Math.min(most, isa.relaxed && !isa.narrow ? 6 : 4));
              expect(times).toBeGreaterThan(0);
            }
            const m = pixelTile(P, quads, isa, most);
            const rest = P % m;
            const plain = [{ m, times: Math.floor(P / m) }, ...(rest > 0 ? [{ m: rest, times: 1 }] : [])];
            expect(tilesTime(runs, quads, isa)).toBeLessThanOrEqual(tilesTime(plain, quads, isa) + 1e-12);
          }
  });

  it('avoids a slow last pixel: 49 are fives and sixes', () => {
    const runs = pixelTiles(49, 2, { relaxed: true }, 12);
    expect(runs.map(({ m }) => m).sort()).toEqual([5, 6]);
  });
});
