import { describe, expect, it } from 'vitest';
import { float16Table, float16ToNumber, numberToFloat16 } from './float16.js';

describe('16-bit floats', () => {
  it('every binary16 number survives', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 65536; bits++) {
      const value = float16ToNumber(bits);
      const back = numberToFloat16(value);
      if (Number.isNaN(value) ? (back & 0x7c00) !== 0x7c00 || (back & 1023) === 0 : back !== bits)
        wrong.push(bits);
      if (!Object.is(value, float16Table()[bits])) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('rounds to nearest, ties to even', () => {
    const between = (low: number): number => (float16ToNumber(low) + float16ToNumber(low + 1)) / 2;
    for (const low of [0, 1, 2, 0x03ff, 0x0400, 0x3c00, 0x3c01, 0x7bfe]) {
      expect(numberToFloat16(between(low))).toBe(low + (low & 1));
      expect(numberToFloat16(between(low) * (1 + 2 ** -20))).toBe(low + 1);
      expect(numberToFloat16(-between(low) * (1 - 2 ** -20))).toBe(low | 0x8000);
    }
    expect(numberToFloat16(65519)).toBe(0x7bff);
    expect(numberToFloat16(65520)).toBe(0x7c00);
  });
});
