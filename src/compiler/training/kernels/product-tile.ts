/**
 * The innermost loop of every dense product of a training step: m x q vectors of sums in registers, which products of
 * m scalars with q vectors are added to, one step after another. The order of the additions is that of the steps.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';

/** Registers of a tile: `sum(t, j)` takes scalar t times vector j. */
export interface ProductTile {
  readonly m: number;
  readonly q: number;
  readonly sum: (t: number, j: number) => Local;
  readonly vector: (j: number) => Local;
  readonly scalar: Local;
}

export function productTile(f: FunctionBuilder, m: number, q: number): ProductTile {
  const locals = f.scratch('v128', m * q + q + 1);
  return {
    m,
    q,
    sum: (t, j) => locals[t * q + j] as Local,
    vector: (j) => locals[m * q + j] as Local,
    scalar: locals[m * q + q] as Local,
  };
}

/** Runs `body` for every sum, in the order of their registers. */
export function eachSum({ m, q }: ProductTile, body: (t: number, j: number) => void): void {
  for (let t = 0; t < m; t++) for (let j = 0; j < q; j++) body(t, j);
}

/** Sums from memory: [m][q][4] floats from `at` on. */
export function loadSums(f: FunctionBuilder, tile: ProductTile, at: Local): void {
  eachSum(tile, (t, j) =>
    f
      .get(at)
      .mem('v128Load', (t * tile.q + j) * 16)
      .set(tile.sum(t, j)),
  );
}

/** Sums to memory; bytes from `at` to the place of the sum (t, j) are t * row + j * 16. */
export function storeSums(f: FunctionBuilder, tile: ProductTile, at: Local, row: number): void {
  eachSum(tile, (t, j) =>
    f
      .get(at)
      .get(tile.sum(t, j))
      .mem('v128Store', t * row + j * 16),
  );
}

/** Where operands lie: `step` bytes from one step to the next, `next` from one operand of a step to the next. */
export interface Operands {
  readonly at: Local;
  readonly step: number;
  readonly next: number;
}

/**
 * Adds products step by step, `unroll` steps at a time, until the address of `last` is `end`; at least one round. Both
 * addresses are moved on.
 */
export function addProducts(
  f: FunctionBuilder,
  { m, q, sum, vector, scalar }: ProductTile,
  options: {
    readonly scalars: Operands;
    readonly vectors: Operands;
    readonly last: 'scalars' | 'vectors';
    readonly end: Local;
    readonly unroll: number;
    readonly fused: boolean;
  },
): void {
  const { scalars, vectors, end, unroll, fused } = options;
  const [first, last] = options.last === 'scalars' ? [vectors, scalars] : [scalars, vectors];
  f.loop((again) => {
    for (let u = 0; u < unroll; u++) {
      for (let j = 0; j < q; j++)
        f.get(vectors.at)
          .mem('v128Load', u * vectors.step + j * vectors.next)
          .set(vector(j));
      for (let t = 0; t < m; t++) {
        f.get(scalars.at)
          .mem('v128Load32Splat', u * scalars.step + t * scalars.next)
          .set(scalar);
        for (let j = 0; j < q; j++) f.multiplyAdd(sum(t, j), scalar, vector(j), fused);
      }
    }
    f.increment(first.at, unroll * first.step);
    f.get(last.at)
      .i32Const(unroll * last.step)
      .op('i32Add')
      .tee(last.at)
      .get(end)
      .op('i32Ne')
      .brIf(again);
  });
}

/** Most scalars of a tile of q vectors whose sums stay in registers over a long loop. */
export function mostScalars(q: number, fused: boolean): number {
  return q === 2 ? (fused ? 6 : 4) : fused ? 8 : 6;
}
