/** What the int8 matrix kernels have in common: their arguments, and the way from one pair of output quads to the next. */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import { eachPair } from '../pairs.js';
import { constantBytes, offsetByUnits } from './element.js';
import type { Int8MatrixSpec } from './matrix-spec.js';

/** The arguments, in this order. */
export const matrixArguments = {
  input: 0,
  weights: 1,
  constants: 2,
  out: 3,
  residual: 4,
  unit0: 5,
  unit1: 6,
} as const;

export interface PairPlan {
  /** Steps of the inner loop for a pair of output quads. */
  readonly steps: number;
  /** Bytes from one output quad to the next, of the output and of the residual. */
  readonly outPlane: number;
  readonly residualPlane: number;
}

/**
 * Runs `tile` for every pair of output quads, and for one alone where they are odd. `weightBase` is then where the
 * weights of the pair begin; constants, output and residual stand at its first quad.
 */
export function eachOutputPair(
  f: FunctionBuilder,
  spec: Int8MatrixSpec,
  { steps, outPlane, residualPlane }: PairPlan,
  weightBase: Local,
  tile: (quads: 1 | 2) => void,
): void {
  const { weights, constants, out, residual, unit0, unit1 } = matrixArguments;
  offsetByUnits(f, constants, unit0, constantBytes);
  offsetByUnits(f, out, unit0, outPlane);
  if (spec.residual) offsetByUnits(f, residual, unit0, residualPlane);
  eachPair(f, { weights, unit0, unit1, K: steps, ranges: spec.ranges }, weightBase, (quads) => {
    tile(quads);
    f.increment(constants, quads * constantBytes).increment(out, quads * outPlane);
    if (spec.residual) f.increment(residual, quads * residualPlane);
  });
}
