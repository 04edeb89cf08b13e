/**
 * Kernels that do the same thing at every pixel: `map` writes one map from others, `reduce` sums over pixels (of each
 * image, or of all). The arithmetic is a closure that emits code for one quad, so that one loop nest serves batch
 * norm, activations, sums, gates and their gradients.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { advance, kernelFunction, repeated, type Strides, times, unrollOf } from './loops.js';

/** Values per channel that are held while a row is worked on: `count` vectors of C floats one after another. */
export interface Coefficients {
  readonly count: number;
  /** Bytes from one vector to the next. */
  readonly step: number;
  /** Bytes from one image's to the next image's; 0: the same for all. */
  readonly image: number;
}

export interface MapSpec {
  readonly height: number;
  readonly width: number;
  readonly quads: number;
  readonly inputs: readonly Strides[];
  readonly output: Strides;
  readonly coefficients?: Coefficients;
}

/** What the closure gets: locals with the inputs' quads and the coefficients. It leaves the result on the stack. */
export interface QuadValues {
  readonly inputs: readonly Local[];
  readonly coefficients: readonly Local[];
}

/** Scratch vectors 22 to 29 belong to activations and exponentials; these are beyond. */
const firstVector = 30;

/** Arguments: inputs, output, coefficients (0 when there are none), images. */
export function emitMap(
  spec: MapSpec,
  body: (f: FunctionBuilder, values: QuadValues) => void,
): FunctionBuilder {
  const { height, width, quads, inputs, output, coefficients } = spec;
  const maps = [...inputs, output];
  const f = kernelFunction(maps.length + 2);
  const COEFFICIENTS = maps.length;
  const N = maps.length + 1;
  const vectors = f
    .scratch('v128', firstVector + inputs.length + (coefficients?.count ?? 0))
    .slice(firstVector);
  const values = { inputs: vectors.slice(0, inputs.length), coefficients: vectors.slice(inputs.length) };
  const rows = maps.map(() => f.local('i32'));
  const ats = maps.map(() => f.local('i32'));
  const channel = f.local('i32');
  const dense = maps.every((m) => m.pixel === quads * 16 && m.row === width * m.pixel);
  // without coefficients a dense image is one run of quads; with them channels are the outer loop
  const flat = dense && !coefficients;
  const runs = flat
    ? { rows: 1, pixels: height * width * quads, quads: 1 }
    : { rows: height, pixels: width, quads };
  const joined = dense && coefficients ? { rows: 1, pixels: height * width, quads } : runs;
  const pixelOf = (m: Strides): number => (flat ? 16 : m.pixel);
  const unroll = unrollOf(joined.pixels);
  times(f, N, () => {
    maps.forEach((_, i) => {
      f.get(i).set(rows[i] as Local);
    });
    repeated(f, joined.rows, () => {
      f.i32Const(0).set(channel);
      repeated(f, joined.quads, () => {
        maps.forEach((_, i) => {
          f.get(rows[i] as Local)
            .get(channel)
            .op('i32Add')
            .set(ats[i] as Local);
        });
        values.coefficients.forEach((local, i) => {
          f.get(COEFFICIENTS)
            .get(channel)
            .op('i32Add')
            .mem('v128Load', i * (coefficients?.step ?? 0))
            .set(local);
        });
        repeated(f, joined.pixels / unroll, () => {
          for (let u = 0; u < unroll; u++) {
            inputs.forEach((m, i) => {
              f.get(ats[i] as Local)
                .mem('v128Load', u * pixelOf(m))
                .set(values.inputs[i] as Local);
            });
            f.get(ats[inputs.length] as Local);
            body(f, values);
            f.mem('v128Store', u * pixelOf(output));
          }
          advance(
            f,
            maps.map((m, i) => [ats[i] as Local, unroll * pixelOf(m)] as const),
          );
        });
        f.increment(channel, 16);
      });
      advance(
        f,
        maps.map((m, i) => [rows[i] as Local, m.row] as const),
      );
    });
    advance(
      f,
      maps.map((m, i) => [i, m.image] as const),
    );
    f.increment(COEFFICIENTS, coefficients?.image ?? 0);
  });
  return f;
}

export interface ReduceSpec {
  readonly height: number;
  readonly width: number;
  readonly quads: number;
  readonly inputs: readonly Strides[];
  readonly coefficients?: Coefficients;
  /** How many sums the closure makes. */
  readonly sums: number;
  /** One result an image (image stride in bytes), or 0: sums over all images are added to what is there. */
  readonly resultImage: number;
}

/**
 * Sums over pixels, an image at a time (so that long sums keep their precision). The closure adds to the `sums`
 * locals. Results are `sums` vectors of quads * 4 floats; with one result an image `finish` may turn sum i (on the
 * stack) into what is stored. Arguments: inputs, results, coefficients, images.
 */
export function emitReduce(
  spec: ReduceSpec,
  body: (f: FunctionBuilder, values: QuadValues, sums: readonly Local[]) => void,
  finish?: (f: FunctionBuilder, address: Local) => void,
): FunctionBuilder {
  const { height, width, quads, inputs, coefficients } = spec;
  const f = kernelFunction(inputs.length + 3);
  const [RESULT, COEFFICIENTS, N] = [inputs.length, inputs.length + 1, inputs.length + 2];
  const count = coefficients?.count ?? 0;
  const vectors = f.scratch('v128', firstVector + inputs.length + count + spec.sums).slice(firstVector);
  const values = {
    inputs: vectors.slice(0, inputs.length),
    coefficients: vectors.slice(inputs.length, inputs.length + count),
  };
  const sums = vectors.slice(inputs.length + count);
  const rows = inputs.map(() => f.local('i32'));
  const ats = inputs.map(() => f.local('i32'));
  const channel = f.local('i32');
  const address = f.local('i32');
  const dense = inputs.every((m) => m.row === width * m.pixel);
  const [rowCount, pixels] = dense ? [1, height * width] : [height, width];
  const unroll = unrollOf(pixels);
  times(f, N, () => {
    f.i32Const(0).set(channel);
    repeated(f, quads, () => {
      inputs.forEach((_, i) => {
        f.get(i)
          .get(channel)
          .op('i32Add')
          .set(rows[i] as Local);
      });
      values.coefficients.forEach((local, i) => {
        f.get(COEFFICIENTS)
          .get(channel)
          .op('i32Add')
          .mem('v128Load', i * (coefficients?.step ?? 0))
          .set(local);
      });
      for (const sum of sums) f.f32x4Const(0).set(sum);
      repeated(f, rowCount, () => {
        inputs.forEach((_, i) => {
          f.get(rows[i] as Local).set(ats[i] as Local);
        });
        repeated(f, pixels / unroll, () => {
          for (let u = 0; u < unroll; u++) {
            inputs.forEach((m, i) => {
              f.get(ats[i] as Local)
                .mem('v128Load', u * m.pixel)
                .set(values.inputs[i] as Local);
            });
            body(f, values, sums);
          }
          advance(
            f,
            inputs.map((m, i) => [ats[i] as Local, unroll * m.pixel] as const),
          );
        });
        advance(
          f,
          inputs.map((m, i) => [rows[i] as Local, m.row] as const),
        );
      });
      f.get(RESULT).get(channel).op('i32Add').set(address);
      sums.forEach((sum, i) => {
        f.get(address).get(sum);
        if (finish) finish(f, address);
        if (spec.resultImage === 0)
          f.get(address)
            .mem('v128Load', i * quads * 16)
            .op('f32x4Add');
        f.mem('v128Store', i * quads * 16);
      });
      f.increment(channel, 16);
    });
    advance(
      f,
      inputs.map((m, i) => [i, m.image] as const),
    );
    f.increment(RESULT, spec.resultImage);
    f.increment(COEFFICIENTS, coefficients?.image ?? 0);
  });
  return f;
}
