/** Derivatives of the activations at a vector, for gradients that are recomputed from the value before them. */
import type { ActivationName } from '../../../graph/nodes.js';
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { emitExp } from '../../kernels/kernel.js';

/**
 * Replaces the gradient on the stack (of the activation's output) by that of its input; `u` holds the input.
 * At the corners the derivative is that of the flat side, as PyTorch's.
 */
export function emitActivationGradient(
  f: FunctionBuilder,
  activation: ActivationName | null,
  u: Local,
): void {
  const [e = 0, s = 0] = f.scratch('v128', 30).slice(28);
  switch (activation) {
    case null:
      return;
    case 'relu':
      f.get(u).f32x4Const(0).op('f32x4Gt').op('v128And');
      return;
    case 'relu6':
      f.get(u).f32x4Const(0).op('f32x4Gt').op('v128And').get(u).f32x4Const(6).op('f32x4Lt').op('v128And');
      return;
    case 'hardSigmoid':
      f.get(u).f32x4Const(-3).op('f32x4Gt').op('v128And').get(u).f32x4Const(3).op('f32x4Lt').op('v128And');
      f.f32x4Const(1 / 6).op('f32x4Mul');
      return;
    case 'hardSwish':
      // 0 below -3, 1 above 3, u/3 + 1/2 between
      f.f32x4Const(1)
        .get(u)
        .f32x4Const(1 / 3)
        .op('f32x4Mul')
        .f32x4Const(0.5)
        .op('f32x4Add');
      f.get(u).f32x4Const(3).op('f32x4Ge').op('v128Bitselect');
      f.get(u).f32x4Const(-3).op('f32x4Gt').op('v128And').op('f32x4Mul');
      return;
    case 'sigmoid':
    case 'silu':
      f.get(u).op('f32x4Neg').set(e);
      emitExp(f, e);
      f.f32x4Const(1).get(e).f32x4Const(1).op('f32x4Add').op('f32x4Div').set(s);
      // sigmoid: s (1 - s); silu: s (1 + u (1 - s))
      f.get(s).op('f32x4Mul');
      f.f32x4Const(1).get(s).op('f32x4Sub');
      if (activation === 'silu') f.get(u).op('f32x4Mul').f32x4Const(1).op('f32x4Add');
      f.op('f32x4Mul');
      return;
  }
}
