/** Pools against straightforward loops over logical tensors. */
import { describe, expect, it } from 'vitest';
import { close, floats, quadIndex, runAll } from '../../../test/kernel-checks.js';
import type { KernelSpec } from './registry.js';

describe('pools', () => {
  it.each([
    ['max', [3, 3], [2, 2], [1, 1, 1, 1], 7, 8, false],
    ['max', [3, 3], [2, 2], [0, 0, 1, 1], 6, 6, false],
    ['average', [2, 3], [1, 2], [0, 1, 1, 0], 5, 9, true],
    ['average', [3, 3], [2, 2], [1, 1, 1, 1], 7, 8, false],
    ['average', [1, 1], [2, 2], [0, 0, 0, 0], 7, 8, true],
  ] as const)('%s %s stride %s padding %s', (mode, kernel, stride, padding, H, W, countIncludePad) => {
    const C = 8;
    const outHeight = Math.floor((H + padding[0] + padding[2] - kernel[0]) / stride[0]) + 1;
    const outWidth = Math.floor((W + padding[1] + padding[3] - kernel[1]) / stride[1]) + 1;
    const P = outHeight * outWidth;
    const input = floats(C * H * W);
    const expected = new Float64Array(C * P);
    for (let c = 0; c < C; c++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++) {
          const seen: number[] = [];
          for (let i = 0; i < kernel[0]; i++)
            for (let j = 0; j < kernel[1]; j++) {
              const [yy, xx] = [y * stride[0] - padding[0] + i, x * stride[1] - padding[1] + j];
              if (yy >= 0 && yy < H && xx >= 0 && xx < W)
                seen.push(input[quadIndex(c, yy * W + xx, H * W)] as number);
            }
          const sum = seen.reduce((a, b) => a + b, 0);
          const count = countIncludePad ? kernel[0] * kernel[1] : seen.length;
          expected[quadIndex(c, y * outWidth + x, P)] = mode === 'max' ? Math.max(...seen) : sum / count;
        }
    const spec: KernelSpec = {
      kind: 'pool',
      mode,
      height: H,
      width: W,
      kernel,
      stride,
      padding,
      outHeight,
      outWidth,
      countIncludePad,
    };
    for (const result of runAll(spec, [input, new Float32Array(C * P)], 1, C / 4)) close(result, expected);
  });

  it('ceil mode: a window may reach beyond the padding, which never counts', () => {
    // one row of 6, padding 1, window 3, stride 3: starts at -1, 2 and 5; the last window has 5, the padding, nothing
    const input = Float32Array.from({ length: 6 * 4 }, (_, i) => -1 - (i >> 2));
    const shape = { height: 1, width: 6, kernel: [1, 3], stride: [1, 3], padding: [0, 1, 0, 1] } as const;
    const size = { outHeight: 1, outWidth: 3 } as const;
    const pool = (mode: 'max' | 'average', countIncludePad: boolean): number[][] =>
      runAll(
        { kind: 'pool', mode, ...shape, ...size, countIncludePad },
        [input, new Float32Array(12)],
        1,
        1,
      ).map((result) => [result[0], result[4], result[8]] as number[]);
    for (const result of pool('max', true)) expect(result).toEqual([-1, -3, -6]);
    for (const result of pool('average', false)) expect(result).toEqual([-1.5, -4, -6]);
    for (const result of pool('average', true)) expect(result).toEqual([-1, -4, -3]);
  });

  it.each([1, 3, 4, 49])('global average of %i pixels', (P) => {
    const input = floats(8 * P);
    const expected = Float64Array.from({ length: 8 }, (_, c) => {
      let sum = 0;
      for (let p = 0; p < P; p++) sum += input[quadIndex(c, p, P)] as number;
      return sum / P;
    });
    for (const result of runAll({ kind: 'globalPool', P }, [input, new Float32Array(8)], 1, 2))
      close(result, expected);
  });
});
