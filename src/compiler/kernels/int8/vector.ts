/** One pixel without relaxed SIMD: a matrix times a vector, weights as one stream, sums in two parts. */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import { constant, dotAdd, elementOf } from './element.js';
import { emitEnd } from './matrix-end.js';
import { eachOutputPair, matrixArguments } from './matrix-pairs.js';
import type { Int8MatrixSpec } from './matrix-spec.js';

const { input: IN, constants: CONSTANTS, out: OUT, residual: RESIDUAL } = matrixArguments;

export function emitVector(f: FunctionBuilder, spec: Int8MatrixSpec, isa: Isa): FunctionBuilder {
  const { pixelBytes, words } = elementOf(isa);
  const parts = 2;
  const steps = spec.inputQuads * words;
  const outBytes = spec.floats ? 16 : pixelBytes;
  const [weightBase, weight, input, count] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const all = f.scratch('v128', 2 * parts + 3).slice(1);
  const acc = (part: number, quad: number): Local => all[part * 2 + quad] as Local;
  const w = all[2 * parts] as Local;
  const x = all[2 * parts + 1] as Local;
  const tile = (quads: 1 | 2): void => {
    for (let part = 0; part < parts; part++)
      for (let quad = 0; quad < quads; quad++) f.i32x4Const(0).set(acc(part, quad));
    f.get(weightBase).set(weight).get(IN).set(input);
    const run = (n: number): void => {
      for (let part = 0; part < n; part++) {
        f.get(input)
          .mem('v128Load32Splat', part * 4)
          .set(x);
        for (let quad = 0; quad < quads; quad++) {
          f.get(weight)
            .mem('v128Load', part * 32 + quad * 16)
            .set(w);
          dotAdd(f, acc(part, quad), w, x);
        }
      }
      f.increment(weight, n * 32).increment(input, n * 4);
    };
    const full = Math.floor(steps / parts);
    if (full > 0) f.repeat(count, full, () => run(parts));
    if (steps % parts > 0) run(steps % parts);
    for (let quad = 0; quad < quads; quad++) {
      const sum = acc(0, quad);
      constant(f, CONSTANTS, 'bias', quad);
      for (let part = 0; part < parts; part++) f.get(acc(part, quad)).op('i32x4Add');
      f.set(sum);
      emitEnd(f, spec, isa, { constants: CONSTANTS, out: OUT, residual: RESIDUAL }, quad, outBytes, [sum]);
    }
  };
  eachOutputPair(f, spec, { steps, outPlane: outBytes, residualPlane: pixelBytes }, weightBase, tile);
  return f;
}
