/** Lowers int8 convolutions, linear layers and shifts: dense and grouped here, depthwise in depthwise.ts. */
import type { Conv2dNode, LinearNode, Padding, Pair } from '../../graph/nodes.js';
import type { Operation } from '../../passes/fuse.js';
import { type Epilogue, hardOf } from '../../passes/quantize/arithmetic.js';
import { filterOf } from '../../passes/quantize/constants.js';
import { pickNarrow } from '../../passes/quantize/narrow.js';
import { groupedRun } from '../kernels/int8/matrix.js';
import type { Int8MatrixSpec } from '../kernels/int8/matrix-spec.js';
import { packConstants, packFilter } from '../kernels/int8/pack.js';
import { largestGroup } from '../kernels/int8/products.js';
import { denseRun, quadSpan, type View } from '../layout.js';
import { groupsPerCall, macs, outputLayout } from '../lower-convolution.js';
import { placeOutput, residualOperand } from '../place-output.js';
import type { Part } from '../program.js';
import type { Int8Context } from './context.js';

/** Rows of a filter [rows][columns][taps] in stored order [storedRows][storedColumns][taps]; zeros elsewhere. */
function arrange(
  values: Int8Array,
  taps: number,
  rows: Int32Array,
  storedRows: number,
  columns: (row: number) => Int32Array,
  storedColumns: number,
): Int8Array {
  const stored = new Int8Array(storedRows * storedColumns * taps);
  let from = 0;
  rows.forEach((row, r) => {
    for (const column of columns(r)) {
      if (column >= 0) stored.set(values.subarray(from, from + taps), (row * storedColumns + column) * taps);
      from += taps;
    }
  });
  return stored;
}

/** Constants of outputs [from, to). */
function outputsOf(epilogue: Epilogue, from: number, to: number): Epilogue {
  const { narrow } = epilogue;
  return {
    bias: epilogue.bias.subarray(from, to),
    offset: epilogue.offset.subarray(from, to),
    multiplier: epilogue.multiplier.subarray(from, to),
    residual: epilogue.residual.subarray(from, to),
    post: epilogue.post.subarray(from, to),
    zeroPoint: epilogue.zeroPoint.subarray(from, to),
    narrow: pickNarrow(narrow, (values) => values.subarray(from, to)),
  };
}

export function lowerInt8Dense(
  context: Int8Context,
  operation: Operation,
  node: Conv2dNode | LinearNode,
): View {
  const { program } = context;
  const conv = node.kind === 'conv2d' ? node : null;
  const input = node.inputs[0] as string;
  const isFloat = context.isFloat(operation.output);
  const own = context.size(operation.output);
  const size = isFloat ? { ...own, pixelBytes: 16 } : own;
  const outChannels = conv?.outChannels ?? (node as LinearNode).outFeatures;
  const inChannels = conv?.inChannels ?? (node as LinearNode).inFeatures;
  const groups = conv?.groups ?? 1;
  const kernel: Pair = conv?.kernel ?? [1, 1];
  const stride: Pair = conv?.stride ?? [1, 1];
  const dilation: Pair = conv?.dilation ?? [1, 1];
  const padding: Padding = conv?.padding ?? [0, 0, 0, 0];
  const taps = kernel[0] * kernel[1];
  const perGroup = inChannels / groups;
  const perCall = groupsPerCall(groups, perGroup, outChannels / groups);
  const calls = groups / perCall;
  const callInputs = inChannels / calls;
  const callOutputs = outChannels / calls;

  const source = (): View => {
    const view = context.view(input);
    const distinct = context.distinct(input, view);
    return calls === 1 ? distinct : context.groupAligned(input, distinct, callInputs);
  };
  const x = padding.some((side) => side > 0) ? context.padded(input, source, padding) : source();
  const quadsPerCall = Math.ceil(callOutputs / 4);
  const layout =
    calls > 1
      ? Int32Array.from(
          { length: outChannels },
          (_, n) => Math.floor(n / callOutputs) * quadsPerCall * 4 + (n % callOutputs),
        )
      : isFloat
        ? denseRun(outChannels)
        : outputLayout(context, operation, outChannels);
  const quads = quadSpan(layout).end;
  const { out, residual } = placeOutput(context, operation, size, layout, quads, [x]);
  const outFirst = quadSpan(out.positions).first;
  const filter = filterOf(context.network, node.name);
  const { epilogue } = context.constants(operation);
  const { activation } = operation;
  const relu = activation === 'relu' ? Number.POSITIVE_INFINITY : activation === 'relu6' ? 6 : null;

  const parts = Array.from({ length: calls }, (_, call): Part => {
    const columns = x.positions.subarray(call * callInputs, (call + 1) * callInputs);
    const span = quadSpan(columns);
    const local = columns.map((position) => (position < 0 ? -1 : position - span.first * 4));
    const first = call * callOutputs;
    const rows = layout.subarray(first, first + callOutputs);
    const firstQuad = calls === 1 ? 0 : call * quadsPerCall;
    const localRows = rows.map((position) => position - firstQuad * 4);
    const units = calls === 1 ? quads : quadsPerCall;
    const inputQuads = span.end - span.first;
    const columnsOf = (row: number): Int32Array => {
      const group = Math.floor(row / (outChannels / groups));
      return local.subarray(group * perGroup, (group + 1) * perGroup);
    };
    const rowBytes = perGroup * taps;
    const stored = arrange(
      filter.values.subarray(first * rowBytes, (first + callOutputs) * rowBytes),
      taps,
      localRows,
      units * 4,
      columnsOf,
      inputQuads * 4,
    );
    const constants = outputsOf(epilogue, first, first + callOutputs);
    const spec: Int8MatrixSpec = {
      kind: 'int8Matrix',
      inputQuads,
      height: x.height,
      width: x.width,
      kernel,
      stride,
      dilation,
      outHeight: size.height,
      outWidth: size.width,
      ranges: [],
      hard: hardOf(activation),
      residual: operation.residual !== null,
      floats: isFloat ? { relu } : null,
      narrow: context.narrow(epilogue),
      group: context.isa.relaxed
        ? largestGroup(stored, units * 4, inputQuads * 4, taps, groupedRun(kernel))
        : 1,
    };
    return {
      spec,
      units,
      operands: [
        context.whole(x, span),
        program.weights(packFilter(stored, units * 4, inputQuads * 4, taps, context.element)),
        program.weights(packConstants(constants, localRows, units)),
        context.quads(out, 'write', outFirst + firstQuad),
        residualOperand(context, residual, firstQuad),
      ],
    };
  });
  program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: calls === 1 ? 'each' : 'total',
    macs: macs(context, operation, node),
    parts,
  });
  return out;
}
