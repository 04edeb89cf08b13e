/** Lowers int8 depthwise convolutions, shifts, and the end of Ghost modules with both halves in one pass. */
import type { Padding, Pair } from '../../graph/nodes.js';
import type { Operation, Root } from '../../passes/fuse.js';
import { type Epilogue, hardOf } from '../../passes/quantize/arithmetic.js';
import { filterOf } from '../../passes/quantize/constants.js';
import { pickNarrow } from '../../passes/quantize/narrow.js';
import type { QuantizedFilter } from '../../passes/quantize/network.js';
import type { Int8DepthwiseSpec } from '../kernels/int8/depthwise.js';
import { packInt8Depthwise, planSums, restOfBias, type SumPlan } from '../kernels/int8/depthwise-plan.js';
import type { NarrowSpec } from '../kernels/int8/narrow.js';
import { packConstants } from '../kernels/int8/pack.js';
import { quadSpan, relativePositions, type View } from '../layout.js';
import { multiplied } from '../lower-depthwise.js';
import type { LoweringContext } from '../lowering-context.js';
import { placeOutput, residualOperand, spanLength } from '../place-output.js';
import { none, type Operand, type Part } from '../program.js';
import type { Size } from '../storage.js';
import type { Int8Context } from './context.js';

export interface Int8DepthwiseWork {
  readonly input: string;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly filter: QuantizedFilter;
  readonly multiplier: number;
  readonly macs: number;
}

function specOf(
  context: Int8Context,
  x: View,
  work: Omit<Int8DepthwiseWork, 'filter' | 'macs'>,
  size: Size,
  operation: Operation,
  { groups, addsBias }: SumPlan,
  narrow: NarrowSpec | null,
): { readonly spec: Int8DepthwiseSpec; readonly border: Operand } {
  const relative = relativePositions(x.positions);
  const { zeroPoint } = context.scales(work.input);
  const same = zeroPoint.every((point) => point === zeroPoint[0]);
  const pixels = x.width + 4;
  const quads = same ? 1 : spanLength(x);
  const points = same
    ? context.zeroPoints(work.input, Int32Array.of(0, 1, 2, 3).subarray(0, zeroPoint.length), 1, pixels)
    : context.zeroPoints(work.input, relative, quads, pixels);
  if (same) points.fill(zeroPoint[0] as number);
  return {
    border: context.program.weights(points),
    spec: {
      kind: 'int8Depthwise',
      height: x.height,
      width: x.width,
      kernel: work.kernel,
      stride: work.stride,
      padding: work.padding,
      dilation: work.dilation,
      outHeight: size.height,
      outWidth: size.width,
      hard: hardOf(operation.activation),
      residual: operation.residual !== null,
      borderStride: same ? 0 : pixels * context.element.pixelBytes,
      dual: false,
      groups,
      addsBias,
      narrow,
      intrinsic: null,
    },
  };
}

function sumsOf(
  context: Int8Context,
  { filter, kernel }: Pick<Int8DepthwiseWork, 'filter' | 'kernel'>,
  { bias }: Epilogue,
): SumPlan {
  return planSums(filter.values, kernel[0] * kernel[1], bias, context.element);
}

/** Filters and constants of outputs c * multiplier + j for all c, at the stored places of c. */
function packMultiple(
  context: Int8Context,
  { filter, multiplier }: Pick<Int8DepthwiseWork, 'filter' | 'multiplier'>,
  whole: Epilogue,
  sums: SumPlan,
  spec: Int8DepthwiseSpec,
  positions: Int32Array,
  quads: number,
  j: number,
): readonly [Operand, Operand] {
  const taps = spec.kernel[0] * spec.kernel[1];
  const stored = new Int8Array(quads * 4 * taps);
  const start = new Int16Array(quads * 4);
  positions.forEach((position, c) => {
    const row = (c * multiplier + j) * taps;
    stored.set(filter.values.subarray(row, row + taps), position * taps);
    start[position] = sums.start[c * multiplier + j] as number;
  });
  const epilogue = restOfBias(whole, sums);
  const rows = Array.from(positions, (_, c) => c * multiplier + j);
  const pick = <T extends Int16Array | Int32Array | Float32Array>(values: T): T =>
    values.map((_, i) => (values[rows[i] ?? 0] ?? 0) as number).subarray(0, rows.length) as T;
  const constants: Epilogue = {
    bias: pick(epilogue.bias),
    offset: pick(epilogue.offset),
    multiplier: pick(epilogue.multiplier),
    residual: pick(epilogue.residual),
    post: pick(epilogue.post),
    zeroPoint: pick(epilogue.zeroPoint),
    narrow: pickNarrow(epilogue.narrow, pick),
  };
  const { program, isa } = context;
  return [
    program.weights(packInt8Depthwise(stored, start, spec, isa)),
    program.weights(packConstants(constants, positions, quads)),
  ];
}

export function lowerInt8Depthwise(
  context: Int8Context,
  operation: Operation,
  work: Int8DepthwiseWork,
): View {
  const size = context.size(operation.output);
  const x = context.compact(work.input, context.view(work.input));
  const { first } = quadSpan(x.positions);
  const quads = spanLength(x);
  const relative = relativePositions(x.positions);
  const layout = multiplied(relative, work.multiplier, quads);
  const { out, residual } = placeOutput(context, operation, size, layout, quads * work.multiplier, [x]);
  const outFirst = quadSpan(out.positions).first;
  const { epilogue } = context.constants(operation);
  const sums = sumsOf(context, work, epilogue);
  const { spec, border } = specOf(context, x, work, size, operation, sums, context.narrow(epilogue));
  const parts = Array.from({ length: work.multiplier }, (_, j): Part => {
    const packed = packMultiple(context, work, epilogue, sums, spec, relative, quads, j);
    return {
      spec,
      units: quads,
      operands: [
        context.quads(x, 'read', first),
        ...packed,
        context.quads(out, 'write', outFirst + j * quads),
        residualOperand(context, residual, j * quads),
        none,
        none,
        none,
        border,
      ],
    };
  });
  const { output: name, nodes } = operation;
  context.program.step({ name, nodes, split: 'each', macs: work.macs, parts });
  return out;
}

/** act([x | cheap(x)] * scale + shift + residual). */
export function lowerInt8Ghost(
  context: Int8Context,
  operation: Operation,
  root: Extract<Root, { kind: 'ghost' }>,
): View {
  const { cheap, input } = root;
  const { program } = context;
  const x = context.compact(input, context.view(input));
  const { first } = quadSpan(x.positions);
  const quads = spanLength(x);
  const multiplier = cheap.outChannels / cheap.inChannels;
  const relative = relativePositions(x.positions);
  const ghosts = multiplied(relative, multiplier, quads).map((position) => position + quads * 4);
  const layout = Int32Array.of(...relative, ...ghosts);
  const { out, residual } = placeOutput(context, operation, x, layout, quads * (1 + multiplier), [x]);
  const outFirst = quadSpan(out.positions).first;
  const work = { ...cheap, input, multiplier, filter: filterOf(context.network, cheap.name) };
  const { epilogue, intrinsic } = context.constants(operation);
  const sums = sumsOf(context, work, epilogue);
  const { spec, border } = specOf(context, x, work, x, operation, sums, context.narrow(epilogue));
  const residualAt = (run: number): Operand =>
    residualOperand(context as LoweringContext, residual, run * quads);
  const parts = Array.from({ length: multiplier }, (_, j): Part => {
    const packed = packMultiple(context, work, epilogue, sums, spec, relative, quads, j);
    const dual = j === 0;
    return {
      spec: { ...spec, dual, intrinsic: dual && intrinsic ? context.narrow(intrinsic) : null },
      units: quads,
      operands: [
        context.quads(x, 'read', first),
        ...packed,
        context.quads(out, 'write', outFirst + (1 + j) * quads),
        residualAt(1 + j),
        dual ? context.quads(out, 'write', outFirst) : none,
        dual && intrinsic ? program.weights(packConstants(intrinsic, relative, quads)) : none,
        dual ? residualAt(0) : none,
        border,
      ],
    };
  });
  const macs = cheap.outChannels * x.height * x.width * cheap.kernel[0] * cheap.kernel[1];
  program.step({ name: operation.output, nodes: operation.nodes, split: 'each', macs, parts });
  return out;
}
