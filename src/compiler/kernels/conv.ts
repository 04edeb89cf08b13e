/**
 * The kxk convolution on a zero-padded input: the matrix product of pointwise.ts whose input channels are, per quad,
 * the kernel's rows and columns. Every pixel of a tile has an address of its own, so tiles run across row ends and a
 * 7x7 map wastes nothing.
 */

import type { Pair } from '../../graph/nodes.js';
import type { FunctionBuilder, Local } from '../emitter/function.js';
import { type Activation, type Isa, keepsOrder } from './kernel.js';
import { emitMatrix, matrixFunction, packMatrix } from './pointwise.js';
import { pixelTiles, tilesTime } from './tiles.js';

export interface ConvSpec {
  readonly kind: 'conv';
  /** Quads of the padded input. */
  readonly inputQuads: number;
  /** Channels of the last quad that hold data (1 to 4); the others are not read. */
  readonly lastLanes: number;
  /** Size of the padded input. */
  readonly paddedHeight: number;
  readonly paddedWidth: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly ranges: readonly number[];
  readonly activation: Activation;
  readonly residual: boolean;
}

/** Input channels of the matrix product. */
export function convDepth(spec: Pick<ConvSpec, 'inputQuads' | 'lastLanes' | 'kernel'>): number {
  return ((spec.inputQuads - 1) * 4 + spec.lastLanes) * spec.kernel[0] * spec.kernel[1];
}

/** Addresses that the general registers hold beside the loop's own values. */
const mostPointers = (isa: Isa): number => (keepsOrder(isa) ? 6 : 4);

/**
 * Whether tiles should keep to rows, where one address serves all pixels of a tile, or run on across row ends, where
 * each needs its own but no row leaves a small tile: what takes less time.
 */
function keepsToRows({ outHeight, outWidth }: ConvSpec, isa: Isa): boolean {
  // moving many addresses costs time, and code
  const addressing = 1.07;
  const rows = outHeight * tilesTime(pixelTiles(outWidth, 2, isa, 12), 2, isa);
  return rows <= addressing * tilesTime(pixelTiles(outHeight * outWidth, 2, isa, mostPointers(isa)), 2, isa);
}

/** (input, weights, bias, output, residual, unit0, unit1). */
export function emitConv(spec: ConvSpec, isa: Isa): FunctionBuilder {
  const f = matrixFunction();
  const { kernel, stride, dilation, paddedWidth, paddedHeight, outWidth, inputQuads, lastLanes } = spec;
  const plane = paddedHeight * paddedWidth * 16;
  const rowStep = stride[0] * paddedWidth * 16;
  const columnStep = stride[1] * 16;
  // the next pixel to hand out: its address and how many pixels its row has left
  const next = f.local('i32');
  const left = f.local('i32');
  const quad = f.local('i32');
  const row = f.local('i32');
  const end = f.local('i32');
  const column = f.local('i32');
  const address: Local[] = [];
  const inRow = keepsToRows(spec, isa);
  // addresses that move together
  let pointers = 1;

  const move = (value: number): void => {
    for (let i = 0; i < pointers; i++) f.increment(address[i] as Local, value);
  };
  const oneQuad = (lanes: number, step: Parameters<Parameters<typeof emitMatrix>[3]['loops']>[0]): void => {
    // several addresses are moved once a quad where the engine copes with the longer loop body
    const together = !inRow && lanes === 4 && keepsOrder(isa) ? 4 : 1;
    const body = (): void => {
      for (let lane = 0; lane < together; lane++)
        step((i) =>
          inRow
            ? { base: address[0] as Local, offset: i * columnStep }
            : { base: address[i] as Local, offset: lane * 4 },
        );
      move(together * 4);
    };
    const run = (steps: number): void => {
      if (steps === together) {
        body();
        return;
      }
      f.get(address[0] as Local)
        .i32Const(steps * 4)
        .op('i32Add')
        .set(end);
      f.loop((again) => {
        body();
        f.get(address[0] as Local)
          .get(end)
          .op('i32LtU')
          .brIf(again);
      });
    };
    // with no dilation and full quads, a kernel row is one contiguous run of kw * 4 floats
    const contiguous = lanes === 4 && dilation[1] === 1;
    const kernelRow = (): void => {
      if (contiguous) {
        run(kernel[1] * 4);
        return;
      }
      f.repeat(column, kernel[1], () => {
        run(lanes);
        move(dilation[1] * 16 - lanes * 4);
      });
    };
    const rowLength = contiguous ? kernel[1] * 16 : kernel[1] * dilation[1] * 16;
    if (kernel[0] === 1) {
      kernelRow();
      move(plane - rowLength);
      return;
    }
    f.repeat(row, kernel[0], () => {
      kernelRow();
      move(dilation[0] * paddedWidth * 16 - rowLength);
    });
    move(plane - kernel[0] * dilation[0] * paddedWidth * 16);
  };

  return emitMatrix(
    f,
    {
      K: convDepth(spec),
      P: spec.outHeight * outWidth,
      ranges: spec.ranges,
      activation: spec.activation,
      residual: spec.residual,
    },
    isa,
    {
      rows: inRow ? spec.outHeight : 1,
      pixels: inRow ? outWidth : spec.outHeight * outWidth,
      mostPixels: inRow ? 12 : mostPointers(isa),
      reset: () => {
        f.get(0).set(next);
        if (!inRow) f.i32Const(outWidth).set(left);
      },
      advance: (m) => {
        if (inRow) f.increment(next, m * columnStep);
      },
      endRow: () => {
        if (inRow) f.increment(next, rowStep - outWidth * columnStep);
      },
      begin: (m) => {
        pointers = inRow ? 1 : m;
        while (address.length < pointers) address.push(f.local('i32'));
        for (let i = 0; i < pointers; i++) {
          f.get(next).set(address[i] as Local);
          if (inRow) continue;
          f.get(left).i32Const(1).op('i32Sub').tee(left);
          f.if(
            () => f.increment(next, columnStep),
            () =>
              f
                .increment(next, rowStep - (outWidth - 1) * columnStep)
                .i32Const(outWidth)
                .set(left),
          );
        }
      },
      loops: (step) => {
        const fullQuads = lastLanes === 4 ? inputQuads : inputQuads - 1;
        if (fullQuads > 1) f.repeat(quad, fullQuads, () => oneQuad(4, step));
        else if (fullQuads === 1) oneQuad(4, step);
        if (lastLanes < 4) oneQuad(lastLanes, step);
      },
    },
  );
}

/**
 * Weights [N][C][kh][kw] in stored order (N a multiple of 4, C = 4*(inputQuads-1)+lastLanes) to the order of the
 * walk, [N/8][C/4][kh][kw][lanes][2][4].
 */
export function packConv(weights: Float32Array, N: number, C: number, kernel: Pair): Float32Array {
  const taps = kernel[0] * kernel[1];
  const K = C * taps;
  const walked = new Float32Array(N * K);
  for (let n = 0; n < N; n++) {
    let at = n * K;
    for (let quad = 0; quad < C; quad += 4)
      for (let tap = 0; tap < taps; tap++)
        for (let c = quad; c < Math.min(C, quad + 4); c++)
          walked[at++] = weights[(n * C + c) * taps + tap] as number;
  }
  return packMatrix(walked, N, K);
}
