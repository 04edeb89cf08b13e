/**
 * The int8 matrix product: 1x1 and kxk convolutions (on a padded copy) of maps, tiled like the float kernel in pixels
 * by pairs of output quads. One word of input channels (four with relaxed SIMD, two without) is one step.
 */
import type { Pair } from '../../../graph/nodes.js';
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import { type Isa, keepsOrder } from '../kernel.js';
import { eachPair } from '../pairs.js';
import { pixelTiles, type TileRun } from '../tiles.js';
import {
  constant,
  constantBytes,
  dotAdd,
  elementOf,
  emitHard,
  emitResidual,
  emitRound,
  offsetByUnits,
  storePixels,
} from './element.js';

export interface Int8MatrixSpec {
  readonly kind: 'int8Matrix';
  readonly inputQuads: number;
  /** Size of the input, padded where the convolution pads. */
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly ranges: readonly number[];
  readonly hard: Hard;
  readonly residual: boolean;
  /** One pixel whose outputs stay floats, ReLU'd up to this value if one is given. */
  readonly floats: { readonly relu: number | null } | null;
}

const [IN, WEIGHTS, CONSTANTS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5, 6] as const;

/** (input, weights, constants, output, residual, unit0, unit1). */
export function emitInt8Matrix(spec: Int8MatrixSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const isPlain = [...spec.kernel, ...spec.stride].every((value) => value === 1);
  if (isPlain && spec.outHeight * spec.outWidth === 1) return emitVector(f, spec, isa);
  const element = elementOf(isa);
  const { pixelBytes, words } = element;
  const { kernel, stride, dilation, outHeight, outWidth, inputQuads } = spec;
  const inPlane = spec.height * spec.width * pixelBytes;
  const outPlane = outHeight * outWidth * (spec.floats ? 16 : pixelBytes);
  const taps = kernel[0] * kernel[1];
  const stepsPerPair = inputQuads * taps * words;
  const i32 = (): Local => f.local('i32');
  const [weightBase, weight, out, residual, pixel, address, end] = [
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
  ];
  const [count, rowCount, kernelRow, kernelColumn] = [i32(), i32(), i32(), i32()];
  const columnStep = stride[1] * pixelBytes;
  const rowStep = stride[0] * spec.width * pixelBytes;

  const micro = (m: number, quads: number): void => {
    const all = f.scratch('v128', m * quads + quads + 2).slice(1);
    const acc = (i: number, j: number): Local => all[j * m + i] as Local;
    const w = (j: number): Local => all[m * quads + j] as Local;
    const x = all[m * quads + quads] as Local;
    for (let j = 0; j < quads; j++) {
      constant(f, CONSTANTS, 'bias', j);
      for (let i = 0; i < m; i++)
        if (i < m - 1) f.tee(acc(i, j));
        else f.set(acc(i, j));
    }
    f.get(weightBase).set(weight).get(pixel).set(address);
    /** One step at `offset` from the address, with the weights `ahead` steps on. */
    const step = (offset: number, ahead: number): void => {
      for (let j = 0; j < quads; j++)
        f.get(weight)
          .mem('v128Load', ahead * 32 + j * 16)
          .set(w(j));
      for (let i = 0; i < m; i++) {
        f.get(address)
          .mem('v128Load32Splat', offset + i * columnStep)
          .set(x);
        for (let j = 0; j < quads; j++) dotAdd(f, acc(i, j), w(j), x, isa);
      }
    };
    const until = (bytes: number): void => {
      f.get(address).i32Const(bytes).op('i32Add').set(end);
    };
    if (taps === 1) pointwise(step, until);
    else window(step);
    for (let j = 0; j < quads; j++) {
      for (let i = 0; i < m; i++) {
        f.get(acc(i, j)).op('f32x4ConvertI32x4S');
        constant(f, CONSTANTS, 'multiplier', j).op('f32x4Mul');
        if (spec.residual) emitResidual(f, element, residual, j * outPlane + i * pixelBytes, CONSTANTS, j);
        if (spec.floats) emitFloats(f, spec);
        else emitRound(f, spec.hard, CONSTANTS, j);
        f.set(acc(i, j));
      }
      if (spec.floats) {
        f.get(out)
          .get(acc(0, j))
          .mem('v128Store', j * outPlane);
        continue;
      }
      storePixels(
        f,
        element,
        out,
        j * outPlane,
        Array.from({ length: m }, (_, i) => acc(i, j)),
      );
    }
    f.increment(pixel, m * columnStep).increment(out, m * pixelBytes);
    if (spec.residual) f.increment(residual, m * pixelBytes);
  };
  const pointwise = (step: (offset: number, ahead: number) => void, until: (bytes: number) => void): void => {
    // engines that keep the order of a loop body run several quads in one
    const unroll = keepsOrder(isa) ? ([4, 3, 2].find((n) => inputQuads % n === 0) ?? 1) : 1;
    until(inputQuads * inPlane);
    f.loop((again) => {
      if (words === 1) {
        for (let u = 0; u < unroll; u++) step(u * inPlane, u);
        f.increment(weight, unroll * 32);
      } else
        f.repeat(kernelColumn, words, () => {
          step(0, 0);
          f.increment(weight, 32).increment(address, 4);
        });
      f.get(address)
        .i32Const(unroll * inPlane - (words === 1 ? 0 : words * 4))
        .op('i32Add')
        .tee(address)
        .get(end)
        .op('i32LtU')
        .brIf(again);
    });
  };
  const window = (step: (offset: number, ahead: number) => void): void => {
    const columnBytes = dilation[1] * pixelBytes;
    const columns = (): void => {
      if (words === 1 && keepsOrder(isa)) {
        for (let column = 0; column < kernel[1]; column++) step(column * columnBytes, column);
        f.increment(weight, kernel[1] * 32);
        return;
      }
      f.repeat(kernelColumn, kernel[1], () => {
        for (let word = 0; word < words; word++) step(word * 4, word);
        f.increment(weight, words * 32).increment(address, columnBytes);
      });
      f.increment(address, -kernel[1] * columnBytes);
    };
    const rowBytes = dilation[0] * spec.width * pixelBytes;
    f.repeat(count2, inputQuads, () => {
      f.repeat(kernelRow, kernel[0], () => {
        columns();
        f.increment(address, rowBytes);
      });
      f.increment(address, inPlane - kernel[0] * rowBytes);
    });
  };
  const count2 = i32();
  const inRows = taps > 1 || stride[0] > 1 || stride[1] > 1;
  const rows = inRows ? outHeight : 1;
  const pixels = inRows ? outWidth : outHeight * outWidth;

  const row = (runs: readonly TileRun[], quads: number): void => {
    for (const { m, times } of runs)
      if (times > 1) f.repeat(count, times, () => micro(m, quads));
      else micro(m, quads);
    if (inRows) f.increment(pixel, rowStep - outWidth * columnStep);
  };
  const tile = (quads: 1 | 2): void => {
    const runs = pixelTiles(pixels, quads, isa, 12);
    f.get(IN).set(pixel).get(OUT).set(out);
    if (spec.residual) f.get(RESIDUAL).set(residual);
    if (rows > 1) f.repeat(rowCount, rows, () => row(runs, quads));
    else row(runs, quads);
    f.increment(CONSTANTS, quads * constantBytes).increment(OUT, quads * outPlane);
    if (spec.residual) f.increment(RESIDUAL, quads * outPlane);
  };
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, outPlane);
  if (spec.residual) offsetByUnits(f, RESIDUAL, UNIT0, outPlane);
  eachPair(
    f,
    { weights: WEIGHTS, unit0: UNIT0, unit1: UNIT1, K: stepsPerPair, ranges: spec.ranges },
    weightBase,
    tile,
  );
  return f;
}

/** The end of outputs that stay floats. */
function emitFloats(f: FunctionBuilder, { floats, hard }: Int8MatrixSpec): void {
  const relu = floats?.relu ?? null;
  if (relu !== null) f.f32x4Const(0).op('f32x4Max');
  if (relu !== null && Number.isFinite(relu)) f.f32x4Const(relu).op('f32x4Min');
  emitHard(f, hard);
}

/** One pixel: a matrix times a vector, weights as one stream; sums in several parts hide the latency of the dot. */
function emitVector(f: FunctionBuilder, spec: Int8MatrixSpec, isa: Isa): FunctionBuilder {
  const element = elementOf(isa);
  const { pixelBytes, words } = element;
  const { floats } = spec;
  const parts = isa.relaxed ? 4 : 2;
  const steps = spec.inputQuads * words;
  const outBytes = floats ? 16 : pixelBytes;
  const [weightBase, weight, input, count] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const all = f.scratch('v128', 2 * parts + 3).slice(1);
  const acc = (part: number, quad: number): Local => all[part * 2 + quad] as Local;
  const w = all[2 * parts] as Local;
  const x = all[2 * parts + 1] as Local;
  const tile = (quads: 1 | 2): void => {
    for (let part = 0; part < parts; part++)
      for (let quad = 0; quad < quads; quad++) f.i32x4Const(0).set(acc(part, quad));
    f.get(weightBase).set(weight).get(IN).set(input);
    const run = (n: number): void => {
      for (let part = 0; part < n; part++) {
        f.get(input)
          .mem('v128Load32Splat', part * 4)
          .set(x);
        for (let quad = 0; quad < quads; quad++) {
          f.get(weight)
            .mem('v128Load', part * 32 + quad * 16)
            .set(w);
          dotAdd(f, acc(part, quad), w, x, isa);
        }
      }
      f.increment(weight, n * 32).increment(input, n * 4);
    };
    const full = Math.floor(steps / parts);
    if (full > 0) f.repeat(count, full, () => run(parts));
    if (steps % parts > 0) run(steps % parts);
    for (let quad = 0; quad < quads; quad++) {
      constant(f, CONSTANTS, 'bias', quad);
      for (let part = 0; part < parts; part++) f.get(acc(part, quad)).op('i32x4Add');
      f.op('f32x4ConvertI32x4S');
      constant(f, CONSTANTS, 'multiplier', quad).op('f32x4Mul');
      if (spec.residual) emitResidual(f, element, RESIDUAL, quad * pixelBytes, CONSTANTS, quad);
      if (floats) emitFloats(f, spec);
      else emitRound(f, spec.hard, CONSTANTS, quad);
      f.set(acc(0, quad));
      if (floats)
        f.get(OUT)
          .get(acc(0, quad))
          .mem('v128Store', quad * 16);
      else storePixels(f, element, OUT, quad * pixelBytes, [acc(0, quad)]);
    }
    f.increment(CONSTANTS, quads * constantBytes).increment(OUT, quads * outBytes);
    if (spec.residual) f.increment(RESIDUAL, quads * pixelBytes);
  };
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, outBytes);
  if (spec.residual) offsetByUnits(f, RESIDUAL, UNIT0, pixelBytes);
  eachPair(
    f,
    { weights: WEIGHTS, unit0: UNIT0, unit1: UNIT1, K: steps, ranges: spec.ranges },
    weightBase,
    tile,
  );
  return f;
}
