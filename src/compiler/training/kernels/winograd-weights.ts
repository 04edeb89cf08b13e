/** Weights and their gradients to and from the points of Winograd's scheme. Legend: winograd-tiles.ts. */
import type { FunctionBuilder } from '../../emitter/function.js';
import type { Isa } from '../../kernels/kernel.js';
import { LineEmitter } from '../../kernels/winograd-lines.js';
import { advance, kernelFunction, repeated, times } from './loops.js';
import { transform } from './winograd-tiles.js';

/**
 * U from weights [panel][3][3][I][8], for input channels [first, first + count) of every panel.
 * (weights, U, first, count, temporary).
 */
export function emitWinogradWeights(inQuads: number, outQuads: number, isa: Isa): FunctionBuilder {
  const f = kernelFunction(5);
  const [W, U, FIRST, COUNT, TEMPORARY] = [0, 1, 2, 3, 4] as const;
  const lines = new LineEmitter(f, isa, ['weight']);
  const values = Array.from({ length: 6 }, () => f.local('v128'));
  const [from, to, left] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const I = inQuads * 4;
  const step = I * outQuads * 16;
  const ofPanel = (q: number): void => {
    const width = q * 16;
    f.get(FIRST).i32Const(width).op('i32Mul').tee(left).get(W).op('i32Add').set(from);
    f.get(left).get(U).op('i32Add').set(to);
    f.get(COUNT).i32Const(q).op('i32Mul').set(left);
    times(f, left, () => {
      const source = { base: from, row: 3 * I * width, col: I * width };
      transform(f, lines, 'weight', values, source, TEMPORARY, { base: to, row: 6 * step, col: step });
      advance(f, [
        [from, 16],
        [to, 16],
      ]);
    });
    advance(f, [
      [W, 9 * I * width],
      [U, I * width],
    ]);
  };
  repeated(f, outQuads >> 1, () => ofPanel(2));
  if (outQuads % 2 === 1) ofPanel(1);
  return f;
}

/** Weight gradient [panel][3][3][I][8] += from sums. (sums, dw, temporary). */
export function emitWinogradWeightGradient(inQuads: number, outQuads: number, isa: Isa): FunctionBuilder {
  const f = kernelFunction(3);
  const [SUMS, DW, TEMPORARY] = [0, 1, 2] as const;
  const lines = new LineEmitter(f, isa, ['weightGradient']);
  const values = Array.from({ length: 6 }, () => f.local('v128'));
  const I = inQuads * 4;
  const step = I * outQuads * 16;
  const ofPanel = (q: number): void => {
    const width = q * 16;
    const target = { base: DW, row: 3 * I * width, col: I * width };
    const source = { base: SUMS, row: 6 * step, col: step };
    repeated(f, I * q, () => {
      transform(f, lines, 'weightGradient', values, source, TEMPORARY, target, (r, c) => {
        f.get(DW)
          .mem('v128Load', r * target.row + c * target.col)
          .op('f32x4Add');
      });
      advance(f, [
        [SUMS, 16],
        [DW, 16],
      ]);
    });
    f.increment(DW, 8 * I * width);
  };
  repeated(f, outQuads >> 1, () => ofPanel(2));
  if (outQuads % 2 === 1) ofPanel(1);
  return f;
}
