/**
 * The modes in which the fuzzer runs a graph: instruction set, tiles, Winograd's scheme, threads and precision. Modes of
 * one `family` must agree to the bit; the first of a family is compared with the reference.
 */
import { detectFeatures } from '../../src/runtime/features.js';

export interface Mode {
  readonly name: string;
  readonly precision: 'f32' | 'int8';
  readonly relaxed: boolean;
  readonly narrow: boolean;
  readonly winograd: boolean;
  readonly threads: number;
  /** Weights that are f16 numbers, kept so where the compiler does that; has the bits of the same weights in f32. */
  readonly halves: boolean;
  /** Every load and store checked against the memory plan. */
  readonly checked: boolean;
  /** Modes with the same family give the same bits. */
  readonly family: string;
  /** Why it cannot run here; empty when it can. */
  readonly missing: string;
}

const features = detectFeatures();

interface Choice {
  readonly precision?: Mode['precision'];
  readonly relaxed?: boolean;
  readonly narrow?: boolean;
  readonly winograd?: boolean;
  readonly threads?: number;
  readonly halves?: boolean;
  readonly checked?: boolean;
}

/** A mode by what is unusual in it; its name says the same: `f32 relaxed, 4 threads`. */
export function mode(choice: Choice): Mode {
  const {
    precision = 'f32',
    relaxed = false,
    narrow = false,
    winograd = true,
    threads = 1,
    halves = false,
    checked = false,
  } = choice;
  const name = [
    `${precision} ${relaxed ? 'relaxed' : 'simd'}`,
    ...(narrow ? ['narrow tiles'] : []),
    ...(winograd ? [] : ['no winograd']),
    ...(threads > 1 ? [`${threads} threads`] : []),
    ...(halves ? ['half weights'] : []),
    ...(checked ? ['checked'] : []),
  ].join(', ');
  // integers are the same whatever the instructions; fusion and Winograd round floats in other ways
  const family = precision === 'int8' ? 'int8' : `${relaxed ? 'fused' : 'separate'} ${winograd}`;
  const missing =
    (relaxed && !features.relaxed ? 'no relaxed SIMD in this engine' : '') ||
    (threads > 1 ? features.threads.reason : '');
  return { name, precision, relaxed, narrow, winograd, threads, halves, checked, family, missing };
}

/** Every mode; one thread before several in each family. */
export const allModes: readonly Mode[] = [
  mode({}),
  mode({ winograd: false }),
  mode({ threads: 2 }),
  mode({ threads: 3 }),
  mode({ threads: 4 }),
  mode({ threads: 8 }),
  mode({ relaxed: true }),
  mode({ relaxed: true, narrow: true }),
  mode({ relaxed: true, threads: 2 }),
  mode({ relaxed: true, threads: 4 }),
  mode({ checked: true }),
  mode({ checked: true, threads: 3 }),
  mode({ halves: true }),
  mode({ halves: true, relaxed: true }),
  mode({ halves: true, checked: true }),
  mode({ halves: true, threads: 3 }),
  mode({ precision: 'int8' }),
  mode({ precision: 'int8', threads: 2 }),
  mode({ precision: 'int8', threads: 4 }),
  mode({ precision: 'int8', relaxed: true }),
  mode({ precision: 'int8', relaxed: true, threads: 3 }),
  mode({ precision: 'int8', checked: true }),
  mode({ precision: 'int8', checked: true, threads: 3 }),
];

function modesOf(seed: number, turns: number): readonly Mode[] {
  const single = allModes.filter(({ threads }) => threads === 1);
  const several = allModes.filter(({ threads, missing }) => threads > 1 && missing === '');
  const taken = Array.from(
    { length: several.length > 0 ? turns : 0 },
    (_, i) => (seed * turns + i) % several.length,
  );
  return [...single, ...taken.map((i) => several[i] as Mode)];
}

/**
 * Modes of the long form: those of one thread, and two of those with several in turn, since starting threads takes longer
 * than running a graph.
 */
export function longModes(seed: number): readonly Mode[] {
  return modesOf(seed, 2);
}

/** Modes of the short form: those of one thread, for every third graph one with several, and every third is checked and has half weights. */
export function shortModes(seed: number): readonly Mode[] {
  if (seed % 3 === 0) return modesOf(seed / 3, 1);
  return modesOf(seed, 0).filter(({ checked, halves }) => !checked && !halves);
}
