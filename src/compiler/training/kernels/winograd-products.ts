/** The 36 small matrix products of Winograd's scheme, forward and for the weight gradient. Legend: winograd-tiles.ts. */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { type Isa, pixelTile } from '../../kernels/kernel.js';
import { advance, offset, repeated } from './loops.js';
import { addProducts, eachSum, loadSums, mostScalars, productTile, storeSums } from './product-tile.js';
import { points } from './winograd-tiles.js';

/** M[p] = V[p] U[p] for all points. */
export function products(
  f: FunctionBuilder,
  isa: Isa,
  spec: {
    readonly U: Local;
    readonly V: Local;
    readonly M: Local;
    readonly vStep: number;
    readonly mStep: number;
    readonly tiles: number;
    readonly inQuads: number;
    readonly outQuads: number;
  },
): void {
  const { U, V, M, vStep, mStep, tiles, inQuads, outQuads } = spec;
  const [v, m, panel, channel, at, vTile, mTile, w, end] = f.newLocals('i32', 9);
  const [pixel, out] = [inQuads * 16, outQuads * 16];
  const unroll = isa.relaxed ? 4 : 1;
  const tile = (size: number, q: number): void => {
    const sums = productTile(f, size, q);
    eachSum(sums, (t, j) => f.f32x4Const(0).set(sums.sum(t, j)));
    f.get(panel).set(w).get(vTile).set(at);
    offset(f, end, at, pixel);
    addProducts(f, sums, {
      scalars: { at, step: 4, next: pixel },
      vectors: { at: w, step: q * 16, next: 16 },
      last: 'scalars',
      end,
      unroll,
      fused: isa.relaxed,
    });
    storeSums(f, sums, mTile, out);
    advance(f, [
      [vTile, size * pixel],
      [mTile, size * out],
    ]);
  };
  const ofPanel = (q: 1 | 2): void => {
    f.get(v).set(vTile);
    f.get(m).get(channel).op('i32Add').set(mTile);
    const size = pixelTile(tiles, q, isa);
    repeated(f, Math.floor(tiles / size), () => tile(size, q));
    if (tiles % size > 0) tile(tiles % size, q);
    f.increment(panel, inQuads * 4 * q * 16);
    f.increment(channel, q * 16);
  };
  f.get(U).set(panel).get(V).set(v).get(M).set(m);
  repeated(f, points, () => {
    f.i32Const(0).set(channel);
    repeated(f, outQuads >> 1, () => ofPanel(2));
    if (outQuads % 2 === 1) ofPanel(1);
    advance(f, [
      [v, vStep],
      [m, mStep],
    ]);
  });
}

/** sums[p][i][o] += the sum over tiles of V[p][t][i] Z[p][t][o], for all points. */
export function outerProducts(
  f: FunctionBuilder,
  isa: Isa,
  spec: {
    readonly SUMS: Local;
    readonly V: Local;
    readonly Z: Local;
    readonly vStep: number;
    readonly zStep: number;
    readonly tiles: number;
    readonly inQuads: number;
    readonly outQuads: number;
  },
): void {
  const { SUMS, V, Z, vStep, zStep, tiles, inQuads, outQuads } = spec;
  const [v, z, w, channel, input, at, zAt, end] = f.newLocals('i32', 8);
  const [pixel, out] = [inQuads * 16, outQuads * 16];
  const unroll = tiles % 2 === 0 ? 2 : 1;
  const tile = (size: number, q: number): void => {
    const sums = productTile(f, size, q);
    loadSums(f, sums, w);
    f.get(v).get(input).op('i32Add').set(at);
    f.get(z).get(channel).op('i32Add').set(zAt);
    offset(f, end, zAt, tiles * out);
    addProducts(f, sums, {
      scalars: { at, step: pixel, next: 4 },
      vectors: { at: zAt, step: out, next: 16 },
      last: 'vectors',
      end,
      unroll,
      fused: isa.relaxed,
    });
    storeSums(f, sums, w, q * 16);
    advance(f, [
      [w, size * q * 16],
      [input, size * 4],
    ]);
  };
  const ofPanel = (q: number): void => {
    const most = mostScalars(q, isa.relaxed);
    f.i32Const(0).set(input);
    repeated(f, Math.floor((inQuads * 4) / most), () => tile(most, q));
    if ((inQuads * 4) % most > 0) tile((inQuads * 4) % most, q);
    f.increment(channel, q * 16);
  };
  f.get(SUMS).set(w).get(V).set(v).get(Z).set(z);
  repeated(f, points, () => {
    f.i32Const(0).set(channel);
    repeated(f, outQuads >> 1, () => ofPanel(2));
    if (outQuads % 2 === 1) ofPanel(1);
    advance(f, [
      [v, vStep],
      [z, zStep],
    ]);
  });
}
