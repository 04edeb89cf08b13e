import { describe, expect, it } from 'vitest';
import { bar, byteSize, milliseconds, table, visibleLength } from './terminal.js';

describe('tables', () => {
  it('align columns, count no colours, and leave no trailing spaces', () => {
    const rows = [
      ['a', '\x1b[1mbold\x1b[22m', ''],
      ['long', 'x', ''],
    ];
    expect(table(rows, 'lrl')).toBe('a     \x1b[1mbold\x1b[22m\nlong     x');
    expect(visibleLength('\x1b[1mbold\x1b[22m')).toBe(4);
  });
});

describe('bars', () => {
  it('fill in eighths of a column and stay within their width', () => {
    expect(bar(0, 4)).toBe('    ');
    expect(bar(0.5, 4)).toBe('██  ');
    expect(bar(1 / 32, 4)).toBe('▏   ');
    expect(bar(2, 4)).toBe('████');
    expect(bar(-1, 2)).toBe('  ');
  });
});

describe('amounts', () => {
  it('have three digits that mean something', () => {
    expect([999, 1000, 1_234_567].map(byteSize)).toEqual(['999 B', '1.00 kB', '1.23 MB']);
    expect([0.1234, 12.345, 123.45].map(milliseconds)).toEqual(['0.12 ms', '12.3 ms', '123 ms']);
  });
});
