/**
 * How the matrix kernels cut a map into tiles of pixels. A tile keeps m pixels by one or two quads of output channels
 * in registers; which m is fast depends on how the engine allocates registers, so the choice rests on measurements.
 */
import { type Isa, keepsOrder } from './isa.js';

/**
 * GFLOP/s of the innermost matrix loop by quads and m = 1, 2, ..., measured on a Zen 4 server core (peak 59): fused
 * multiply-add on V8 13 (`fused`) and on V8 12 (`narrow`), multiply and add on V8 11 (`separate`). Larger tiles run at
 * half the speed: their values, the weights and the temporaries no longer fit the fifteen registers that V8 leaves,
 * and before version 13 all inputs of a loop body are held at once. Without fusion, the four vector operations a cycle
 * that the core takes in, loads included, are the limit.
 */
const tileSpeed = {
  fused: { 1: [15, 26, 35, 43.5, 47.5, 52], 2: [19, 32.5, 44.5, 54.5, 55.5, 58] },
  narrow: { 1: [15, 26, 35, 43.5], 2: [19, 32.5, 44.5, 54.5] },
  separate: { 1: [17, 27.5, 36, 38.5], 2: [21, 33, 40.5, 43] },
  // G multiply-adds a second of int8 products in groups of four, V8 13
  bytes: { 1: [42, 49, 53, 56], 2: [51, 60, 65, 66] },
} as const;

type TileKind = keyof typeof tileSpeed;

function speeds(quads: 1 | 2, isa: Isa, kind?: TileKind): readonly number[] {
  return tileSpeed[kind ?? (!isa.relaxed ? 'separate' : keepsOrder(isa) ? 'fused' : 'narrow')][quads];
}

/** `times` tiles of m pixels. */
export interface TileRun {
  readonly m: number;
  readonly times: number;
}

/** Time of an input channel's pass over a tile of m pixels, in relative units. */
function tileTime(m: number, quads: 1 | 2, isa: Isa, kind?: TileKind): number {
  // a tile also has a beginning and an end, whatever its size
  return m / (speeds(quads, isa, kind)[m - 1] as number) + 0.002;
}

/** The same of runs of tiles. */
export function tilesTime(runs: readonly TileRun[], quads: 1 | 2, isa: Isa, kind?: TileKind): number {
  return runs.reduce((sum, { m, times }) => sum + times * tileTime(m, quads, isa, kind), 0);
}

/**
 * The one or two runs of tiles, of at most `most` pixels each, that cover P pixels in the least time: 49 pixels are
 * four tiles of 6 and five of 5, not eight of 6 and a slow one of 1.
 */
export function pixelTiles(
  P: number,
  quads: 1 | 2,
  isa: Isa,
  most: number,
  kind?: TileKind,
): readonly TileRun[] {
  const largest = Math.min(P, speeds(quads, isa, kind).length, most);
  let best: readonly TileRun[] = [];
  let bestTime = Number.POSITIVE_INFINITY;
  const consider = (runs: readonly TileRun[]): void => {
    const time = tilesTime(runs, quads, isa, kind);
    if (time >= bestTime) return;
    best = runs;
    bestTime = time;
  };
  // as many tiles of `main` as fit, or a few less so that the rest is whole tiles of `other`
  for (let main = 1; main <= largest; main++) {
    const fit = Math.floor(P / main);
    if (P % main === 0) consider([{ m: main, times: fit }]);
    for (let other = 1; other <= largest; other++)
      for (let times = fit; times > 0 && times > fit - other; times--) {
        const rest = P - times * main;
        if (rest === 0 || rest % other > 0) continue;
        consider([
          { m: main, times },
          { m: other, times: rest / other },
        ]);
      }
  }
  return best;
}

/** The one size of tile, of at most `most` pixels, that covers P pixels in the least time with at most one remainder. */
export function pixelTile(P: number, quads: 1 | 2, isa: Isa, most = 12): number {
  const speed = speeds(quads, isa);
  const time = (m: number): number => m / (speed[m - 1] as number);
  let best = 1;
  let bestTime = Number.POSITIVE_INFINITY;
  for (let m = 1; m <= Math.min(P, speed.length, most); m++) {
    const rest = P % m;
    const total = Math.floor(P / m) * time(m) + (rest > 0 ? time(rest) : 0);
    if (total < bestTime) {
      best = m;
      bestTime = total;
    }
  }
  return best;
}
