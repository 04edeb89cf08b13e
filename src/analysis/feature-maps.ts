/**
 * How alike the feature maps of a layer are: the observation that GhostNet starts from (section 1, figures 1 and 4),
 * as numbers. Maps are compared by the correlation of their pixels over all pictures given. Pure; runs no network.
 */
import type { Tensor } from '../graph/graph.js';

/** Two maps of a layer and how alike they are. */
export interface MapPair {
  readonly a: number;
  readonly b: number;
  /** Pearson's correlation of their pixels, -1 to 1. */
  readonly correlation: number;
}

export interface Redundancy {
  /** Maps with any variation; the others say nothing and are left out. */
  readonly live: number;
  readonly channels: number;
  /** Mean over live maps of the largest |correlation| with another live map: 0 all different, 1 all copies. */
  readonly score: number;
  /** Share of live maps that have a twin of |correlation| 0.9 or more. */
  readonly twins: number;
  /** The most alike pairs, each map in one pair only, best first. */
  readonly pairs: readonly MapPair[];
}

/** Rows [C][N*H*W] of maps [N, C, H, W] with mean 0 and norm 1; a constant map gives no row. */
function normalised({ shape, data }: Tensor): (Float64Array | undefined)[] {
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const pixels = height * width;
  return Array.from({ length: channels }, (_, c) => {
    const row = new Float64Array(batch * pixels);
    for (let n = 0; n < batch; n++)
      row.set(data.subarray((n * channels + c) * pixels, (n * channels + c + 1) * pixels), n * pixels);
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    let square = 0;
    for (const [i, value] of row.entries()) {
      row[i] = value - mean;
      square += (value - mean) ** 2;
    }
    const norm = Math.sqrt(square);
    if (!(norm > 1e-6 * Math.sqrt(row.length))) return undefined;
    return row.map((value) => value / norm);
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Correlation of two maps of one layer; 0 when one of them is constant. */
export function mapCorrelation(maps: Tensor, a: number, b: number): number {
  const rows = normalised(maps);
  const [left, right] = [rows[a], rows[b]];
  return left && right ? dot(left, right) : 0;
}

/** Redundancy of the maps [N, C, H, W] of a layer, with the `keep` (default 6) most alike pairs. */
export function redundancy(maps: Tensor, keep = 6): Redundancy {
  const rows = normalised(maps);
  const live = rows.flatMap((row, channel) => (row ? [{ row, channel }] : []));
  const best = new Float64Array(live.length);
  const pairs: MapPair[] = [];
  for (let i = 0; i < live.length; i++)
    for (let j = i + 1; j < live.length; j++) {
      const [left, right] = [live[i]!, live[j]!];
      const correlation = dot(left.row, right.row);
      const size = Math.abs(correlation);
      best[i] = Math.max(best[i]!, size);
      best[j] = Math.max(best[j]!, size);
      pairs.push({ a: left.channel, b: right.channel, correlation });
    }
  pairs.sort((p, q) => Math.abs(q.correlation) - Math.abs(p.correlation));
  const used = new Set<number>();
  const kept: MapPair[] = [];
  for (const pair of pairs) {
    if (kept.length === keep) break;
    if (used.has(pair.a) || used.has(pair.b)) continue;
    used.add(pair.a).add(pair.b);
    kept.push(pair);
  }
  const count = Math.max(live.length, 1);
  return {
    live: live.length,
    channels: rows.length,
    score: best.reduce((a, b) => a + b, 0) / count,
    twins: best.filter((value) => value >= 0.9).length / count,
    pairs: kept,
  };
}

/**
 * The ghosts of a Ghost module beside the maps they are made of, most alike first. `maps` is the module's output
 * [N, C, H, W]: `intrinsic` maps, then `ratio - 1` ghosts of each in turn, cut at C.
 */
export function ghostPairs(maps: Tensor, intrinsic: number, ratio: number): MapPair[] {
  const rows = normalised(maps);
  const pairs: MapPair[] = [];
  for (let ghost = intrinsic; ghost < rows.length; ghost++) {
    const source = Math.floor((ghost - intrinsic) / Math.max(ratio - 1, 1));
    const [left, right] = [rows[source], rows[ghost]];
    if (left && right) pairs.push({ a: source, b: ghost, correlation: dot(left, right) });
  }
  return pairs.sort((p, q) => Math.abs(q.correlation) - Math.abs(p.correlation));
}
