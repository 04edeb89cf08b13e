/**
 * Kernels driven by tables of byte offsets: any rearrangement of the values of an image (flatten, shuffle, shift,
 * slices and concatenations that do not fall on quads, planar input), pooling, and rearranged copies of weights.
 * Simple and general; the shapes that matter for speed do not come here.
 */
import type { FunctionBuilder } from '../../emitter/function.js';
import { advance, kernelFunction, repeated, times } from './loops.js';

export interface GatherSpec {
  /** Values an image. */
  readonly count: number;
  readonly inImage: number;
  readonly outImage: number;
  /** Adds to what is there. */
  readonly add: boolean;
}

/** y[to] = x[from] or 0 for from < 0, for `count` pairs (from, to) of byte offsets. (x, table, y, images). */
export function emitGather(spec: GatherSpec): FunctionBuilder {
  const f = kernelFunction(4);
  const [X, TABLE, Y, N] = [0, 1, 2, 3] as const;
  const [pair, from, to] = [f.local('i32'), f.local('i32'), f.local('i32')];
  times(f, N, () => {
    f.get(TABLE).set(pair);
    repeated(f, spec.count, () => {
      f.get(pair).mem('i32Load').set(from);
      f.get(pair).mem('i32Load', 4).get(Y).op('i32Add').set(to);
      f.get(from)
        .i32Const(0)
        .op('i32LtS')
        .if(
          () => {
            if (!spec.add) f.get(to).f32Const(0).mem('f32Store');
          },
          () => {
            f.get(to).get(from).get(X).op('i32Add').mem('f32Load');
            if (spec.add) f.get(to).mem('f32Load').op('f32Add');
            f.mem('f32Store');
          },
        );
      f.increment(pair, 8);
    });
    advance(f, [
      [X, spec.inImage],
      [Y, spec.outImage],
    ]);
  });
  return f;
}

/** destination[i] = source[table[i]] (byte offsets; below 0: zero), one after another. (source, table, destination, count). */
export function emitReorder(): FunctionBuilder {
  const f = kernelFunction(4);
  const from = f.local('i32');
  times(f, 3, () => {
    f.get(1).mem('i32Load').set(from);
    f.get(2).get(0).get(from).op('i32Add').mem('f32Load').f32Const(0);
    f.get(from).i32Const(0).op('i32GeS').op('select').mem('f32Store');
    f.increment(1, 4).increment(2, 4);
  });
  return f;
}

export interface PoolSpec {
  readonly kind: 'max' | 'average';
  /** Output pixels. */
  readonly pixels: number;
  readonly taps: number;
  readonly quads: number;
  readonly inImage: number;
  readonly outImage: number;
  /** Only for gradients. */
  readonly gradientInImage: number;
  readonly gradientOutImage: number;
}

/** A row of the table: output offset, factor (float), then an input offset a tap (below 0: outside). (x, table, y, images). */
export function emitPool(spec: PoolSpec): FunctionBuilder {
  const f = kernelFunction(4);
  const [X, TABLE, Y, N] = [0, 1, 2, 3] as const;
  const [entry, channel, from] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [value = 0] = f.scratch('v128', 1);
  times(f, N, () => {
    f.get(TABLE).set(entry);
    repeated(f, spec.pixels, () => {
      f.i32Const(0).set(channel);
      repeated(f, spec.quads, () => {
        f.f32x4Const(spec.kind === 'max' ? Number.NEGATIVE_INFINITY : 0).set(value);
        for (let k = 0; k < spec.taps; k++) {
          f.get(entry)
            .mem('i32Load', 8 + 4 * k)
            .tee(from)
            .i32Const(0)
            .op('i32GeS')
            .if(() => {
              f.get(value).get(X).get(from).op('i32Add').get(channel).op('i32Add').mem('v128Load');
              f.op(spec.kind === 'max' ? 'f32x4Max' : 'f32x4Add').set(value);
            });
        }
        f.get(Y).get(entry).mem('i32Load').op('i32Add').get(channel).op('i32Add').get(value);
        if (spec.kind === 'average') f.get(entry).mem('v128Load32Splat', 4).op('f32x4Mul');
        f.mem('v128Store');
        f.increment(channel, 16);
      });
      f.increment(entry, 8 + 4 * spec.taps);
    });
    advance(f, [
      [X, spec.inImage],
      [Y, spec.outImage],
    ]);
  });
  return f;
}

/**
 * dx += the gradient. A row of the table: offsets in y and dy, factor, then a tap's offsets in x and dx. The first
 * largest value of a window takes all of a maximum's gradient, as in PyTorch. (x, table, y, dy, dx, images).
 */
export function emitPoolGradient(spec: PoolSpec): FunctionBuilder {
  const f = kernelFunction(6);
  const [X, TABLE, Y, DY, DX, N] = [0, 1, 2, 3, 4, 5] as const;
  const [entry, channel, from, to] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const [gradient, largest, part] = f.scratch('v128', 3);
  times(f, N, () => {
    f.get(TABLE).set(entry);
    repeated(f, spec.pixels, () => {
      f.i32Const(0).set(channel);
      repeated(f, spec.quads, () => {
        f.get(DY).get(entry).mem('i32Load', 4).op('i32Add').get(channel).op('i32Add').mem('v128Load');
        if (spec.kind === 'average') f.get(entry).mem('v128Load32Splat', 8).op('f32x4Mul');
        else
          f.get(Y)
            .get(entry)
            .mem('i32Load')
            .op('i32Add')
            .get(channel)
            .op('i32Add')
            .mem('v128Load')
            .set(largest);
        f.set(gradient);
        for (let k = 0; k < spec.taps; k++) {
          f.get(entry)
            .mem('i32Load', 12 + 8 * k)
            .tee(from)
            .i32Const(0)
            .op('i32GeS')
            .if(() => {
              f.get(DX)
                .get(entry)
                .mem('i32Load', 16 + 8 * k)
                .op('i32Add')
                .get(channel)
                .op('i32Add')
                .set(to);
              f.get(gradient).set(part);
              if (spec.kind === 'max') {
                f.get(gradient);
                f.get(X).get(from).op('i32Add').get(channel).op('i32Add').mem('v128Load').get(largest);
                f.op('f32x4Eq').op('v128And').set(part);
                // what was given away is gone for the taps after
                f.get(gradient).get(part).op('v128Xor').set(gradient);
              }
              f.get(to).get(to).mem('v128Load').get(part).op('f32x4Add').mem('v128Store');
            });
        }
        f.increment(channel, 16);
      });
      f.increment(entry, 12 + 8 * spec.taps);
    });
    advance(f, [
      [X, spec.inImage],
      [Y, spec.outImage],
      [DY, spec.gradientOutImage],
      [DX, spec.gradientInImage],
    ]);
  });
  return f;
}

/** Zeroes whole images of `bytes` each, borders included. (address, images). */
export function emitZero(bytes: number): FunctionBuilder {
  const f = kernelFunction(2);
  f.get(0).i32Const(0).get(1).i32Const(bytes).op('i32Mul').memoryFill();
  return f;
}

/** Zeroes memory: (address, bytes). */
export function emitClear(): FunctionBuilder {
  const f = kernelFunction(2);
  f.get(0).i32Const(0).get(1).memoryFill();
  return f;
}
