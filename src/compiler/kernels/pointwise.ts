/**
 * The 1x1 convolution and, through an offset per pixel, the kxk convolution: a matrix product of weights
 * [N quads][K][4] with input pixels, tiled over pixels and output quads. One input channel is one pass of the
 * innermost loop: V8 up to version 12 spills when a loop body loads more, and newer ones lose little.
 */
import { FunctionBuilder, type Local } from '../emitter/function.js';
import { type Activation, emitActivation, type Isa, pixelTile, quadTiles } from './kernel.js';

export interface PointwiseSpec {
  readonly kind: 'pointwise';
  /** Stored input channels, a multiple of 4. */
  readonly K: number;
  /** Pixels. */
  readonly P: number;
  /** Lengths of the unit ranges that calls use; each gets its own code. */
  readonly ranges: readonly number[];
  readonly activation: Activation;
  /** Adds `residual` (layout of the output) before the activation. It may be the output itself. */
  readonly residual: boolean;
}

/** Parameters of a matrix kernel, in order. */
const [IN, WEIGHTS, BIAS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5, 6] as const;

export interface MatrixShape {
  readonly K: number;
  readonly P: number;
  readonly ranges: readonly number[];
  readonly activation: Activation;
  readonly residual: boolean;
}

/** What differs between the 1x1 and the kxk convolution: how input addresses move. */
export interface InputWalk {
  /** Sets up the input addresses of a tile of m pixels; called once a tile. */
  readonly begin: (m: number) => void;
  /** Emits the loops over the input, calling `step(addresses, offsets)` for every input channel's body. */
  readonly loops: (
    step: (pixel: (i: number) => { readonly base: Local; readonly offset: number }) => void,
  ) => void;
  /** Before the first pixel of a quad tile. */
  readonly reset: () => void;
  /** To the next tile of pixels. */
  readonly advance: (m: number) => void;
}

/** Emits loops over unit ranges, quad tiles and pixel tiles around a walk over the input. */
export function emitMatrix(
  f: FunctionBuilder,
  shape: MatrixShape,
  isa: Isa,
  walk: InputWalk,
): FunctionBuilder {
  const { K, P, activation, residual } = shape;
  const plane = P * 16;
  const quadBytes = K * 16;
  const weightBase = f.local('i32');
  const biasBase = f.local('i32');
  const outBase = f.local('i32');
  const residualBase = f.local('i32');
  const weight = f.local('i32');
  const out = f.local('i32');
  const residualAt = f.local('i32');
  const count = f.local('i32');
  const times = f.local('i32');

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
          .mem('v128Load', j * quadBytes)
          .set(w(j));
      for (let i = 0; i < m; i++) {
        const { base, offset } = pixel(i);
        f.get(base).mem('v128Load32Splat', offset).set(x);
        for (let j = 0; j < quads; j++) f.multiplyAdd(acc(i, j), x, w(j), isa.relaxed);
      }
      f.increment(weight, 16);
    });
    for (let j = 0; j < quads; j++)
      for (let i = 0; i < m; i++) {
        f.get(out).get(acc(i, j));
        emitActivation(f, activation);
        f.mem('v128Store', j * plane + i * 16);
      }
  };
  const advance = (m: number): void => {
    walk.advance(m);
    f.increment(out, m * 16);
    if (residual) f.increment(residualAt, m * 16);
  };
  const quadTile = (quads: number): void => {
    const { m } = pixelTile(P, quads, isa);
    const full = Math.floor(P / m);
    const rest = P - full * m;
    walk.reset();
    f.get(outBase).set(out);
    if (residual) f.get(residualBase).set(residualAt);
    const tile = (): void => {
      micro(m, quads);
      advance(m);
    };
    if (full > 1) f.repeat(count, full, tile);
    else tile();
    if (rest > 0) micro(rest, quads);
    f.increment(weightBase, quads * quadBytes)
      .increment(biasBase, quads * 16)
      .increment(outBase, quads * plane);
    if (residual) f.increment(residualBase, quads * plane);
  };
  const start = (local: Local, base: number, size: number): void => {
    f.get(base).get(UNIT0).i32Const(size).op('i32Mul').op('i32Add').set(local);
  };
  start(weightBase, WEIGHTS, quadBytes);
  start(biasBase, BIAS, 16);
  start(outBase, OUT, plane);
  if (residual) start(residualBase, RESIDUAL, plane);
  const range = (length: number): void => {
    for (const tile of quadTiles(length, P, isa)) {
      if (tile.times > 1) f.repeat(times, tile.times, () => quadTile(tile.quads));
      else quadTile(tile.quads);
    }
  };
  const [only] = shape.ranges;
  if (shape.ranges.length === 1 && only !== undefined) range(only);
  else
    for (const length of shape.ranges)
      f.get(UNIT1)
        .get(UNIT0)
        .op('i32Sub')
        .i32Const(length)
        .op('i32Eq')
        .if(() => range(length));
  return f;
}

/** Parameters of matrix kernels: input, weights, bias, output, residual, unit0, unit1. */
export function matrixFunction(): FunctionBuilder {
  return new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
}

/** (input, weights, bias, output, residual, unit0, unit1). */
export function emitPointwise(spec: PointwiseSpec, isa: Isa): FunctionBuilder {
  const f = matrixFunction();
  const plane = spec.P * 16;
  const pixelBase = f.local('i32');
  const address = f.local('i32');
  const groupEnd = f.local('i32');
  const weightEnd = f.local('i32');
  return emitMatrix(f, spec, isa, {
    reset: () => f.get(IN).set(pixelBase),
    advance: (m) => f.increment(pixelBase, m * 16),
    begin: () => f.get(pixelBase).set(address),
    loops: (step) => {
      // quads of input channels outside, the four channels of a quad inside
      f.get(address)
        .i32Const((spec.K / 4) * plane)
        .op('i32Add')
        .set(weightEnd);
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
          .get(weightEnd)
          .op('i32LtU')
          .brIf(nextQuad);
      });
    },
  });
}

/** Weights [N][K] in stored order to [N/4][K][4]; N and K are multiples of 4. */
export function packMatrix(weights: Float32Array, N: number, K: number): Float32Array {
  const packed = new Float32Array(N * K);
  let at = 0;
  for (let quad = 0; quad < N; quad += 4)
    for (let k = 0; k < K; k++)
      for (let lane = 0; lane < 4; lane++) packed[at++] = weights[(quad + lane) * K + k] as number;
  return packed;
}
