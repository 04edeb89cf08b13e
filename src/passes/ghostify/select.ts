/**
 * Which filters of a layer stay intrinsic, and which intrinsic map each other channel is made of, subject to the fixed
 * wiring of the module: ghost place j belongs to intrinsic map floor(j / (s - 1)), and every place is taken once.
 *
 * - `first`: the first n/s filters, as if the order meant something. The baseline.
 * - `norm`: those of largest l1 norm (the criterion of Li et al., Pruning Filters for Efficient ConvNets, 2017).
 * - `pivoted`: QR with column pivoting on the outputs (Businger and Golub 1965): channels that the others span least.
 * - `grouping`: groups of s channels, each around one of its own, with the least sum of what the centre's cheap filters
 *   leave of the others: k-medoids (Kaufman and Rousseeuw 1990) with groups of fixed size, by swaps from the best of the
 *   other three. This is the objective of the module itself, and the default.
 *
 * For all of them the places are then given by an exact assignment.
 */
import { pivotedColumns } from '../linear-algebra.js';
import { assign } from './assignment.js';
import type { Selection } from './options.js';
import type { LayerStatistics } from './statistics.js';

export interface Wiring {
  /** Old channel of each intrinsic map. */
  readonly intrinsic: readonly number[];
  /** Old channel of each ghost place that is kept, in order. */
  readonly ghosts: readonly number[];
}

/** What each pair leaves: at [i * n + o] the variance of t_o that a cheap filter on u_i does not explain. */
export interface PairCosts {
  readonly costs: Float64Array;
  readonly targets: Float64Array;
  readonly targetVariance: Float64Array;
}

/** Intrinsic maps tried with all their taps for each channel; for the others only the centre tap counts. */
const triedPerChannel = 24;

/** Costs of all pairs; `fixedScale` says that the cheap operation is a plain copy. */
export function pairCosts(statistics: LayerStatistics, fixedScale = false): PairCosts {
  const n = statistics.channels;
  const { cross, targets, inputVariance, targetVariance } = statistics.covariances();
  const costs = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let o = 0; o < n; o++) {
      const both = cross[i * n + o] as number;
      const total = targetVariance[o] as number;
      const input = inputVariance[i] as number;
      const left = fixedScale ? total - 2 * both + input : total - (input > 0 ? (both * both) / input : 0);
      costs[i * n + o] = i === o ? 0 : Math.max(0, left);
    }
  if (fixedScale) return { costs, targets, targetVariance };
  const wanted: number[][] = Array.from({ length: n }, () => []);
  for (let o = 0; o < n; o++) {
    const order = Array.from({ length: n }, (_, i) => i).filter((i) => i !== o);
    order.sort((a, b) => (costs[a * n + o] as number) - (costs[b * n + o] as number));
    for (const i of order.slice(0, triedPerChannel)) wanted[i]?.push(o);
  }
  wanted.forEach((candidates, i) => {
    if (candidates.length === 0) return;
    const left = statistics.residuals(i, candidates);
    candidates.forEach((o, k) => {
      costs[i * n + o] = left[k] as number;
    });
  });
  return { costs, targets, targetVariance };
}

/**
 * `intrinsic` of the n channels stay; the other n - intrinsic take the first ghost places. `norms` are the filters' l1
 * norms.
 */
export function selectWiring(
  selection: Selection,
  pairs: PairCosts,
  norms: Float64Array,
  shape: { readonly intrinsic: number; readonly ratio: number },
): Wiring {
  const n = norms.length;
  const { intrinsic: count, ratio } = shape;
  const choose = (how: Selection): number[] => {
    if (how === 'pivoted') return pivotedColumns(pairs.targets, n, count);
    const order = Array.from({ length: n }, (_, c) => c);
    if (how === 'norm') order.sort((a, b) => (norms[b] as number) - (norms[a] as number) || a - b);
    return order.slice(0, count);
  };
  const wire = (intrinsic: number[]): Wiring => placeGhosts(intrinsic, pairs.costs, n, ratio);
  if (selection !== 'grouping') return wire(choose(selection));
  const starts = (['first', 'norm', 'pivoted'] as const).map((how) => wire(choose(how)));
  const cost = (wiring: Wiring): number => wiringCost(wiring, pairs.costs, n, ratio);
  const best = starts.reduce((a, b) => (cost(b) < cost(a) ? b : a));
  const swapped = improveGroups(best, pairs.costs, n, ratio);
  const placed = wire([...swapped.intrinsic]);
  return cost(placed) < cost(swapped) ? placed : swapped;
}

/** What a wiring leaves in all. */
export function wiringCost(wiring: Wiring, costs: Float64Array, n: number, ratio: number): number {
  return wiring.ghosts.reduce((sum, o, j) => sum + (costs[centreOf(wiring, j, ratio) * n + o] as number), 0);
}

function centreOf(wiring: Wiring, place: number, ratio: number): number {
  return wiring.intrinsic[Math.floor(place / (ratio - 1))] as number;
}

/** The best places for all channels that are not intrinsic. */
function placeGhosts(intrinsic: readonly number[], costs: Float64Array, n: number, ratio: number): Wiring {
  const stays = new Set(intrinsic);
  const others = Array.from({ length: n }, (_, c) => c).filter((c) => !stays.has(c));
  const size = others.length;
  const table = new Float64Array(size * size);
  others.forEach((o, row) => {
    for (let place = 0; place < size; place++) {
      const i = intrinsic[Math.floor(place / (ratio - 1))] as number;
      table[row * size + place] = costs[i * n + o] as number;
    }
  });
  const ghosts: number[] = new Array(size);
  assign(table, size, size).forEach((place, row) => {
    ghosts[place] = others[row] as number;
  });
  return { intrinsic, ghosts };
}

/** Swaps channels between groups, and moves each group's centre, as long as the sum falls. */
function improveGroups(wiring: Wiring, costs: Float64Array, n: number, ratio: number): Wiring {
  const groups: number[][] = wiring.intrinsic.map((c, i) => [
    c,
    ...wiring.ghosts.slice(i * (ratio - 1), (i + 1) * (ratio - 1)),
  ]);
  const groupOf = new Int32Array(n);
  const placeOf = new Int32Array(n);
  groups.forEach((group, g) => {
    group.forEach((c, k) => {
      groupOf[c] = g;
      placeOf[c] = k;
    });
  });
  /** The least sum over all choices of the centre, which is put first. */
  const settle = (group: number[]): number => {
    let best = Number.POSITIVE_INFINITY;
    let centre = 0;
    group.forEach((i, k) => {
      let sum = 0;
      for (const o of group) sum += costs[i * n + o] as number;
      if (sum < best) {
        best = sum;
        centre = k;
      }
    });
    [group[0], group[centre]] = [group[centre] as number, group[0] as number];
    return best;
  };
  const sums = groups.map(settle);
  const index = (g: number): void => {
    (groups[g] as number[]).forEach((c, k) => {
      groupOf[c] = g;
      placeOf[c] = k;
    });
  };
  groups.forEach((_, g) => {
    index(g);
  });
  for (let sweep = 0; sweep < 30; sweep++) {
    let improved = false;
    for (let a = 0; a < n; a++)
      for (let b = a + 1; b < n; b++) {
        const [ga, gb] = [groupOf[a] as number, groupOf[b] as number];
        if (ga === gb) continue;
        const left = [...(groups[ga] as number[])];
        const right = [...(groups[gb] as number[])];
        left[placeOf[a] as number] = b;
        right[placeOf[b] as number] = a;
        const [x, y] = [settle(left), settle(right)];
        if (x + y >= (sums[ga] as number) + (sums[gb] as number) - 1e-12) continue;
        groups[ga] = left;
        groups[gb] = right;
        sums[ga] = x;
        sums[gb] = y;
        index(ga);
        index(gb);
        improved = true;
      }
    if (!improved) break;
  }
  return {
    intrinsic: groups.map((group) => group[0] as number),
    ghosts: groups.flatMap((group) => group.slice(1)),
  };
}
