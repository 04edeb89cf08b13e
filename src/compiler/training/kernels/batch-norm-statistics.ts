/**
 * The parts of batch norm that work on channels, not pixels: joining the threads' sums into mean and variance, the
 * scale and shift of the step, the running statistics, and the coefficients of the gradient.
 *
 * A thread's forward sums are three vectors of C floats: a shift s (its first pixel), sum of x - s, sum of (x - s)^2.
 * Shifted sums joined by Chan's formula stay exact where E[x^2] - mean^2 cancels.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { kernelFunction, repeated } from './loops.js';

/** (z, sums): the first pixel becomes the shift, the `zeros` vectors after it become zero; `copy` false: only zeros. */
export function emitBeginSums(quads: number, copy: boolean, zeros: number): FunctionBuilder {
  const f = kernelFunction(2);
  repeated(f, quads, () => {
    if (copy) f.get(1).get(0).mem('v128Load').mem('v128Store');
    for (let i = 0; i < zeros; i++)
      f.get(1)
        .f32x4Const(0)
        .mem('v128Store', (i + (copy ? 1 : 0)) * quads * 16);
    f.increment(0, 16).increment(1, 16);
  });
  return f;
}

export interface JoinSpec {
  readonly quads: number;
  readonly eps: number;
  readonly momentum: number;
  /** Values (pixels of all images) behind each thread's sums. */
  readonly counts: readonly number[];
  /** Bytes between the threads' sums. */
  readonly threadStep: number;
  /** One thread also updates the running statistics. */
  readonly running: boolean;
}

/**
 * (sums of thread 0, scale, shift, running mean, running variance, result). Result: four vectors of C floats:
 * scale / sigma, shift - mean scale / sigma, mean, 1 / sigma.
 */
export function emitJoinStatistics(spec: JoinSpec): FunctionBuilder {
  const { quads, counts, threadStep } = spec;
  const f = kernelFunction(6);
  const [SUMS, SCALE, SHIFT, RUNNING_MEAN, RUNNING_VARIANCE, RESULT] = [0, 1, 2, 3, 4, 5] as const;
  const vector = quads * 16;
  const total = counts.reduce((a, b) => a + b, 0);
  const [mean, squares, partial, difference] = f.scratch('v128', 4);
  const meanOf = (t: number): void => {
    const at = t * threadStep;
    f.get(SUMS)
      .mem('v128Load', at)
      .get(SUMS)
      .mem('v128Load', at + vector);
    f.f32x4Const(1 / (counts[t] as number))
      .op('f32x4Mul')
      .op('f32x4Add')
      .set(partial);
  };
  repeated(f, quads, () => {
    f.f32x4Const(0).set(mean).f32x4Const(0).set(squares);
    counts.forEach((count, t) => {
      if (count === 0) return;
      meanOf(t);
      f.get(mean)
        .get(partial)
        .f32x4Const(count / total)
        .op('f32x4Mul')
        .op('f32x4Add')
        .set(mean);
    });
    counts.forEach((count, t) => {
      if (count === 0) return;
      meanOf(t);
      const at = t * threadStep;
      f.get(partial).get(mean).op('f32x4Sub').set(difference);
      f.get(squares)
        .get(SUMS)
        .mem('v128Load', at + 2 * vector)
        .op('f32x4Add');
      f.get(SUMS)
        .mem('v128Load', at + vector)
        .get(SUMS)
        .mem('v128Load', at + vector)
        .op('f32x4Mul');
      f.f32x4Const(1 / count)
        .op('f32x4Mul')
        .op('f32x4Sub');
      f.get(difference).get(difference).op('f32x4Mul').f32x4Const(count).op('f32x4Mul').op('f32x4Add');
      f.set(squares);
    });
    f.get(squares).f32x4Const(0).op('f32x4Pmax').set(squares);
    if (spec.running) {
      const blend = (address: Local, value: () => void): void => {
        f.get(address)
          .get(address)
          .mem('v128Load')
          .f32x4Const(1 - spec.momentum)
          .op('f32x4Mul');
        value();
        f.f32x4Const(spec.momentum).op('f32x4Mul').op('f32x4Add').mem('v128Store');
        f.increment(address, 16);
      };
      blend(RUNNING_MEAN, () => f.get(mean));
      blend(RUNNING_VARIANCE, () =>
        f
          .get(squares)
          .f32x4Const(1 / Math.max(1, total - 1))
          .op('f32x4Mul'),
      );
    }
    f.f32x4Const(1);
    f.get(squares)
      .f32x4Const(1 / total)
      .op('f32x4Mul')
      .f32x4Const(spec.eps)
      .op('f32x4Add')
      .op('f32x4Sqrt');
    f.op('f32x4Div').set(partial);
    storeCoefficients(f, { SCALE, SHIFT, RESULT }, { mean, inverse: partial }, vector);
    f.increment(SUMS, 16);
  });
  return f;
}

function storeCoefficients(
  f: FunctionBuilder,
  at: { readonly SCALE: Local; readonly SHIFT: Local; readonly RESULT: Local },
  value: { readonly mean: Local; readonly inverse: Local },
  vector: number,
): void {
  const { SCALE, SHIFT, RESULT } = at;
  const { mean, inverse } = value;
  f.get(RESULT).get(SCALE).mem('v128Load').get(inverse).op('f32x4Mul').mem('v128Store');
  f.get(RESULT).get(SHIFT).mem('v128Load');
  f.get(mean).get(RESULT).mem('v128Load').op('f32x4Mul').op('f32x4Sub').mem('v128Store', vector);
  f.get(RESULT)
    .get(mean)
    .mem('v128Store', 2 * vector);
  f.get(RESULT)
    .get(inverse)
    .mem('v128Store', 3 * vector);
  f.increment(SCALE, 16).increment(SHIFT, 16).increment(RESULT, 16);
}

/** Inference: (unused, scale, shift, running mean, running variance, result), the result as above. */
export function emitRunningCoefficients(quads: number, eps: number): FunctionBuilder {
  const f = kernelFunction(6);
  const [mean, inverse] = f.scratch('v128', 2);
  repeated(f, quads, () => {
    f.get(3).mem('v128Load').set(mean);
    f.f32x4Const(1)
      .get(4)
      .mem('v128Load')
      .f32x4Const(eps)
      .op('f32x4Add')
      .op('f32x4Sqrt')
      .op('f32x4Div')
      .set(inverse);
    storeCoefficients(f, { SCALE: 1, SHIFT: 2, RESULT: 5 }, { mean, inverse }, quads * 16);
    f.increment(3, 16).increment(4, 16);
  });
  return f;
}

export interface JoinGradientSpec {
  readonly quads: number;
  readonly threads: number;
  readonly threadStep: number;
  /** Values behind all sums: N * H * W. */
  readonly total: number;
  /** One thread also adds to the gradients of scale and shift. */
  readonly parameters: boolean;
}

/**
 * (sums of thread 0, coefficients of the forward step, d scale, d shift, result). Sums are two vectors: sum of du and
 * of du (z - mean). Result: vectors A, B, D with
 * dz = A du + B z + D, and scale / sigma and shift' again, so that one block holds all that a pixel needs.
 */
export function emitJoinGradients(spec: JoinGradientSpec): FunctionBuilder {
  const { quads, threads, threadStep, total } = spec;
  const f = kernelFunction(5);
  const [SUMS, FORWARD, DSCALE, DSHIFT, RESULT] = [0, 1, 2, 3, 4] as const;
  const vector = quads * 16;
  const [sum, product, b, scale] = f.scratch('v128', 4);
  repeated(f, quads, () => {
    for (const [local, part] of [
      [sum, 0],
      [product, 1],
    ] as const) {
      f.get(SUMS).mem('v128Load', part * vector);
      for (let t = 1; t < threads; t++)
        f.get(SUMS)
          .mem('v128Load', t * threadStep + part * vector)
          .op('f32x4Add');
      f.set(local);
    }
    f.get(product)
      .get(FORWARD)
      .mem('v128Load', 3 * vector)
      .op('f32x4Mul')
      .set(product);
    if (spec.parameters) {
      f.get(DSCALE).get(DSCALE).mem('v128Load').get(product).op('f32x4Add').mem('v128Store');
      f.get(DSHIFT).get(DSHIFT).mem('v128Load').get(sum).op('f32x4Add').mem('v128Store');
    }
    f.get(FORWARD).mem('v128Load').set(scale);
    f.get(RESULT).get(scale).mem('v128Store');
    // B = -A / M * sum(du xhat) / sigma
    f.get(scale)
      .get(product)
      .op('f32x4Mul')
      .get(FORWARD)
      .mem('v128Load', 3 * vector)
      .op('f32x4Mul');
    f.f32x4Const(-1 / total)
      .op('f32x4Mul')
      .set(b);
    f.get(RESULT).get(b).mem('v128Store', vector);
    // D = -A / M * sum(du) - B mean
    f.get(RESULT)
      .get(scale)
      .get(sum)
      .op('f32x4Mul')
      .f32x4Const(-1 / total)
      .op('f32x4Mul');
    f.get(b)
      .get(FORWARD)
      .mem('v128Load', 2 * vector)
      .op('f32x4Mul')
      .op('f32x4Sub')
      .mem('v128Store', 2 * vector);
    f.get(RESULT)
      .get(scale)
      .mem('v128Store', 3 * vector);
    f.get(RESULT)
      .get(FORWARD)
      .mem('v128Load', vector)
      .mem('v128Store', 4 * vector);
    f.increment(SUMS, 16)
      .increment(FORWARD, 16)
      .increment(DSCALE, 16)
      .increment(DSHIFT, 16)
      .increment(RESULT, 16);
  });
  return f;
}
