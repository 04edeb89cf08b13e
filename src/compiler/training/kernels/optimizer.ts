/**
 * The update of weights as kernels over runs of quads: joining the threads' gradients in a fixed order, the global
 * norm, and SGD, RMSprop and AdamW. Numbers that change from step to step are read from the hyper-parameter block.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { kernelFunction, times } from './loops.js';

export type OptimizerRule =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean }
  | { readonly kind: 'rmsprop'; readonly decay: number; readonly momentum: number; readonly eps: number }
  | { readonly kind: 'adamw'; readonly beta1: number; readonly beta2: number; readonly eps: number };

/** Byte offsets in the hyper-parameter block. */
export const hyper = {
  learningRate: 0,
  /** Factor of the gradient (clipping by norm and 1). */
  clip: 4,
  averageDecay: 8,
  /** AdamW: 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t). */
  correction1: 12,
  correction2: 16,
  /** Not zero: the logits are not finite, and the step leaves the weights as they are. */
  skip: 20,
  bytes: 64,
} as const;

/** hyper.skip = whether any of `count` floats is a NaN or an infinity: (floats, hyper block, count). */
export function emitFiniteCheck(): FunctionBuilder {
  const f = kernelFunction(3);
  const sum = f.local('f32');
  times(f, 2, () => {
    f.get(sum).get(0).mem('f32Load').f32Const(0).op('f32Mul').op('f32Abs').op('f32Add').set(sum);
    f.increment(0, 4);
  });
  f.get(1).get(sum).op('i32ReinterpretF32').mem('i32Store', hyper.skip);
  return f;
}

/** count = 0 when the step is to be skipped. */
function skipWhenTold(f: FunctionBuilder, block: Local, count: Local): void {
  f.get(block)
    .mem('i32Load', hyper.skip)
    .if(() => {
      f.i32Const(0).set(count);
    });
}

export interface UpdateSpec {
  readonly rule: OptimizerRule;
  readonly weightDecay: number;
  readonly threads: number;
  /** Bytes between the threads' gradients. */
  readonly threadStep: number;
  /** Gradients are already joined in the first thread's. */
  readonly joined: boolean;
  readonly average: boolean;
}

function joinedGradient(f: FunctionBuilder, G: Local, threads: number, step: number): void {
  f.get(G).mem('v128Load');
  for (let t = 1; t < threads; t++)
    f.get(G)
      .mem('v128Load', t * step)
      .op('f32x4Add');
}

/**
 * (weights, gradients, first moment, second moment, average, hyper block of this thread, learning-rate factor's
 * address, quads).
 */
export function emitUpdate(spec: UpdateSpec): FunctionBuilder {
  const { rule, weightDecay } = spec;
  const f = kernelFunction(8);
  const [W, G, M, V, A, HYPER, FACTOR, N] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  const [lr, clip, g, w, m, v, keep] = f.scratch('v128', 7);
  const c = (value: number): FunctionBuilder => f.f32x4Const(value);
  f.get(HYPER)
    .mem('v128Load32Splat', hyper.learningRate)
    .get(FACTOR)
    .mem('v128Load32Splat')
    .op('f32x4Mul')
    .set(lr);
  f.get(HYPER).mem('v128Load32Splat', hyper.clip).set(clip);
  f.get(HYPER).mem('v128Load32Splat', hyper.averageDecay).set(keep);
  skipWhenTold(f, HYPER, N);
  times(f, N, () => {
    joinedGradient(f, G, spec.joined ? 1 : spec.threads, spec.threadStep);
    f.get(clip).op('f32x4Mul').set(g);
    f.get(W).mem('v128Load').set(w);
    if (weightDecay !== 0 && rule.kind !== 'adamw')
      f.get(g).get(w).f32x4Const(weightDecay).op('f32x4Mul').op('f32x4Add').set(g);
    switch (rule.kind) {
      case 'sgd': {
        if (rule.momentum !== 0) {
          f.get(M).mem('v128Load');
          c(rule.momentum).op('f32x4Mul').get(g).op('f32x4Add').set(m);
          f.get(M).get(m).mem('v128Store');
          if (rule.nesterov) f.get(m).f32x4Const(rule.momentum).op('f32x4Mul').get(g).op('f32x4Add').set(g);
          else f.get(m).set(g);
        }
        f.get(w).get(lr).get(g).op('f32x4Mul').op('f32x4Sub').set(w);
        break;
      }
      case 'rmsprop': {
        // TensorFlow's: eps inside the root, the learning rate inside the momentum
        f.get(V).mem('v128Load');
        c(rule.decay).op('f32x4Mul').get(g).get(g).op('f32x4Mul');
        c(1 - rule.decay)
          .op('f32x4Mul')
          .op('f32x4Add')
          .set(v);
        f.get(V).get(v).mem('v128Store');
        f.get(M).mem('v128Load');
        c(rule.momentum).op('f32x4Mul').get(lr).get(g).op('f32x4Mul').get(v);
        c(rule.eps).op('f32x4Add').op('f32x4Sqrt').op('f32x4Div').op('f32x4Add').set(m);
        f.get(M).get(m).mem('v128Store');
        f.get(w).get(m).op('f32x4Sub').set(w);
        break;
      }
      case 'adamw': {
        f.get(M).mem('v128Load');
        c(rule.beta1).op('f32x4Mul').get(g);
        c(1 - rule.beta1)
          .op('f32x4Mul')
          .op('f32x4Add')
          .set(m);
        f.get(M).get(m).mem('v128Store');
        f.get(V).mem('v128Load');
        c(rule.beta2).op('f32x4Mul').get(g).get(g).op('f32x4Mul');
        c(1 - rule.beta2)
          .op('f32x4Mul')
          .op('f32x4Add')
          .set(v);
        f.get(V).get(v).mem('v128Store');
        f.get(w).get(lr).get(m).get(HYPER).mem('v128Load32Splat', hyper.correction1).op('f32x4Mul');
        f.get(v).op('f32x4Sqrt').get(HYPER).mem('v128Load32Splat', hyper.correction2).op('f32x4Mul');
        c(rule.eps).op('f32x4Add').op('f32x4Div');
        f.get(w);
        c(weightDecay).op('f32x4Mul').op('f32x4Add').op('f32x4Mul').op('f32x4Sub').set(w);
        break;
      }
    }
    f.get(W).get(w).mem('v128Store');
    if (spec.average) {
      f.get(A).get(w).get(A).mem('v128Load').get(w).op('f32x4Sub').get(keep).op('f32x4Mul').op('f32x4Add');
      f.mem('v128Store');
    }
    for (const local of [W, G, M, V, A]) f.increment(local, 16);
  });
  return f;
}

/** average = w + keep (average - w): (w, average, hyper block, quads), for running statistics. */
export function emitAverage(): FunctionBuilder {
  const f = kernelFunction(4);
  const [w, keep] = f.scratch('v128', 2);
  f.get(2).mem('v128Load32Splat', hyper.averageDecay).set(keep);
  skipWhenTold(f, 2, 3);
  times(f, 3, () => {
    f.get(0).mem('v128Load').set(w);
    f.get(1).get(w).get(1).mem('v128Load').get(w).op('f32x4Sub').get(keep).op('f32x4Mul').op('f32x4Add');
    f.mem('v128Store');
    f.increment(0, 16).increment(1, 16);
  });
  return f;
}

/** Joins the threads' gradients in the first's and adds their squares: (gradients, result quad, quads). */
export function emitJoinAndSquare(threads: number, step: number): FunctionBuilder {
  const f = kernelFunction(3);
  const [sum, g] = f.scratch('v128', 2);
  f.get(1).mem('v128Load').set(sum);
  times(f, 2, () => {
    joinedGradient(f, 0, threads, step);
    f.set(g).get(0).get(g).mem('v128Store');
    f.get(sum).get(g).get(g).op('f32x4Mul').op('f32x4Add').set(sum);
    f.increment(0, 16);
  });
  f.get(1).get(sum).mem('v128Store');
  return f;
}

/** clip = min(1, most / norm): (result quads of all threads, hyper block). */
export function emitClipFactor(threads: number, most: number): FunctionBuilder {
  const f = kernelFunction(2);
  const norm = f.local('f32');
  const [sum] = f.scratch('v128', 1);
  f.get(0).mem('v128Load');
  for (let t = 1; t < threads; t++)
    f.get(0)
      .mem('v128Load', t * 64)
      .op('f32x4Add');
  f.set(sum);
  f.get(sum).extractF32(0).get(sum).extractF32(1).op('f32Add').get(sum).extractF32(2).op('f32Add');
  f.get(sum).extractF32(3).op('f32Add').op('f32Sqrt').f32Const(1e-6).op('f32Add').set(norm);
  f.get(1).f32Const(1).f32Const(most).get(norm).op('f32Div').op('f32Min').mem('f32Store', hyper.clip);
  return f;
}
