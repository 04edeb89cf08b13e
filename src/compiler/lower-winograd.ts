/**
 * Lowers 3x3 convolutions of stride one by Winograd's scheme where it pays: many tiles for its larger weights, many
 * channels for its transforms. Three steps: the input's tiles, the products, the output with bias, residual and
 * activation. Everything else is lower-convolution.ts.
 */
import type { Conv2dNode } from '../graph/nodes.js';
import type { Operation } from '../passes/fuse.js';
import {
  packWinograd,
  type WinogradTiles,
  winogradPoints,
  winogradQuadBytes,
  winogradSide,
} from './kernels/winograd.js';
import { quadSpan, type View } from './layout.js';
import type { LoweringContext } from './lowering-context.js';
import { residualOperand } from './place-output.js';
import { none, type Operand, type VirtualBuffer } from './program.js';
import type { Size } from './storage.js';

/** Fewer tiles would read the weights, four times the direct form's, for too little: at most 1.7 times faster, mostly 1.2. */
const fewestTiles = 4;
/** Multiplications saved below which the transforms eat the gain. */
const leastGain = 1.6;
const fewestChannels = 8;

export function winogradTiles({ height, width }: Size): WinogradTiles {
  return { tileRows: Math.ceil(height / winogradSide), tileColumns: Math.ceil(width / winogradSide) };
}

/** Whether a convolution with this output should take Winograd's way. */
export function paysWinograd(node: Conv2dNode, size: Size): boolean {
  const { kernel, stride, dilation, groups, inChannels, outChannels } = node;
  const fits = groups === 1 && kernel.every((k) => k === 3) && [...stride, ...dilation].every((s) => s === 1);
  if (!fits || Math.min(inChannels, outChannels) < fewestChannels) return false;
  const { tileRows, tileColumns } = winogradTiles(size);
  const tiles = tileRows * tileColumns;
  // operations on vectors for a tile and a pair of quads: products, and both transforms with their loads and stores
  const [inQuads, outQuads] = [inChannels / 4, outChannels / 4];
  const direct = (9 * 4 * inQuads * outQuads * size.height * size.width) / tiles;
  const winograd = winogradPoints * 4 * inQuads * outQuads + 250 * inQuads + 220 * outQuads;
  return tiles >= fewestTiles && direct / winograd >= leastGain;
}

export interface WinogradWork {
  /** The input, and how many rows and columns of zeros stand before it. */
  readonly x: View;
  readonly top: number;
  readonly left: number;
  readonly out: View;
  readonly residual: View | null;
  readonly size: Size;
  /** [stored outputs][stored inputs][9], and the bias by stored output. */
  readonly filters: Float32Array;
  readonly bias: Float32Array;
  readonly quads: number;
  readonly macs: number;
}

/** Adds the three steps. */
export function lowerWinograd(context: LoweringContext, operation: Operation, work: WinogradWork): void {
  const { program } = context;
  const { x, top, left, out, residual, size, quads } = work;
  const { nodes } = operation;
  const tiles = winogradTiles(size);
  const T = tiles.tileRows * tiles.tileColumns;
  const quadBytes = winogradQuadBytes(tiles);
  const span = quadSpan(x.positions);
  const inQuads = span.end - span.first;
  const { output } = operation;
  const [V, M] = [
    program.buffer(`${output}:winograd-input`, inQuads * quadBytes),
    program.buffer(`${output}:winograd-products`, quads * quadBytes),
  ];
  const perQuad = (buffer: VirtualBuffer, access: 'read' | 'write'): Operand => ({
    kind: 'buffer',
    buffer,
    offset: 0,
    access,
    extent: { perUnit: quadBytes },
  });
  program.step({
    name: `${output}:winograd-input`,
    nodes,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: { kind: 'winogradInput', ...tiles, height: x.height, width: x.width, top, left },
        units: inQuads,
        operands: [
          context.quads(x, 'read', span.first),
          program.weights(new Float32Array(x.width * 4)),
          perQuad(V, 'write'),
        ],
      },
    ],
  });
  program.step({
    name: `${output}:winograd-products`,
    nodes,
    split: 'each',
    macs: work.macs,
    parts: [
      {
        spec: { kind: 'winogradProducts', K: inQuads * 4, T, quads, quadBytes, ranges: [] },
        units: quads,
        operands: [
          { kind: 'buffer', buffer: V, offset: 0, access: 'read', extent: { bytes: V.bytes } },
          program.weights(packWinograd(work.filters, quads * 4, inQuads * 4)),
          program.weights(new Float32Array(quads * 4)),
          perQuad(M, 'write'),
          none,
        ],
      },
    ],
  });
  const spec = {
    kind: 'winogradOutput',
    ...tiles,
    outHeight: size.height,
    outWidth: size.width,
    activation: operation.activation,
    residual: residual !== null,
  } as const;
  program.step({
    name: output,
    nodes,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec,
        units: quads,
        operands: [
          perQuad(M, 'read'),
          program.weights(work.bias),
          context.quads(out, 'write', quadSpan(out.positions).first),
          residualOperand(context, residual, 0),
        ],
      },
    ],
  });
}
