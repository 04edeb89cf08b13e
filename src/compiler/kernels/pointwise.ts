/**
 * The 1x1 convolution and, through an offset per pixel, the kxk convolution: a matrix product of weights
 * with input pixels, tiled over pixels and pairs of output quads. One input channel is one pass of the
 * innermost loop: V8 up to version 12 spills when a loop body loads more, and newer ones lose little.
 */
import { FunctionBuilder, type Local } from '../emitter/function.js';
import { emitActivation } from './activations.js';
import type { Activation, Isa } from './kernel.js';
import { eachPair } from './pairs.js';
import { pixelTiles, type TileRun } from './tiles.js';
import { emitVector, type MatrixShape } from './vector.js';

export interface PointwiseSpec {
  readonly kind: 'pointwise';
  /** Stored input channels, a multiple of 4. */
  readonly K: number;
  /** Pixels. */
  readonly P: number;
  /** Lengths of the unit ranges that calls use; where all are even, single quads need no code. */
  readonly ranges: readonly number[];
  readonly activation: Activation;
  /** Adds `residual` (layout of the output) before the activation. It may be the output itself. */
  readonly residual: boolean;
  /** Weights are f16 (`packHalves`); for one pixel only. */
  readonly halfWeights?: boolean;
}

/** Parameters of a matrix kernel, in order. */
const [IN, WEIGHTS, BIAS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5, 6] as const;

/** What differs between the 1x1 and the kxk convolution: how input addresses move. */
export interface InputWalk {
  /** The map is cut into this many rows of so many pixels; no tile crosses a row's end. */
  readonly rows: number;
  readonly pixels: number;
  /** Pixels that a tile may have at most. */
  readonly mostPixels: number;
  /** Before the first pixel, for each tile of quads. */
  readonly reset: () => void;
  /** Sets up the input addresses of a tile of m pixels; called once a tile. */
  readonly begin: (m: number) => void;
  /** Emits the loops over the input, calling `step(addresses, offsets)` for every input channel's body. */
  readonly loops: (
    step: (pixel: (i: number) => { readonly base: Local; readonly offset: number }) => void,
  ) => void;
  /** To the next tile of pixels. */
  readonly advance: (m: number) => void;
  /** From the end of a row to the next. */
  readonly endRow: () => void;
}

/** Emits loops over units and pixel tiles around a walk over the input. */
export function emitMatrix(
  f: FunctionBuilder,
  shape: MatrixShape,
  isa: Isa,
  walk: InputWalk,
): FunctionBuilder {
  const { K, P, activation, residual } = shape;
  const plane = shape.outPlane ?? P * 16;
  const [weightBase, biasBase, outBase, residualBase] = [0, 0, 0, 0].map(() => f.local('i32')) as Four;
  const [weight, out, residualAt, count] = [0, 0, 0, 0].map(() => f.local('i32')) as Four;
  const rowCount = f.local('i32');

  const micro = (m: number, quads: number): void => {
    const all = f.scratch('v128', m * quads + quads + 1);
    const acc = (i: number, j: number): Local => all[i * quads + j] as Local;
    const w = (j: number): Local => all[m * quads + j] as Local;
    const x = all[m * quads + quads] as Local;
    for (let j = 0; j < quads; j++)
      for (let i = 0; i < m; i++) {
        f.get(biasBase).mem('v128Load', j * 16);
        if (residual)
          f.get(residualAt)
            .mem('v128Load', j * plane + i * 16)
            .op('f32x4Add');
        f.set(acc(i, j));
      }
    f.get(weightBase).set(weight);
    walk.begin(m);
    walk.loops((pixel) => {
      for (let j = 0; j < quads; j++)
        f.get(weight)
          .mem('v128Load', j * 16)
          .set(w(j));
      for (let i = 0; i < m; i++) {
        const { base, offset } = pixel(i);
        f.get(base).mem('v128Load32Splat', offset).set(x);
        for (let j = 0; j < quads; j++) f.multiplyAdd(acc(i, j), x, w(j), isa.relaxed);
      }
      f.increment(weight, 32);
    });
    for (let j = 0; j < quads; j++)
      for (let i = 0; i < m; i++) {
        f.get(out).get(acc(i, j));
        emitActivation(f, activation);
        f.mem('v128Store', j * plane + i * 16);
      }
  };
  const row = (runs: readonly TileRun[], quads: number): void => {
    for (const { m, times } of runs) {
      const one = (): void => {
        micro(m, quads);
        walk.advance(m);
        f.increment(out, m * 16);
        if (residual) f.increment(residualAt, m * 16);
      };
      if (times > 1) f.repeat(count, times, one);
      else one();
    }
    walk.endRow();
  };
  const tile = (quads: 1 | 2): void => {
    const runs = pixelTiles(walk.pixels, quads, isa, walk.mostPixels);
    walk.reset();
    f.get(outBase).set(out);
    if (residual) f.get(residualBase).set(residualAt);
    if (walk.rows > 1) f.repeat(rowCount, walk.rows, () => row(runs, quads));
    else row(runs, quads);
    f.increment(biasBase, quads * 16).increment(outBase, quads * plane);
    if (residual) f.increment(residualBase, quads * plane);
  };

  const start = (local: Local, base: number, size: number): void => {
    f.get(base).get(UNIT0).i32Const(size).op('i32Mul').op('i32Add').set(local);
  };
  start(biasBase, BIAS, 16);
  start(outBase, OUT, plane);
  if (residual) start(residualBase, RESIDUAL, plane);
  const { ranges } = shape;
  eachPair(f, { weights: WEIGHTS, unit0: UNIT0, unit1: UNIT1, K, ranges }, weightBase, tile);
  return f;
}

type Four = [Local, Local, Local, Local];

/** Parameters of matrix kernels: input, weights, bias, output, residual, unit0, unit1. */
export function matrixFunction(): FunctionBuilder {
  return new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
}

/** (input, weights, bias, output, residual, unit0, unit1). */
export function emitPointwise(spec: PointwiseSpec, isa: Isa): FunctionBuilder {
  const f = matrixFunction();
  if (spec.P === 1) return emitVector(f, spec, isa);
  return emitMatrix(f, spec, isa, channelWalk(f, spec, spec.P * 16));
}

/** Over all input channels at the output's own pixels; `plane` is the bytes from one input quad to the next. */
export function channelWalk(
  f: FunctionBuilder,
  { K, P }: Pick<MatrixShape, 'K' | 'P'>,
  plane: number,
): InputWalk {
  const [pixelBase, address, groupEnd, end] = [0, 0, 0, 0].map(() => f.local('i32')) as Four;
  return {
    rows: 1,
    pixels: P,
    mostPixels: 12,
    reset: () => f.get(IN).set(pixelBase),
    endRow: () => undefined,
    advance: (m) => f.increment(pixelBase, m * 16),
    begin: () => f.get(pixelBase).set(address),
    loops: (step) => {
      // quads of input channels outside, the four channels of a quad inside
      f.get(address)
        .i32Const((K / 4) * plane)
        .op('i32Add')
        .set(end);
      f.loop((nextQuad) => {
        f.get(address).i32Const(16).op('i32Add').set(groupEnd);
        f.loop((nextChannel) => {
          step((i) => ({ base: address, offset: i * 16 }));
          f.get(address).i32Const(4).op('i32Add').tee(address).get(groupEnd).op('i32LtU').brIf(nextChannel);
        });
        f.get(address)
          .i32Const(plane - 16)
          .op('i32Add')
          .tee(address)
          .get(end)
          .op('i32LtU')
          .brIf(nextQuad);
      });
    },
  };
}

export { packMatrix } from './pairs.js';
export { packHalves, packVector } from './vector.js';
