/** Solutions solve, eigenvectors are eigenvectors: judged by what they must satisfy, not by another implementation. */
import { describe, expect, it } from 'vitest';
import { Random } from '../models/random.js';
import { gramOfRows, symmetricEigen } from './eigen.js';
import { choleskyFactor } from './linear-algebra.js';
import { solveRows } from './solve-rows.js';

function randomMatrix(rows: number, columns: number, seed: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: rows * columns }, () => random.normal());
}

function multiply(
  a: Float64Array,
  b: Float64Array,
  rows: number,
  inner: number,
  columns: number,
): Float64Array {
  const c = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < inner; k++)
      for (let j = 0; j < columns; j++) c[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!;
  return c;
}

const worst = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('systems with many right-hand sides', () => {
  it.each([1, 2, 7, 60])('solves X A = B, n = %i', (n) => {
    const a = gramOfRows(randomMatrix(n, n + 5, n), n, n + 5);
    const b = randomMatrix(4, n, 9);
    const x = solveRows(choleskyFactor(a, n, 0), n, b, 4);
    expect(worst(multiply(x, a, 4, n, n), b)).toBeLessThan(1e-9);
  });
});

describe('eigenvectors of symmetric matrices', () => {
  it.each([
    [1, 1],
    [2, 2],
    [9, 9],
    [40, 40],
    // most eigenvalues are zero
    [30, 7],
    [128, 16],
    [96, 24],
    [200, 3],
  ])('n = %i from rank %i', (n, rank) => {
    const a = gramOfRows(randomMatrix(n, rank, n), n, rank);
    const { values, vectors } = symmetricEigen(a, n);
    const scaled = vectors.map((value, i) => value * values[Math.floor(i / n)]!);
    const transposed = vectors.map((_, i) => vectors[(i % n) * n + Math.floor(i / n)]!);
    expect(worst(multiply(transposed, scaled, n, n, n), a)).toBeLessThan(1e-10 * n);
    const identity = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    expect(worst(gramOfRows(vectors, n, n), identity)).toBeLessThan(1e-12 * n);
    for (let i = 1; i < n; i++) expect(values[i]!).toBeLessThanOrEqual(values[i - 1]!);
    if (rank < n) expect(Math.abs(values[rank]!)).toBeLessThan(1e-10);
  });

  it('a diagonal matrix and the zero matrix', () => {
    expect([...symmetricEigen(Float64Array.of(1, 0, 0, 3), 2).values]).toEqual([3, 1]);
    expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0]);
  });
});
