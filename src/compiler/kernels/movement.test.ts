/** Kernels that only move values: import, padding, export, repacking, upsampling. */
import { describe, expect, it } from 'vitest';
import { floats, quadIndex, runAll } from '../../../test/kernel-checks.js';
import type { KernelSpec } from './registry.js';

describe('movement', () => {
  const padding = [1, 2, 0, 1] as const;
  it.each([
    [1, 3, 3],
    [3, 5, 9],
    [4, 2, 4],
    [6, 1, 7],
  ])('import and pad %i channels of %ix%i', (channels, height, width) => {
    const quads = Math.ceil(channels / 4);
    const planar = floats(channels * height * width);
    const paddedWidth = width + 3;
    const P = (height + 1) * paddedWidth;
    const plain = new Float32Array(quads * 4 * height * width);
    const bordered = new Float32Array(quads * 4 * P);
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const value = planar[(c * height + y) * width + x] as number;
          plain[quadIndex(c, y * width + x, height * width)] = value;
          bordered[quadIndex(c, (y + 1) * paddedWidth + x + 2, P)] = value;
        }
    const garbage = (length: number): Float32Array => new Float32Array(length).fill(9);
    const none = [0, 0, 0, 0] as const;
    const importing = { kind: 'import', channels, height, width } as const;
    for (const result of runAll({ ...importing, padding: none }, [planar, garbage(plain.length)], 1, quads))
      expect(result).toEqual(plain);
    for (const result of runAll({ ...importing, padding }, [planar, garbage(bordered.length)], 1, quads))
      expect(result).toEqual(bordered);
    const spec: KernelSpec = { kind: 'pad', height, width, padding };
    for (const result of runAll(spec, [plain, garbage(bordered.length)], 1, quads))
      expect(result).toEqual(bordered);
  });

  it('export and repack gather channels; upsample repeats pixels', () => {
    const P = 6;
    const input = floats(8 * P);
    // two quads with zeros and one without
    const wanted = [5, 0, -1, 7, 2, -1, -1, 1, 6, 3, 0, 5];
    const table = Int32Array.from(wanted, (c) => (c < 0 ? -1 : (c >> 2) * P * 16 + (c & 3) * 4));
    const at = (c: number, p: number): number => (c < 0 ? 0 : (input[quadIndex(c, p, P)] as number));
    for (const result of runAll({ kind: 'repack', P }, [input, table, floats(12 * P)], 2, 3))
      wanted.forEach((c, stored) => {
        for (let p = 0; p < P; p++) expect(result[quadIndex(stored, p, P)]).toBe(at(c, p));
      });
    const planar = Int32Array.of(5, 0, 7).map((c) => (c >> 2) * P * 16 + (c & 3) * 4);
    for (const result of runAll({ kind: 'export', P }, [input, planar, new Float32Array(3 * P)], 2, 3))
      [5, 0, 7].forEach((c, i) => {
        for (let p = 0; p < P; p++) expect(result[i * P + p]).toBe(at(c, p));
      });
    const spec: KernelSpec = { kind: 'upsample', height: 2, width: 3, scale: [2, 3] };
    for (const result of runAll(spec, [input, new Float32Array(8 * P * 6)], 1, 2))
      for (let c = 0; c < 8; c++)
        for (let y = 0; y < 4; y++)
          for (let x = 0; x < 9; x++)
            expect(result[quadIndex(c, y * 9 + x, 36)]).toBe(at(c, (y >> 1) * 3 + Math.floor(x / 3)));
  });
});
