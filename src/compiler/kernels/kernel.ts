/**
 * What all kernels share. A kernel is one WebAssembly function, specialised to exact shapes, that works on one image
 * over a range of units (a unit is an output quad unless said otherwise): threads split the units and read the same
 * packed weights, and the order in which an output is accumulated never depends on the split.
 *
 * Layout legend: a feature map is stored as quads of four channels, [C/4][H*W][4] floats: one v128 per pixel and quad.
 * P pixels (H*W), Q quads, K stored input channels, plane = bytes of a quad's map = P*16.
 */
import type { ActivationName } from '../../graph/nodes.js';

/** What the engine offers. `relaxed`: fused multiply-add of the relaxed SIMD proposal. */
export interface Isa {
  readonly relaxed: boolean;
}

export type Activation = ActivationName | null;

/**
 * GFLOP/s of the innermost matrix loop by tile, measured (2 cores of a Zen 4 server, peak 59): row q, column m is m
 * pixels by q quads. With fused multiply-add on V8 13, and with multiply and add on V8 11. Beyond these the values
 * no longer fit the sixteen registers.
 */
const tileSpeed: Readonly<Record<'relaxed' | 'plain', Readonly<Record<number, readonly number[]>>>> = {
  relaxed: { 1: [8, 16, 23, 30, 37, 43, 46, 47], 2: [16, 30, 44, 54, 55, 58] },
  plain: { 1: [11, 20, 29, 29, 32, 33, 33], 2: [20, 31, 37, 41] },
};

/** The number of pixels a tile of `quads` quads (1 or 2) should have to cover P pixels in the least time, at most `most`. */
export function pixelTile(P: number, quads: 1 | 2, isa: Isa, most = 12): number {
  const speed = tileSpeed[isa.relaxed ? 'relaxed' : 'plain'][quads] ?? [1];
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
