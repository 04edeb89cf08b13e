/** Lowers depthwise convolutions, with any channel multiplier, and shifts, which are depthwise convolutions too. */
import type { Padding, Pair, ShiftNode } from '../graph/nodes.js';
import { shiftWindow } from '../graph/shapes.js';
import type { Operation } from '../passes/fuse.js';
import { packDepthwise } from './kernels/depthwise.js';
import type { KernelSpec } from './kernels/registry.js';
import { quadSpan, relativePositions, type View } from './layout.js';
import type { LoweringContext } from './lowering-context.js';
import { placeOutput, residualOperand } from './place-output.js';
import { none, type Part } from './program.js';
import type { Size } from './storage.js';

export interface DepthwiseWork {
  readonly input: string;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  /** [C * multiplier][taps]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array | null;
  /** Output channels per input channel; output c * multiplier + j comes from input channel c. */
  readonly multiplier: number;
  readonly macs: number;
}

/** One filter per channel; the output keeps the input's places, one run of quads for each j of the multiplier. */
export function lowerDepthwise(context: LoweringContext, operation: Operation, work: DepthwiseWork): View {
  const { program } = context;
  const size = context.size(operation.output);
  const x = context.compact(work.input, context.view(work.input));
  const span = quadSpan(x.positions);
  const quads = span.end - span.first;
  const layout = multiplied(relativePositions(x.positions), work.multiplier, quads);
  const total = quads * work.multiplier;
  const { out, residual } = placeOutput(context, operation, size, layout, total, [x]);
  const outFirst = quadSpan(out.positions).first;
  const spec: KernelSpec = depthwiseSpec(x, work, size, operation);
  const parts = Array.from({ length: work.multiplier }, (_, j): Part => {
    const packed = packMultiple(work, relativePositions(x.positions), quads, j);
    return {
      spec,
      units: quads,
      operands: [
        context.quads(x, 'read', span.first),
        program.weights(packed.weights),
        program.weights(packed.bias),
        context.quads(out, 'write', outFirst + j * quads),
        residualOperand(context, residual, j * quads),
        none,
        none,
        none,
      ],
    };
  });
  program.step({ name: operation.output, nodes: operation.nodes, split: 'each', macs: work.macs, parts });
  return out;
}

export function depthwiseSpec(
  x: Size,
  work: Pick<DepthwiseWork, 'kernel' | 'stride' | 'padding' | 'dilation'>,
  size: Size,
  operation: Pick<Operation, 'activation' | 'residual'>,
): Extract<KernelSpec, { kind: 'depthwise' }> {
  return {
    kind: 'depthwise',
    height: x.height,
    width: x.width,
    kernel: work.kernel,
    stride: work.stride,
    padding: work.padding,
    dilation: work.dilation,
    outHeight: size.height,
    outWidth: size.width,
    activation: operation.activation,
    residual: operation.residual !== null,
    dual: null,
  };
}

/** Positions of c * multiplier + j: the place of c in the j-th run of quads. */
export function multiplied(positions: Int32Array, multiplier: number, quads: number): Int32Array {
  return Int32Array.from(
    { length: positions.length * multiplier },
    (_, i) => (positions[Math.floor(i / multiplier)] as number) + (i % multiplier) * quads * 4,
  );
}

/** Packed filters and bias of outputs c * multiplier + j for all c. */
export function packMultiple(
  work: Pick<DepthwiseWork, 'weights' | 'bias' | 'multiplier' | 'kernel'>,
  positions: Int32Array,
  quads: number,
  j: number,
): { readonly weights: Float32Array; readonly bias: Float32Array } {
  const taps = work.kernel[0] * work.kernel[1];
  const weights = new Float32Array(quads * 4 * taps);
  const bias = new Float32Array(quads * 4);
  positions.forEach((position, c) => {
    const row = c * work.multiplier + j;
    weights.set(work.weights.subarray(row * taps, (row + 1) * taps), position * taps);
    bias[position] = work.bias?.[row] ?? 0;
  });
  return { weights: packDepthwise(weights, quads * 4, taps), bias };
}

/** A shift is a depthwise convolution whose filters have a single one. */
export function lowerShift(context: LoweringContext, operation: Operation, node: ShiftNode): View {
  const { kernel, padding } = shiftWindow(node);
  const [top, left] = padding;
  const taps = kernel[0] * kernel[1];
  const weights = new Float32Array(node.offsets.length * taps);
  node.offsets.forEach(([dy, dx], c) => {
    weights[c * taps + (dy + top) * kernel[1] + dx + left] = 1;
  });
  return lowerDepthwise(context, operation, {
    input: node.inputs[0] as string,
    kernel,
    stride: [1, 1],
    padding,
    dilation: [1, 1],
    weights,
    bias: null,
    multiplier: 1,
    macs: 0,
  });
}
