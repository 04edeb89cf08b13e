/**
 * What the choice and the fit of ghost maps need to know of a layer, wherever it comes from: sampled.ts takes it from
 * calibration pictures, gaussian.ts from the weights alone. Only the interface and what both share are here.
 *
 * Symbols: u_i is channel i as the cheap operation sees it (after the activation when that is placed inside), v_o is
 * the old layer's channel o before its activation and t_o after it. B samples, R regressors.
 */
import type { CheapOperation } from '../../graph/graph.js';
import { haarFilters, shiftOffset } from '../../models/ghost-module.js';

/** Covariances over all samples, [n, n] and [n]. */
export interface Covariances {
  /** cov(u_i, t_o) at [i * n + o], both at the same pixel. */
  readonly cross: Float64Array;
  /** cov(t_a, t_b). */
  readonly targets: Float64Array;
  readonly inputVariance: Float64Array;
  /** var(t_o). */
  readonly targetVariance: Float64Array;
}

/** Samples with which one ghost is fitted: `rows` is [R, B], `target` [B] holds v_o. */
export interface PairSamples {
  readonly rows: Float64Array;
  readonly target: Float64Array;
  readonly regressors: number;
  readonly samples: number;
}

export interface LayerStatistics {
  readonly channels: number;
  covariances(): Covariances;
  /** Variance of t_o that the best d x d filter on u_i (and a constant) leaves, for each o of `candidates`. */
  residuals(i: number, candidates: readonly number[]): Float64Array;
  /** Samples for the ghost of channel i in a place whose cheap operation has these taps. */
  pair(i: number, o: number, taps: Taps): PairSamples;
}

/** Fixed combinations of the pixels around: one regressor each, a list of [dy, dx, factor]. */
export type Taps = readonly (readonly (readonly [dy: number, dx: number, factor: number])[])[];

/** The regressors of the cheap operation in ghost place `slot`. */
export function tapsOf(operation: CheapOperation, cheapKernel: number, slot: number): Taps {
  switch (operation) {
    case 'identity':
    case 'affine':
      return [[[0, 0, 1]]];
    case 'shift':
      return [[[...shiftOffset(slot, cheapKernel), 1]]];
    case 'haar': {
      const filter = haarFilters[slot % haarFilters.length] as readonly number[];
      return [filter.map((factor, k) => [k >> 1, k & 1, factor] as const)];
    }
    case 'depthwise': {
      const radius = cheapKernel >> 1;
      return Array.from({ length: cheapKernel ** 2 }, (_, k) => [
        [Math.floor(k / cheapKernel) - radius, (k % cheapKernel) - radius, 1] as const,
      ]);
    }
  }
}

/** The farthest pixel that the cheap operation reads, in any direction. */
export function reachOf(operation: CheapOperation, cheapKernel: number): number {
  if (operation === 'identity' || operation === 'affine') return 0;
  return operation === 'haar' ? 1 : cheapKernel >> 1;
}
