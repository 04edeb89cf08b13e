/**
 * Kernels at the ends of the step: the loss and its gradient, softmax inside a network, dropout.
 * Shape legend: logits and targets are rows of `quads * 4` floats, of which `classes` count.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { emitExp } from '../../kernels/kernel.js';
import { advance, kernelFunction, repeated, times } from './loops.js';

/** target = exp(value on the stack), scalar. */
function scalarExp(f: FunctionBuilder, target: Local): void {
  const [x = 0] = f.scratch('v128', 28).slice(27);
  f.op('f32x4Splat').set(x);
  emitExp(f, x);
  f.get(x).extractF32(0).set(target);
}

export interface LossSpec {
  readonly kind: 'crossEntropy' | 'meanSquaredError';
  readonly classes: number;
  readonly quads: number;
  /** Logits are multiplied by this first (1 / temperature). */
  readonly sharpness: number;
  /** Of the gradient; includes 1 / N. */
  readonly factor: number;
  /** Adds to the gradient that is there. */
  readonly add: boolean;
}

/**
 * Cross-entropy: d = factor (softmax(sharpness l) - t). Mean squared error: d = 2 factor (l - t).
 * (logits, targets, gradient, log-sum, images). Log-sum: two floats an image, the largest sharpened logit and the sum
 * of exponentials relative to it.
 */
export function emitLoss(spec: LossSpec): FunctionBuilder {
  const { classes, quads } = spec;
  const f = kernelFunction(5);
  const [L, T, D, OUT, N] = [0, 1, 2, 3, 4] as const;
  const [largest, sum, e] = [f.local('f32'), f.local('f32'), f.local('f32')];
  const [l, t, d] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const add = (): void => {
    if (spec.add) f.get(d).mem('f32Load').op('f32Add');
  };
  times(f, N, () => {
    f.get(L).set(l).get(T).set(t).get(D).set(d);
    if (spec.kind === 'crossEntropy') {
      f.f32Const(Number.NEGATIVE_INFINITY).set(largest);
      repeated(f, classes, () => {
        f.get(largest).get(l).mem('f32Load').op('f32Max').set(largest);
        f.increment(l, 4);
      });
      f.get(L).set(l).f32Const(0).set(sum);
      repeated(f, classes, () => {
        f.get(l).mem('f32Load').get(largest).op('f32Sub').f32Const(spec.sharpness).op('f32Mul');
        scalarExp(f, e);
        f.get(sum).get(e).op('f32Add').set(sum);
        if (!spec.add) f.get(d).get(e).mem('f32Store');
        advance(f, [
          [l, 4],
          [d, 4],
        ]);
      });
      f.get(L).set(l).get(D).set(d);
      repeated(f, classes, () => {
        f.get(l).mem('f32Load').get(largest).op('f32Sub').f32Const(spec.sharpness).op('f32Mul');
        scalarExp(f, e);
        f.get(d).get(e).get(sum).op('f32Div').get(t).mem('f32Load').op('f32Sub');
        f.f32Const(spec.factor).op('f32Mul');
        add();
        f.mem('f32Store');
        advance(f, [
          [l, 4],
          [t, 4],
          [d, 4],
        ]);
      });
      f.get(OUT).get(largest).f32Const(spec.sharpness).op('f32Mul').mem('f32Store');
      f.get(OUT).get(sum).mem('f32Store', 4);
    } else {
      repeated(f, classes, () => {
        f.get(d)
          .get(l)
          .mem('f32Load')
          .get(t)
          .mem('f32Load')
          .op('f32Sub')
          .f32Const(2 * spec.factor)
          .op('f32Mul');
        add();
        f.mem('f32Store');
        advance(f, [
          [l, 4],
          [t, 4],
          [d, 4],
        ]);
      });
    }
    if (!spec.add)
      repeated(f, quads * 4 - classes, () => {
        f.get(d).f32Const(0).mem('f32Store');
        f.increment(d, 4);
      });
    advance(f, [
      [L, quads * 16],
      [T, quads * 16],
      [D, quads * 16],
      [OUT, 8],
    ]);
  });
  return f;
}

/** Softmax of rows: (x, unused, y, images); pad lanes become zero. */
export function emitRowSoftmax(classes: number, quads: number): FunctionBuilder {
  const f = kernelFunction(4);
  const [X, Y, N] = [0, 2, 3] as const;
  const [largest, sum, e] = [f.local('f32'), f.local('f32'), f.local('f32')];
  const [x, y] = [f.local('i32'), f.local('i32')];
  times(f, N, () => {
    f.get(X).set(x).f32Const(Number.NEGATIVE_INFINITY).set(largest).f32Const(0).set(sum);
    repeated(f, classes, () => {
      f.get(largest).get(x).mem('f32Load').op('f32Max').set(largest);
      f.increment(x, 4);
    });
    f.get(X).set(x).get(Y).set(y);
    repeated(f, classes, () => {
      f.get(x).mem('f32Load').get(largest).op('f32Sub');
      scalarExp(f, e);
      f.get(y).get(e).mem('f32Store').get(sum).get(e).op('f32Add').set(sum);
      advance(f, [
        [x, 4],
        [y, 4],
      ]);
    });
    f.get(Y).set(y);
    repeated(f, classes, () => {
      f.get(y).get(y).mem('f32Load').get(sum).op('f32Div').mem('f32Store');
      f.increment(y, 4);
    });
    repeated(f, quads * 4 - classes, () => {
      f.get(y).f32Const(0).mem('f32Store');
      f.increment(y, 4);
    });
    advance(f, [
      [X, quads * 16],
      [Y, quads * 16],
    ]);
  });
  return f;
}

/** dx = y (dy - sum(dy y)): (y, dy, dx, images). `add`: onto what is there. */
export function emitRowSoftmaxGradient(quads: number, add: boolean): FunctionBuilder {
  const f = kernelFunction(4);
  const [Y, DY, DX, N] = [0, 1, 2, 3] as const;
  const [y, dy, dx] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [sum] = [f.local('f32')];
  const each = (body: () => void): void => {
    f.get(Y).set(y).get(DY).set(dy).get(DX).set(dx);
    repeated(f, quads * 4, () => {
      body();
      advance(f, [
        [y, 4],
        [dy, 4],
        [dx, 4],
      ]);
    });
  };
  times(f, N, () => {
    f.f32Const(0).set(sum);
    each(() => f.get(sum).get(y).mem('f32Load').get(dy).mem('f32Load').op('f32Mul').op('f32Add').set(sum));
    each(() => {
      f.get(dx).get(dy).mem('f32Load').get(sum).op('f32Sub').get(y).mem('f32Load').op('f32Mul');
      if (add) f.get(dx).mem('f32Load').op('f32Add');
      f.mem('f32Store');
    });
    advance(f, [
      [Y, quads * 16],
      [DY, quads * 16],
      [DX, quads * 16],
    ]);
  });
  return f;
}

export interface DropoutSpec {
  /** Floats of an image that are rows of `rowFloats` at `rowBytes` distance: dense images only have one row. */
  readonly count: number;
  readonly inImage: number;
  readonly outImage: number;
  readonly rate: number;
  /** Tells the layers' masks apart. */
  readonly salt: number;
  readonly add: boolean;
}

/**
 * y = x * mask / (1 - rate). The mask of a value is a hash of seed, layer, image and position, so the backward pass
 * (the same kernel on gradients) makes it again and nothing is stored. (x, seed word, y, first image, images).
 */
export function emitDropout(spec: DropoutSpec): FunctionBuilder {
  const f = kernelFunction(5);
  const [X, SEED, Y, IMAGE, N] = [0, 1, 2, 3, 4] as const;
  const [x, y, h, index] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const threshold = Math.round(spec.rate * 0x1000000);
  const mix = (shift: number, factor: number): void => {
    f.get(h)
      .get(h)
      .i32Const(shift)
      .op('i32ShrU')
      .op('i32Xor')
      .i32Const(factor | 0)
      .op('i32Mul')
      .set(h);
  };
  times(f, N, () => {
    f.get(X).set(x).get(Y).set(y);
    f.get(IMAGE).i32Const(spec.count).op('i32Mul').set(index);
    repeated(f, spec.count, () => {
      f.get(index)
        .i32Const(0x9e3779b1 | 0)
        .op('i32Mul')
        .get(SEED)
        .mem('i32Load')
        .op('i32Add');
      f.i32Const(spec.salt | 0)
        .op('i32Xor')
        .set(h);
      mix(16, 0x85ebca6b);
      mix(13, 0xc2b2ae35);
      mix(16, 0x27d4eb2f);
      f.get(y);
      f.get(x)
        .mem('f32Load')
        .f32Const(1 / (1 - spec.rate))
        .op('f32Mul')
        .f32Const(0);
      f.get(h).i32Const(8).op('i32ShrU').i32Const(threshold).op('i32GeU').op('select');
      if (spec.add) f.get(y).mem('f32Load').op('f32Add');
      f.mem('f32Store');
      advance(f, [
        [x, 4],
        [y, 4],
        [index, 1],
      ]);
    });
    advance(f, [
      [X, spec.inImage],
      [Y, spec.outImage],
      [IMAGE, 1],
    ]);
  });
  return f;
}
