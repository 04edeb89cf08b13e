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
}

/** A mode by what is unusual in it; its name says the same: `f32 relaxed, 4 threads`. */
export function mode(choice: Choice): Mode {
  const { precision = 'f32', relaxed = false, narrow = false, winograd = true, threads = 1 } = choice;
  const name = [
    `${precision} ${relaxed ? 'relaxed' : 'simd'}`,
    ...(narrow ? ['narrow tiles'] : []),
    ...(winograd ? [] : ['no winograd']),
    ...(threads > 1 ? [`${threads} threads`] : []),
  ].join(', ');
  // integers are the same whatever the instructions; fusion and Winograd round floats in other ways
  const family = precision === 'int8' ? 'int8' : `${relaxed ? 'fused' : 'separate'} ${winograd}`;
  const missing =
    (relaxed && !features.relaxed ? 'no relaxed SIMD in this engine' : '') ||
    (threads > 1 ? features.threads.reason : '');
  return { name, precision, relaxed, narrow, winograd, threads, family, missing };
}

/** Every mode of the long form. */
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
  mode({ precision: 'int8' }),
  mode({ precision: 'int8', threads: 2 }),
  mode({ precision: 'int8', threads: 4 }),
  mode({ precision: 'int8', relaxed: true }),
  mode({ precision: 'int8', relaxed: true, threads: 3 }),
];

/** Modes of the short form: those of one thread, and for every third graph one of the others in turn. */
export function shortModes(seed: number): readonly Mode[] {
  const single = allModes.filter(({ threads }) => threads === 1);
  const several = allModes.filter(({ threads, missing }) => threads > 1 && missing === '');
  const turn = seed % 3 === 0 ? several[(seed / 3) % several.length] : undefined;
  return turn ? [...single, turn] : single;
}
