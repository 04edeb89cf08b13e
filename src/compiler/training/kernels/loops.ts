/**
 * Loops and address arithmetic that the training kernels share. A training kernel works on `n` images that lie one
 * after another; feature maps are stored pixel by pixel ([N][H + 2b][W + 2b][C], C a multiple of 4, a border of b zero
 * pixels that nothing ever writes), so that one row of a convolution's window is one contiguous run of floats.
 *
 * Shape legend: quad = 4 channels = one v128; pixel, row and image are distances in bytes.
 */
import { FunctionBuilder, type Local } from '../../emitter/function.js';

/** Distances in bytes between neighbouring pixels, rows and images of a stored map. */
export interface Strides {
  readonly pixel: number;
  readonly row: number;
  readonly image: number;
}

/** A function of `count` i32 arguments. */
export function kernelFunction(count: number): FunctionBuilder {
  return new FunctionBuilder(Array.from({ length: count }, () => 'i32' as const));
}

/** target = source + bytes. */
export function offset(f: FunctionBuilder, target: Local, source: Local, bytes: number): void {
  f.get(source);
  if (bytes !== 0) f.i32Const(bytes).op('i32Add');
  f.set(target);
}

/** Runs `body` as often as the local `count` says (counted down to zero; zero times is fine). */
export function times(f: FunctionBuilder, count: Local, body: () => void): void {
  f.get(count)
    .i32Const(0)
    .op('i32GtS')
    .if(() => {
      f.loop((again) => {
        body();
        f.get(count).i32Const(1).op('i32Sub').tee(count).brIf(again);
      });
    });
}

/** Runs `body` a constant number of times, without a loop for one. */
export function repeated(f: FunctionBuilder, count: number, body: () => void): void {
  if (count === 1) body();
  else if (count > 1) f.repeat(f.local('i32'), count, body);
}

/** Adds constants to locals. */
export function advance(f: FunctionBuilder, steps: readonly (readonly [Local, number])[]): void {
  for (const [local, bytes] of steps) f.increment(local, bytes);
}

/**
 * Runs `body` for each row of each image. Each of `maps` has its address (a parameter, moved from image to image), the
 * local that holds the row's address, and its strides; without strides the address stays.
 */
export function eachRow(
  f: FunctionBuilder,
  options: {
    /** The local with the number of images; counted down. */
    readonly images: Local;
    readonly height: number;
    readonly maps: readonly (readonly [image: Local, row: Local, strides: Strides | undefined])[];
  },
  body: () => void,
): void {
  const { images, height, maps } = options;
  times(f, images, () => {
    for (const [image, row] of maps) f.get(image).set(row);
    repeated(f, height, () => {
      body();
      advance(
        f,
        maps.map(([, row, strides]) => [row, strides?.row ?? 0]),
      );
    });
    advance(
      f,
      maps.map(([image, , strides]) => [image, strides?.image ?? 0]),
    );
  });
}

/** The largest of 4, 3, 2, 1 that divides `count`. */
export function unrollOf(count: number): number {
  return [4, 3, 2, 1].find((u) => count % u === 0) ?? 1;
}
