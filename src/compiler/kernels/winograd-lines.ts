/**
 * The one-dimensional transforms of Winograd's F(4, 3) and of its transpose, the weight gradient: every two-dimensional
 * transform applies one of them to the rows and then to the columns. Evaluation points 0, +-a, +-b and infinity with
 * a = 1/sqrt(2), b = sqrt(2): a^2 b^2 = 1 keeps the magnitudes together, and with them the rounding errors, which are
 * about a third of those of the usual +-1, +-2 (Lavin and Gray 2016 for the scheme).
 *
 * With B, G and A of y = A'[(G g) (B' d)]: input B' (6 to 6), weight G (3 to 6), output A' (6 to 4),
 * output's gradient A (4 to 6), weight gradient G' (6 to 3).
 */
import type { FunctionBuilder, Local } from '../emitter/function.js';
import type { Isa } from './kernel.js';

const a = Math.SQRT1_2;
const b = Math.SQRT2;
/** Of G: the products of the differences between a point and all others. */
const [normA, normB] = [1 / (2 * a ** 2 * (a ** 2 - b ** 2)), 1 / (2 * b ** 2 * (b ** 2 - a ** 2))];

/** Lengths of what goes in and comes out. */
export const lineLengths = {
  input: [6, 6],
  weight: [3, 6],
  output: [6, 4],
  outputGradient: [4, 6],
  weightGradient: [6, 3],
} as const;
export type LineKind = keyof typeof lineLengths;

/** Emits lines into one function. Constants are held in locals; results are handed to `put` in any order. */
export class LineEmitter {
  readonly #f: FunctionBuilder;
  readonly #relaxed: boolean;
  readonly #constants = new Map<number, Local>();
  readonly #temporaries: readonly Local[];

  /** To be made where the function begins, outside all loops. */
  constructor(f: FunctionBuilder, isa: Isa, kinds: readonly LineKind[]) {
    this.#f = f;
    this.#relaxed = isa.relaxed;
    this.#temporaries = Array.from({ length: 4 }, () => f.local('v128'));
    for (const value of kinds.flatMap((kind) => constantsOf[kind])) {
      if (this.#constants.has(value)) continue;
      const local = f.local('v128');
      f.f32x4Const(value).set(local);
      this.#constants.set(value, local);
    }
  }

  /** `x` are overwritten. */
  line(kind: LineKind, x: readonly Local[], put: (index: number, value: () => void) => void): void {
    this[kind](x, put);
  }

  /** target += factor * x. */
  #add(target: Local, factor: number, x: Local): void {
    this.#f.multiplyAdd(target, x, this.#constant(factor), this.#relaxed);
  }
  #constant(value: number): Local {
    return this.#constants.get(value) as Local;
  }
  #scale(x: Local, factor: number): void {
    this.#f.get(x).get(this.#constant(factor)).op('f32x4Mul').set(x);
  }
  #sum(target: Local, x: Local, y: Local, op: 'f32x4Add' | 'f32x4Sub' = 'f32x4Add'): void {
    this.#f.get(x).get(y).op(op).set(target);
  }
  /** Puts even + odd at `index` and even - odd after it. */
  #pair(index: number, even: Local, odd: Local, put: (index: number, value: () => void) => void): void {
    put(index, () => void this.#f.get(even).get(odd).op('f32x4Add'));
    put(index + 1, () => void this.#f.get(even).get(odd).op('f32x4Sub'));
  }

  protected input(d: readonly Local[], put: (index: number, value: () => void) => void): void {
    const [d0, d1, d2, d3, d4, d5] = d as [Local, Local, Local, Local, Local, Local];
    const [even, odd] = this.#temporaries as [Local, Local];
    this.#sum(d0, d0, d4);
    this.#add(d0, -2.5, d2);
    put(0, () => void this.#f.get(d0));
    this.#sum(d5, d5, d1);
    this.#add(d5, -2.5, d3);
    put(5, () => void this.#f.get(d5));
    for (const [index, point, square] of [
      [1, a, -2],
      [3, b, -0.5],
    ] as const) {
      this.#f.get(d4).set(even);
      this.#add(even, square, d2);
      this.#f.get(d3).set(odd);
      this.#add(odd, square, d1);
      this.#scale(odd, point);
      this.#pair(index, even, odd, put);
    }
  }

  protected output(m: readonly Local[], put: (index: number, value: () => void) => void): void {
    const [m0, m1, m2, m3, m4, m5] = m as [Local, Local, Local, Local, Local, Local];
    const [s, q, r, w] = this.#temporaries as [Local, Local, Local, Local];
    this.#sum(s, m1, m2);
    this.#sum(q, m1, m2, 'f32x4Sub');
    this.#sum(r, m3, m4);
    this.#sum(w, m3, m4, 'f32x4Sub');
    this.#sum(m0, m0, s);
    put(0, () => void this.#f.get(m0).get(r).op('f32x4Add'));
    this.#scale(q, a);
    this.#add(m5, 0.5, q);
    this.#add(q, b, w);
    put(1, () => void this.#f.get(q));
    this.#scale(s, 0.5);
    this.#add(s, 2, r);
    put(2, () => void this.#f.get(s));
    this.#add(m5, 2 * b, w);
    put(3, () => void this.#f.get(m5));
  }

  protected outputGradient(z: readonly Local[], put: (index: number, value: () => void) => void): void {
    const [z0, z1, z2, z3] = z as [Local, Local, Local, Local];
    const [even, odd] = this.#temporaries as [Local, Local];
    put(0, () => void this.#f.get(z0));
    put(5, () => void this.#f.get(z3));
    for (const [index, point, square] of [
      [1, a, 0.5],
      [3, b, 2],
    ] as const) {
      this.#f.get(z0).set(even);
      this.#add(even, square, z2);
      this.#f.get(z1).set(odd);
      this.#add(odd, square, z3);
      this.#scale(odd, point);
      this.#pair(index, even, odd, put);
    }
  }

  protected weight(g: readonly Local[], put: (index: number, value: () => void) => void): void {
    const [g0, g1, g2] = g as [Local, Local, Local];
    const [even, odd] = this.#temporaries as [Local, Local];
    put(0, () => void this.#f.get(g0));
    put(5, () => void this.#f.get(g2));
    for (const [index, point, square, norm] of [
      [1, a, 0.5, normA],
      [3, b, 2, normB],
    ] as const) {
      this.#f.get(g0).set(even);
      this.#add(even, square, g2);
      this.#scale(even, norm);
      this.#f.get(g1).set(odd);
      this.#scale(odd, point * norm);
      this.#pair(index, even, odd, put);
    }
  }

  protected weightGradient(m: readonly Local[], put: (index: number, value: () => void) => void): void {
    const [m0, m1, m2, m3, m4, m5] = m as [Local, Local, Local, Local, Local, Local];
    const [s, q, r, w] = this.#temporaries as [Local, Local, Local, Local];
    this.#sum(s, m1, m2);
    this.#sum(q, m1, m2, 'f32x4Sub');
    this.#sum(r, m3, m4);
    this.#sum(w, m3, m4, 'f32x4Sub');
    this.#add(m0, normA, s);
    this.#add(m0, normB, r);
    put(0, () => void this.#f.get(m0));
    this.#scale(q, a * normA);
    this.#add(q, b * normB, w);
    put(1, () => void this.#f.get(q));
    this.#add(m5, 0.5 * normA, s);
    this.#add(m5, 2 * normB, r);
    put(2, () => void this.#f.get(m5));
  }
}

/** G, [6][3], in 64 bits. */
export function weightLines(): Float64Array {
  const point = (value: number, norm: number): number[] => [norm, value * norm, value ** 2 * norm];
  return Float64Array.from([
    ...[1, 0, 0],
    ...point(a, normA),
    ...point(-a, normA),
    ...point(b, normB),
    ...point(-b, normB),
    ...[0, 0, 1],
  ]);
}

const constantsOf: Readonly<Record<LineKind, readonly number[]>> = {
  input: [-2.5, a, -2, b, -0.5],
  output: [a, 0.5, b, 2, 2 * b],
  outputGradient: [a, 0.5, b, 2],
  weight: [0.5, 2, normA, normB, a * normA, b * normB],
  weightGradient: [normA, normB, a * normA, b * normB, 0.5 * normA, 2 * normB],
};
