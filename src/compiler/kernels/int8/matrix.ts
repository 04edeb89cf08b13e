/**
 * The int8 matrix product: 1x1 and kxk convolutions (on a padded copy) of maps, tiled like the float kernel in pixels
 * by pairs of output quads. One word of input channels (four with relaxed SIMD, two without) is one step.
 */
import type { Pair } from '../../../graph/nodes.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import { type Isa, keepsOrder } from '../kernel.js';
import { pixelTiles, type TileRun } from '../tiles.js';
import { constant, elementOf } from './element.js';
import { emitEnd } from './matrix-end.js';
import { eachOutputPair, matrixArguments } from './matrix-pairs.js';
import type { Int8MatrixSpec } from './matrix-spec.js';
import { addProducts, groupsOf, type ProductTile } from './products.js';
import { emitVector } from './vector.js';

/** Steps of one loop body at most, and of a whole tile that needs no loop. */
const [bodySteps, straightSteps] = [8, 10];

const { input: IN, constants: CONSTANTS, out: OUT, residual: RESIDUAL } = matrixArguments;

/** Most steps that one group of `spec` may have: neighbouring quads for 1x1, columns of the kernel otherwise. */
export function groupedRun(kernel: Pair): number {
  return kernel[0] * kernel[1] === 1 ? bodySteps : kernel[1];
}

/** (input, weights, constants, output, residual, unit0, unit1). */
export function emitInt8Matrix(spec: Int8MatrixSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const isPlain = [...spec.kernel, ...spec.stride].every((value) => value === 1);
  if (!isa.relaxed && isPlain && spec.outHeight * spec.outWidth === 1) return emitVector(f, spec, isa);
  const element = elementOf(isa);
  const { pixelBytes, words } = element;
  const { kernel, stride, dilation, outHeight, outWidth, inputQuads } = spec;
  const inPlane = spec.height * spec.width * pixelBytes;
  // outputs that stay floats have a residual of integers
  const residualPlane = outHeight * outWidth * pixelBytes;
  const outPlane = spec.floats ? outHeight * outWidth * 16 : residualPlane;
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
  const [count, rowCount, kernelRow, kernelColumn, quadCount] = [i32(), i32(), i32(), i32(), i32()];
  const columnStep = stride[1] * pixelBytes;
  const rowStep = stride[0] * spec.width * pixelBytes;
  const columnBytes = dilation[1] * pixelBytes;
  const rowBytes = dilation[0] * spec.width * pixelBytes;
  const isStraight = isa.relaxed && keepsOrder(isa) && inputQuads * taps <= straightSteps;

  const micro = (m: number, quads: number): void => {
    const count_ = m * quads;
    const all = f.scratch('v128', count_ * (isa.relaxed ? 2 : 1) + quads + 2).slice(1);
    const sums = all.slice(0, count_);
    const tile: ProductTile = {
      m,
      pixelStep: columnStep,
      quads,
      address,
      weight,
      sums,
      weights: all.slice(count_, count_ + quads),
      x: all[count_ + quads] as Local,
      shorts: all.slice(count_ + quads + 1),
    };
    for (let j = 0; j < quads; j++) {
      constant(f, CONSTANTS, 'bias', j);
      for (let i = 0; i < m; i++)
        if (i < m - 1) f.tee(sums[j * m + i] as Local);
        else f.set(sums[j * m + i] as Local);
    }
    f.get(weightBase).set(weight).get(pixel).set(address);
    if (isStraight) straight(tile);
    else if (taps === 1) pointwise(tile);
    else window(tile);
    const addresses = { constants: CONSTANTS, out, residual };
    for (let j = 0; j < quads; j++)
      emitEnd(f, spec, isa, addresses, j, outPlane, sums.slice(j * m, (j + 1) * m));
    f.increment(pixel, m * columnStep).increment(out, m * pixelBytes);
    if (spec.residual) f.increment(residual, m * pixelBytes);
  };
  /** `n` steps, `stride` bytes of input apart, from `input` and weight step `first` on, in groups. */
  const row = (tile: ProductTile, n: number, input: number, stride_: number, first: number): void => {
    let at = 0;
    for (const length of groupsOf(n, spec.group)) {
      const steps = Array.from({ length }, (_, i) => ({
        input: input + (at + i) * stride_,
        weights: (first + at + i) * 32,
      }));
      addProducts(f, tile, steps, isa);
      at += length;
    }
  };
  const straight = (tile: ProductTile): void => {
    if (taps === 1) {
      for (let quad = 0; quad < inputQuads; quad += bodySteps)
        row(tile, Math.min(bodySteps, inputQuads - quad), quad * inPlane, inPlane, quad);
      return;
    }
    for (let quad = 0; quad < inputQuads; quad++)
      for (let r = 0; r < kernel[0]; r++)
        row(tile, kernel[1], quad * inPlane + r * rowBytes, columnBytes, quad * taps + r * kernel[1]);
  };
  const pointwise = (tile: ProductTile): void => {
    if (!isa.relaxed) {
      f.get(address)
        .i32Const(inputQuads * inPlane)
        .op('i32Add')
        .set(end);
      f.loop((again) => {
        f.repeat(kernelColumn, words, () => {
          row(tile, 1, 0, 0, 0);
          f.increment(weight, 32).increment(address, 4);
        });
        f.get(address)
          .i32Const(inPlane - words * 4)
          .op('i32Add')
          .tee(address)
          .get(end)
          .op('i32LtU')
          .brIf(again);
      });
      return;
    }
    const rest = inputQuads % bodySteps;
    const full = inputQuads - rest;
    if (full > 0) {
      f.get(address)
        .i32Const(full * inPlane)
        .op('i32Add')
        .set(end);
      f.loop((again) => {
        row(tile, bodySteps, 0, inPlane, 0);
        f.increment(weight, bodySteps * 32);
        f.get(address)
          .i32Const(bodySteps * inPlane)
          .op('i32Add')
          .tee(address)
          .get(end)
          .op('i32LtU')
          .brIf(again);
      });
    }
    if (rest > 0) row(tile, rest, 0, inPlane, 0);
  };
  const window = (tile: ProductTile): void => {
    const columns = (): void => {
      if (isa.relaxed) {
        row(tile, kernel[1], 0, columnBytes, 0);
        f.increment(weight, kernel[1] * 32);
        return;
      }
      f.repeat(kernelColumn, kernel[1], () => {
        for (let word = 0; word < words; word++) row(tile, 1, word * 4, 0, word);
        f.increment(weight, words * 32).increment(address, columnBytes);
      });
      f.increment(address, -kernel[1] * columnBytes);
    };
    f.repeat(quadCount, inputQuads, () => {
      f.repeat(kernelRow, kernel[0], () => {
        columns();
        f.increment(address, rowBytes);
      });
      f.increment(address, inPlane - kernel[0] * rowBytes);
    });
  };
  const inRows = taps > 1 || stride[0] > 1 || stride[1] > 1;
  const rows = inRows ? outHeight : 1;
  const pixels = inRows ? outWidth : outHeight * outWidth;

  const outputRow = (runs: readonly TileRun[], quads: number): void => {
    for (const { m, times } of runs)
      if (times > 1) f.repeat(count, times, () => micro(m, quads));
      else micro(m, quads);
    if (inRows) f.increment(pixel, rowStep - outWidth * columnStep);
  };
  const tile = (quads: 1 | 2): void => {
    const runs = pixelTiles(pixels, quads, isa, 12, isa.relaxed ? 'bytes' : undefined);
    f.get(IN).set(pixel).get(OUT).set(out);
    if (spec.residual) f.get(RESIDUAL).set(residual);
    if (rows > 1) f.repeat(rowCount, rows, () => outputRow(runs, quads));
    else outputRow(runs, quads);
  };
  eachOutputPair(f, spec, { steps: stepsPerPair, outPlane, residualPlane }, weightBase, tile);
  return f;
}
