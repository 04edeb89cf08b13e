/** The 36 small matrix products of Winograd's scheme, forward and for the weight gradient. Legend: winograd-tiles.ts. */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { type Isa, pixelTile } from '../../kernels/kernel.js';
import { advance, offset, repeated } from './loops.js';
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
  const i32 = (): Local => f.local('i32');
  const [v, m, panel, channel, at, vTile, mTile, w, end] = Array.from({ length: 9 }, i32) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [pixel, out] = [inQuads * 16, outQuads * 16];
  const unroll = isa.relaxed ? 4 : 1;
  const tile = (size: number, q: number): void => {
    const locals = f.scratch('v128', size * q + q + 1);
    const acc = (t: number, j: number): Local => locals[t * q + j] as Local;
    const weight = (j: number): Local => locals[size * q + j] as Local;
    const value = locals[size * q + q] as Local;
    for (let i = 0; i < size * q; i++) f.f32x4Const(0).set(locals[i] as Local);
    f.get(panel).set(w).get(vTile).set(at);
    offset(f, end, at, pixel);
    f.loop((again) => {
      for (let u = 0; u < unroll; u++) {
        for (let j = 0; j < q; j++)
          f.get(w)
            .mem('v128Load', (u * q + j) * 16)
            .set(weight(j));
        for (let t = 0; t < size; t++) {
          f.get(at)
            .mem('v128Load32Splat', t * pixel + u * 4)
            .set(value);
          for (let j = 0; j < q; j++) f.multiplyAdd(acc(t, j), value, weight(j), isa.relaxed);
        }
      }
      f.increment(w, unroll * q * 16);
      f.get(at)
        .i32Const(unroll * 4)
        .op('i32Add')
        .tee(at)
        .get(end)
        .op('i32Ne')
        .brIf(again);
    });
    for (let t = 0; t < size; t++)
      for (let j = 0; j < q; j++)
        f.get(mTile)
          .get(acc(t, j))
          .mem('v128Store', t * out + j * 16);
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
  const i32 = (): Local => f.local('i32');
  const [v, z, w, channel, input, at, zAt, end] = Array.from({ length: 8 }, i32) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [pixel, out] = [inQuads * 16, outQuads * 16];
  const unroll = tiles % 2 === 0 ? 2 : 1;
  const tile = (size: number, q: number): void => {
    const locals = f.scratch('v128', size * q + q + 1);
    const acc = (t: number, j: number): Local => locals[t * q + j] as Local;
    const d = (j: number): Local => locals[size * q + j] as Local;
    const value = locals[size * q + q] as Local;
    for (let i = 0; i < size * q; i++)
      f.get(w)
        .mem('v128Load', i * 16)
        .set(locals[i] as Local);
    f.get(v).get(input).op('i32Add').set(at);
    f.get(z).get(channel).op('i32Add').set(zAt);
    offset(f, end, zAt, tiles * out);
    f.loop((again) => {
      for (let u = 0; u < unroll; u++) {
        for (let j = 0; j < q; j++)
          f.get(zAt)
            .mem('v128Load', u * out + j * 16)
            .set(d(j));
        for (let t = 0; t < size; t++) {
          f.get(at)
            .mem('v128Load32Splat', u * pixel + t * 4)
            .set(value);
          for (let j = 0; j < q; j++) f.multiplyAdd(acc(t, j), value, d(j), isa.relaxed);
        }
      }
      f.increment(at, unroll * pixel);
      f.get(zAt)
        .i32Const(unroll * out)
        .op('i32Add')
        .tee(zAt)
        .get(end)
        .op('i32Ne')
        .brIf(again);
    });
    for (let i = 0; i < size * q; i++)
      f.get(w)
        .get(locals[i] as Local)
        .mem('v128Store', i * 16);
    advance(f, [
      [w, size * q * 16],
      [input, size * 4],
    ]);
  };
  const ofPanel = (q: number): void => {
    const most = q === 2 ? (isa.relaxed ? 6 : 4) : isa.relaxed ? 8 : 6;
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
