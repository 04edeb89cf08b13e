/** The end of a tile of an int8 matrix product: sums of neighbouring pixels to steps (or floats), stored. */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import { constant, elementOf, emitHard, emitResidual, emitRound, storePixels } from './element.js';
import type { Int8MatrixSpec } from './matrix-spec.js';
import { joinSums, scaleNarrow, storePairs } from './narrow.js';
import { loadPixels, widenPair } from './row-vectors.js';

export interface EndAddresses {
  readonly constants: Local;
  readonly out: Local;
  readonly residual: Local;
}

/** `sums` (i32x4, destroyed) are pixels of output quad `quad`, whose maps are `outPlane` bytes apart. */
export function emitEnd(
  f: FunctionBuilder,
  spec: Int8MatrixSpec,
  isa: Isa,
  { constants, out, residual }: EndAddresses,
  quad: number,
  outPlane: number,
  sums: readonly Local[],
): void {
  const element = elementOf(isa);
  const { narrow, floats } = spec;
  if (narrow) {
    const pairs = sums.filter((_, i) => i % 2 === 0);
    pairs.forEach((pair, i) => {
      joinSums(f, narrow, pair, sums[i * 2 + 1] ?? pair);
      const pixels = Math.min(2, sums.length - 2 * i);
      const offset = quad * outPlane + 2 * i * element.pixelBytes;
      const added = (): void => {
        const [vector = 0] = f.scratch('v128', 1);
        loadPixels(f, element, residual, offset, pixels).set(vector);
        widenPair(f, element, vector, 0);
      };
      scaleNarrow(f, narrow, isa, constants, quad, spec.residual ? added : undefined).set(pair);
    });
    storePairs(f, element, out, quad * outPlane, pairs, sums.length);
    return;
  }
  sums.forEach((sum, i) => {
    f.get(sum).op('f32x4ConvertI32x4S');
    constant(f, constants, 'multiplier', quad).op('f32x4Mul');
    if (spec.residual) {
      const offset = quad * (floats ? element.pixelBytes : outPlane) + i * element.pixelBytes;
      emitResidual(f, element, residual, offset, constants, quad);
    }
    if (floats) emitFloats(f, spec);
    else emitRound(f, spec.hard, constants, quad);
    f.set(sum);
  });
  if (floats)
    f.get(out)
      .get(sums[0] as Local)
      .mem('v128Store', quad * outPlane);
  else storePixels(f, element, out, quad * outPlane, sums);
}

/** The end of outputs that stay floats. */
function emitFloats(f: FunctionBuilder, { floats, hard }: Int8MatrixSpec): void {
  const relu = floats?.relu ?? null;
  if (relu !== null) f.f32x4Const(0).op('f32x4Max');
  if (relu !== null && Number.isFinite(relu)) f.f32x4Const(relu).op('f32x4Min');
  emitHard(f, hard);
}
