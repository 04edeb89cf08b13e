/** Elementwise kernels and softmax against straightforward loops. */
import { describe, it } from 'vitest';
import { close, floats, quadIndex, runAll, scalar } from '../../../test/kernel-checks.js';
import type { Activation } from './kernel.js';
import type { KernelSpec } from './registry.js';

describe('elementwise and softmax', () => {
  const activations: Activation[] = [null, 'relu', 'relu6', 'hardSwish', 'hardSigmoid', 'sigmoid', 'silu'];
  it.each(activations)('%s after every op', (activation) => {
    const act = scalar[String(activation)] as (x: number) => number;
    for (const P of [1, 6, 9]) {
      const C = 8;
      const a = floats(C * P).map((x) => x * 3);
      const full = floats(C * P);
      const gate = floats(C);
      const affine = floats(C * 2);
      const each = (f: (x: number, i: number, c: number) => number): Float64Array =>
        Float64Array.from(a, (x, i) => act(f(x, i, Math.floor(i / (4 * P)) * 4 + (i & 3))));
      const check = (
        op: 'add' | 'mul' | 'activation' | 'affine' | 'scale',
        b: Float32Array | number,
        expected: Float64Array,
      ): void => {
        const spec: KernelSpec = { kind: 'elementwise', op, P, activation };
        for (const result of runAll(spec, [a, b, new Float32Array(C * P)], 2, 2)) close(result, expected);
      };
      check(
        'add',
        full,
        each((x, i) => x + (full[i] as number)),
      );
      check(
        'mul',
        full,
        each((x, i) => x * (full[i] as number)),
      );
      check(
        'activation',
        0,
        each((x) => x),
      );
      check(
        'scale',
        gate,
        each((x, _, c) => x * (gate[c] as number)),
      );
      const lane = (c: number): number => (c >> 2) * 8 + (c & 3);
      check(
        'affine',
        affine,
        each((x, _, c) => x * (affine[lane(c)] as number) + (affine[lane(c) + 4] as number)),
      );
    }
  });

  it('sigmoid holds for far inputs', () => {
    const a = Float32Array.of(-200, -88, -20, -1e-3, 0, 20, 88, 200);
    const spec: KernelSpec = { kind: 'elementwise', op: 'activation', P: 2, activation: 'sigmoid' };
    for (const result of runAll(spec, [a, 0, new Float32Array(8)], 2, 1))
      close(result, Float64Array.from(a, scalar['sigmoid'] as (x: number) => number), 1e-6);
  });

  it.each([
    [1, 1],
    [10, 1],
    [7, 3],
    [1001, 1],
  ])('softmax of %i channels, %i pixels', (C, P) => {
    const stored = Math.ceil(C / 4) * 4;
    const input = floats(stored * P).map((x) => x * 5);
    const expected = new Float64Array(stored * P);
    for (let p = 0; p < P; p++) {
      const logits = Array.from({ length: C }, (_, c) => input[quadIndex(c, p, P)] as number);
      const most = Math.max(...logits);
      const sum = logits.reduce((total, x) => total + Math.exp(x - most), 0);
      logits.forEach((x, c) => {
        expected[quadIndex(c, p, P)] = Math.exp(x - most) / sum;
      });
    }
    for (const result of runAll({ kind: 'softmax', C, P }, [input, new Float32Array(stored * P)], 1, 1))
      close(result, expected, 1e-6);
  });
});
