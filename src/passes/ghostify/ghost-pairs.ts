/**
 * The toy experiment of section 4.1.1 (table 2): how well a d x d filter of one feature map gives another map of the same
 * layer, by least squares. Maps only; where they come from and how they are drawn is elsewhere.
 *
 * Shape legend: maps [C][H*W], each scaled to 0..1 as it is drawn, so that errors can be compared between networks.
 */
import { solveSymmetric } from '../linear-algebra.js';

export interface MapStack {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [C, H, W]. */
  readonly data: Float64Array;
}

export interface GhostPair {
  /** The map that is filtered and the map that is wanted. */
  readonly from: number;
  readonly to: number;
  /** Mean squared error by side of the filter. */
  readonly errors: readonly { readonly d: number; readonly mse: number }[];
}

/** Each map scaled to 0..1; maps that hardly vary (dead channels) become zero. */
export function scaledMaps(shape: readonly number[], data: ArrayLike<number>): MapStack {
  const [channels = 1, height = 1, width = 1] = shape;
  const size = height * width;
  const out = new Float64Array(channels * size);
  for (let c = 0; c < channels; c++) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let k = 0; k < size; k++) {
      const value = data[c * size + k] as number;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (high - low < 1e-9) continue;
    for (let k = 0; k < size; k++) out[c * size + k] = ((data[c * size + k] as number) - low) / (high - low);
  }
  return { channels, height, width, data: out };
}

/** The map moved by every offset of a d x d window, zeros moving in: [d*d, H*W]. */
function neighbourhood(maps: MapStack, channel: number, d: number): Float64Array {
  const { height, width, data } = maps;
  const size = height * width;
  const radius = d >> 1;
  const rows = new Float64Array(d * d * size);
  for (let r = 0; r < d * d; r++) {
    const [dy, dx] = [Math.floor(r / d) - radius, (r % d) - radius];
    for (let i = Math.max(0, -dy); i < Math.min(height, height - dy); i++)
      for (let j = Math.max(0, -dx); j < Math.min(width, width - dx); j++)
        rows[r * size + i * width + j] = data[channel * size + (i + dy) * width + j + dx] as number;
  }
  return rows;
}

/** The best filters of one map for several others, with what they give. */
export function fitFilters(
  maps: MapStack,
  from: number,
  targets: readonly number[],
  d: number,
): {
  readonly to: number;
  readonly filter: Float64Array;
  readonly map: Float64Array;
  readonly mse: number;
}[] {
  const size = maps.height * maps.width;
  const taps = d * d;
  const rows = neighbourhood(maps, from, d);
  const normal = new Float64Array(taps * taps);
  for (let a = 0; a < taps; a++)
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += (rows[a * size + k] as number) * (rows[b * size + k] as number);
      normal[a * taps + b] = sum;
      normal[b * taps + a] = sum;
    }
  return targets.map((to) => {
    const target = maps.data.subarray(to * size, (to + 1) * size);
    const right = new Float64Array(taps);
    for (let a = 0; a < taps; a++) {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += (rows[a * size + k] as number) * (target[k] as number);
      right[a] = sum;
    }
    const filter = solveSymmetric(normal, taps, right, 1e-12);
    const map = new Float64Array(size);
    for (let a = 0; a < taps; a++)
      for (let k = 0; k < size; k++)
        map[k] = (map[k] as number) + (filter[a] as number) * (rows[a * size + k] as number);
    let error = 0;
    for (let k = 0; k < size; k++) error += ((map[k] as number) - (target[k] as number)) ** 2;
    return { to, filter, map, mse: error / size };
  });
}

/** One pair for every side of `sides`. Nested filters: the error does not rise with d. */
export function pairErrors(
  maps: MapStack,
  from: number,
  to: number,
  sides: readonly number[] = [1, 3, 5, 7],
): GhostPair {
  return { from, to, errors: sides.map((d) => ({ d, mse: fitFilters(maps, from, [to], d)[0]?.mse ?? 0 })) };
}

/**
 * The `count` most ghost-like pairs: those where a 3 x 3 filter leaves the smallest part of the wanted map's variance. A
 * map is wanted once and no pair comes back turned round; maps that hardly vary do not count.
 */
export function mostGhostly(
  maps: MapStack,
  count: number,
): { readonly from: number; readonly to: number; readonly left: number }[] {
  const size = maps.height * maps.width;
  const variance = Array.from({ length: maps.channels }, (_, c) => {
    const map = maps.data.subarray(c * size, (c + 1) * size);
    const mean = map.reduce((sum, value) => sum + value, 0) / size;
    return map.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
  });
  const alive = variance.flatMap((value, c) => (value > 1e-3 ? [c] : []));
  const pairs = alive.flatMap((from) =>
    fitFilters(
      maps,
      from,
      alive.filter((to) => to !== from),
      3,
    ).map(({ to, mse }) => ({ from, to, left: mse / (variance[to] as number) })),
  );
  pairs.sort((a, b) => a.left - b.left);
  const chosen: (typeof pairs)[number][] = [];
  for (const pair of pairs) {
    if (chosen.length === count) break;
    const again = chosen.some((one) => one.to === pair.to || (one.to === pair.from && one.from === pair.to));
    if (!again) chosen.push(pair);
  }
  return chosen;
}
