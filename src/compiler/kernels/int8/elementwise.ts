/** One pass over an int8 map: sums and batch norms, products and gates, tables, means. */
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import type { Isa } from '../kernel.js';
import {
  constant,
  constantBytes,
  eachTile,
  eachUnit,
  elementOf,
  emitResidual,
  emitRound,
  loadPixel,
  offsetByUnits,
  storePixels,
} from './element.js';
import { type NarrowSpec, scaleNarrow, storePairs } from './narrow.js';
import { loadPixels, widenPair } from './row-vectors.js';

/** x * multiplier + offset (+ residual). */
export interface Int8ChainSpec {
  readonly kind: 'int8Chain';
  readonly P: number;
  readonly hard: Hard;
  readonly residual: boolean;
}

/** (x, constants, residual, output, unit0, unit1). */
export function emitInt8Chain(spec: Int8ChainSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(6).fill('i32'));
  const [X, CONSTANTS, RESIDUAL, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const plane = spec.P * pixelBytes;
  const count = f.local('i32');
  const steps = f.scratch('v128', 5).slice(1);
  offsetByUnits(f, X, UNIT0, plane);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, plane);
  if (spec.residual) offsetByUnits(f, RESIDUAL, UNIT0, plane);
  eachUnit(f, UNIT0, UNIT1, () => {
    eachTile(f, count, spec.P, 4, (m) => {
      for (let i = 0; i < m; i++) {
        f.get(X);
        loadPixel(f, element, i * pixelBytes).op('f32x4ConvertI32x4S');
        constant(f, CONSTANTS, 'multiplier').op('f32x4Mul');
        constant(f, CONSTANTS, 'offset').op('f32x4Add');
        if (spec.residual) emitResidual(f, element, RESIDUAL, i * pixelBytes, CONSTANTS);
        emitRound(f, spec.hard, CONSTANTS);
        f.set(steps[i] as Local);
      }
      storePixels(f, element, OUT, 0, steps.slice(0, m));
      f.increment(X, m * pixelBytes).increment(OUT, m * pixelBytes);
      if (spec.residual) f.increment(RESIDUAL, m * pixelBytes);
    });
    f.increment(CONSTANTS, constantBytes);
  });
  return f;
}

/** (a - za) * (b - zb) * multiplier; with `gate`, b is one pixel. */
export interface Int8ProductSpec {
  readonly kind: 'int8Product';
  readonly P: number;
  readonly hard: Hard;
  readonly gate: boolean;
  readonly narrow: NarrowSpec | null;
}

/** The product in 16 bits: steps less their zero points are below 2^7, products below 2^14. */
function emitNarrowProduct(f: FunctionBuilder, spec: Int8ProductSpec, narrow: NarrowSpec, isa: Isa): void {
  const [A, B, CONSTANTS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const [count, v128] = [f.local('i32'), (): Local => f.local('v128')];
  const [gate, a, b] = [v128(), v128(), v128()];
  const pairs = [v128(), v128()];
  const perVector = 16 / pixelBytes;
  /** Two pixels of a vector less their zero point. */
  const widened = (vector: Local, pair: number, name: 'first' | 'second'): void => {
    widenPair(f, element, vector, pair);
    constant(f, CONSTANTS, name).op('i16x8Add');
  };
  eachUnit(f, UNIT0, UNIT1, () => {
    if (spec.gate) {
      f.get(B)
        .mem(pixelBytes === 4 ? 'v128Load32Splat' : 'v128Load64Splat')
        .set(b);
      widened(b, 0, 'second');
      f.set(gate).increment(B, pixelBytes);
    }
    eachTile(f, count, spec.P, perVector, (m) => {
      loadPixels(f, element, A, 0, m).set(a);
      if (!spec.gate) loadPixels(f, element, B, 0, m).set(b);
      const used = pairs.slice(0, Math.ceil(m / 2));
      used.forEach((pair, i) => {
        widened(a, i, 'first');
        if (spec.gate) f.get(gate);
        else widened(b, i, 'second');
        scaleNarrow(f.op('i16x8Mul'), narrow, isa, CONSTANTS).set(pair);
      });
      storePairs(f, element, OUT, 0, used, m);
      f.increment(A, m * pixelBytes).increment(OUT, m * pixelBytes);
      if (!spec.gate) f.increment(B, m * pixelBytes);
    });
    f.increment(CONSTANTS, constantBytes);
  });
}

/** (a, b, constants, output, unit0, unit1). */
export function emitInt8Product(spec: Int8ProductSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(6).fill('i32'));
  const [A, B, CONSTANTS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const plane = spec.P * pixelBytes;
  const count = f.local('i32');
  const steps = f.scratch('v128', 6).slice(1);
  const gate = steps[4] as Local;
  offsetByUnits(f, A, UNIT0, plane);
  offsetByUnits(f, B, UNIT0, spec.gate ? pixelBytes : plane);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, plane);
  if (spec.narrow) {
    emitNarrowProduct(f, spec, spec.narrow, isa);
    return f;
  }
  const other = (offset: number): void => {
    f.get(B);
    loadPixel(f, element, offset).op('f32x4ConvertI32x4S');
    constant(f, CONSTANTS, 'offset').op('f32x4Add');
  };
  eachUnit(f, UNIT0, UNIT1, () => {
    if (spec.gate) {
      other(0);
      f.set(gate).increment(B, pixelBytes);
    }
    eachTile(f, count, spec.P, 4, (m) => {
      for (let i = 0; i < m; i++) {
        // whole numbers below 2^14: their product is exact in float32
        f.get(A);
        loadPixel(f, element, i * pixelBytes);
        constant(f, CONSTANTS, 'bias').op('i32x4Add').op('f32x4ConvertI32x4S');
        if (spec.gate) f.get(gate);
        else other(i * pixelBytes);
        f.op('f32x4Mul');
        constant(f, CONSTANTS, 'multiplier').op('f32x4Mul');
        emitRound(f, spec.hard, CONSTANTS);
        f.set(steps[i] as Local);
      }
      storePixels(f, element, OUT, 0, steps.slice(0, m));
      f.increment(A, m * pixelBytes).increment(OUT, m * pixelBytes);
      if (!spec.gate) f.increment(B, m * pixelBytes);
    });
    f.increment(CONSTANTS, constantBytes);
  });
  return f;
}

/** y = table[x] with a table of 128 bytes for each channel. */
export interface Int8TableSpec {
  readonly kind: 'int8Table';
  readonly P: number;
}

/** (x, tables, output, unit0, unit1). */
export function emitInt8Table(spec: Int8TableSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, TABLES, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const { bytes, pixelBytes } = elementOf(isa);
  const count = f.local('i32');
  offsetByUnits(f, X, UNIT0, spec.P * pixelBytes);
  offsetByUnits(f, TABLES, UNIT0, 512);
  offsetByUnits(f, OUT, UNIT0, spec.P * pixelBytes);
  eachUnit(f, UNIT0, UNIT1, () => {
    f.repeat(count, spec.P, () => {
      for (let lane = 0; lane < 4; lane++) {
        f.get(OUT)
          .get(X)
          .mem(bytes === 1 ? 'i32Load8U' : 'i32Load16U', lane * bytes)
          // lanes without a channel may hold anything
          .i32Const(127)
          .op('i32And')
          .get(TABLES)
          .op('i32Add')
          .mem('i32Load8U', lane * 128)
          .mem(bytes === 1 ? 'i32Store8' : 'i32Store16', lane * bytes);
      }
      f.increment(X, pixelBytes).increment(OUT, pixelBytes);
    });
    f.increment(TABLES, 512);
  });
  return f;
}

/** The mean over the whole map. */
export interface Int8MeanSpec {
  readonly kind: 'int8Mean';
  readonly P: number;
  /** Whether the means are stored as floats, not as steps. */
  readonly floats: boolean;
}

/** (x, constants, output, unit0, unit1). */
export function emitInt8Mean(spec: Int8MeanSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, CONSTANTS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const outBytes = spec.floats ? 16 : pixelBytes;
  const count = f.local('i32');
  const sums = f.scratch('v128', 3).slice(1) as [Local, Local];
  offsetByUnits(f, X, UNIT0, spec.P * pixelBytes);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, outBytes);
  eachUnit(f, UNIT0, UNIT1, () => {
    constant(f, CONSTANTS, 'bias').set(sums[0]);
    f.i32x4Const(0).set(sums[1]);
    eachTile(f, count, spec.P, 4, (m) => {
      for (let i = 0; i < m; i++) {
        const sum = sums[(i & 1) as 0 | 1];
        f.get(X);
        loadPixel(f, element, i * pixelBytes)
          .get(sum)
          .op('i32x4Add')
          .set(sum);
      }
      f.increment(X, m * pixelBytes);
    });
    if (spec.floats) f.get(OUT);
    f.get(sums[0]).get(sums[1]).op('i32x4Add').op('f32x4ConvertI32x4S');
    constant(f, CONSTANTS, 'multiplier').op('f32x4Mul');
    if (spec.floats) f.mem('v128Store');
    else {
      emitRound(f, null, CONSTANTS);
      f.set(sums[0]);
      storePixels(f, element, OUT, 0, [sums[0]]);
    }
    f.increment(CONSTANTS, constantBytes).increment(OUT, outBytes);
  });
  return f;
}
