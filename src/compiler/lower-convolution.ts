/**
 * Lowers dense and grouped convolutions and linear layers, with bias, residual and activation. Weights
 * are brought from logical into stored channel order here and packed for the kernel.
 */
import type { Conv2dNode, LinearNode, Padding, Pair } from '../graph/nodes.js';
import { isDepthwise, type Operation } from '../passes/fuse.js';
import { convDepth, packConv } from './kernels/conv.js';
import { packHalves, packMatrix, packVector } from './kernels/pointwise.js';
import type { KernelSpec } from './kernels/registry.js';
import { denseRun, isDense, isOneToOne, quadSpan, relativePositions, spread, type View } from './layout.js';
import { lowerDepthwise } from './lower-depthwise.js';
import { lowerWinograd, paysWinograd } from './lower-winograd.js';
import type { LoweringContext } from './lowering-context.js';
import { placeOutput, residualOperand } from './place-output.js';
import type { Part } from './program.js';

/** A dense matrix or window of weights in logical order. */
interface Filter {
  /** [rows][columns][taps]. */
  readonly data: Float32Array;
  readonly columns: number;
  readonly taps: number;
}

/** Rows [firstRow, ...) of a filter in stored order [storedRows][storedColumns][taps]; columns that share a place add up. */
function arrange(
  filter: Filter,
  firstRow: number,
  rows: Int32Array,
  storedRows: number,
  columns: Int32Array,
  storedColumns: number,
): Float32Array {
  const { data, taps } = filter;
  const start = firstRow * filter.columns * taps;
  const straight =
    rows.length === storedRows &&
    columns.length === storedColumns &&
    isDense(rows) &&
    isDense(columns) &&
    columns[0] === 0 &&
    rows[0] === 0;
  if (straight) return data.subarray(start, start + storedRows * storedColumns * taps);
  const stored = new Float32Array(storedRows * storedColumns * taps);
  let from = start;
  for (let row = 0; row < rows.length; row++) {
    const base = (rows[row] as number) * storedColumns;
    for (let column = 0; column < filter.columns; column++, from += taps) {
      const place = columns[column] as number;
      if (place < 0) continue;
      const to = (base + place) * taps;
      for (let tap = 0; tap < taps; tap++)
        stored[to + tap] = (stored[to + tap] as number) + (data[from + tap] as number);
    }
  }
  return stored;
}

/** Per-channel values at their stored places, zeros elsewhere. */
export function arrangeChannels(
  values: ArrayLike<number> | null,
  positions: Int32Array,
  stored: number,
): Float32Array {
  const arranged = new Float32Array(stored);
  if (values)
    positions.forEach((position, c) => {
      if (position >= 0) arranged[position] = values[c] as number;
    });
  return arranged;
}

/** A convolution or linear layer with everything after it. */
export function lowerConvolution(
  context: LoweringContext,
  operation: Operation,
  node: Conv2dNode | LinearNode,
): View {
  const bias = node.bias === undefined ? null : context.parameter(node.bias);
  const input = node.inputs[0] as string;
  if (node.kind === 'conv2d' && isDepthwise(node))
    return lowerDepthwise(context, operation, {
      ...node,
      input,
      weights: context.parameter(node.weight),
      bias,
      multiplier: node.outChannels / node.inChannels,
      macs: macs(context, operation, node),
    });
  return lowerDense(context, operation, node, bias);
}

export function macs(context: LoweringContext, operation: Operation, node: Conv2dNode | LinearNode): number {
  if (node.kind === 'linear') return node.inFeatures * node.outFeatures;
  const { height, width } = context.size(operation.output);
  return (
    (node.outChannels * height * width * node.inChannels * node.kernel[0] * node.kernel[1]) / node.groups
  );
}

/** The stored order of a convolution's output: its residual's, its reader's, or dense. */
export function outputLayout(context: LoweringContext, operation: Operation, channels: number): Int32Array {
  const { residual, output } = operation;
  const wanted =
    residual === null ? context.wantedLayout(output) : relativePositions(context.view(residual).positions);
  const usable = wanted !== undefined && isOneToOne(wanted) && spread(wanted) <= 1.5;
  return usable ? wanted : denseRun(channels);
}

/** Groups per call, so that a call's channels fill whole quads where they can. */
export function groupsPerCall(groups: number, inputs: number, outputs: number): number {
  for (const count of [1, 2, 4])
    if (groups % count === 0 && (inputs * count) % 4 === 0 && (outputs * count) % 4 === 0) return count;
  return 1;
}

function lowerDense(
  context: LoweringContext,
  operation: Operation,
  node: Conv2dNode | LinearNode,
  bias: Float32Array | null,
): View {
  const { program } = context;
  const conv = node.kind === 'conv2d' ? node : null;
  const input = node.inputs[0] as string;
  const size = context.size(operation.output);
  const outChannels = conv?.outChannels ?? (node as LinearNode).outFeatures;
  const inChannels = conv?.inChannels ?? (node as LinearNode).inFeatures;
  const groups = conv?.groups ?? 1;
  const kernel: Pair = conv?.kernel ?? [1, 1];
  const stride: Pair = conv?.stride ?? [1, 1];
  const padding: Padding = conv?.padding ?? [0, 0, 0, 0];
  const taps = kernel[0] * kernel[1];
  const perCall = groupsPerCall(groups, inChannels / groups, outChannels / groups);
  const calls = groups / perCall;
  const callInputs = inChannels / calls;
  const callOutputs = outChannels / calls;

  const source = (): View => {
    const view = context.view(input);
    return calls === 1 ? context.compactFor(input, view) : context.groupAligned(input, view, callInputs);
  };
  const winograd = conv !== null && context.winograd && paysWinograd(conv, size);
  const isPadded = !winograd && padding.some((side) => side > 0);
  const x = isPadded ? context.padded(input, source, padding) : source();

  const quadsPerCall = Math.ceil(callOutputs / 4);
  const layout =
    calls === 1
      ? outputLayout(context, operation, outChannels)
      : Int32Array.from(
          { length: outChannels },
          (_, n) => Math.floor(n / callOutputs) * quadsPerCall * 4 + (n % callOutputs),
        );
  const quads = quadSpan(layout).end;
  const { out, residual } = placeOutput(context, operation, size, layout, quads, [x]);
  const outFirst = quadSpan(out.positions).first;

  if (winograd) {
    const span = quadSpan(x.positions);
    const columns = relativePositions(x.positions);
    const whole: Filter = { data: context.parameter(node.weight), columns: inChannels, taps };
    const filters = arrange(whole, 0, layout, quads * 4, columns, (span.end - span.first) * 4);
    lowerWinograd(context, operation, {
      x,
      top: padding[0],
      left: padding[1],
      out,
      residual,
      size,
      filters,
      bias: arrangeChannels(bias, layout, quads * 4),
      quads,
      macs: macs(context, operation, node),
    });
    return out;
  }
  const filter = sparseGroups(context.parameter(node.weight), groups, perCall, inChannels, outChannels, taps);
  const parts: Part[] = [];
  for (let call = 0; call < calls; call++) {
    const columns = x.positions.subarray(call * callInputs, (call + 1) * callInputs);
    const span = quadSpan(columns);
    const local = columns.map((position) => (position < 0 ? -1 : position - span.first * 4));
    const rows = layout.subarray(call * callOutputs, (call + 1) * callOutputs);
    const firstQuad = calls === 1 ? 0 : call * quadsPerCall;
    const localRows = rows.map((position) => position - firstQuad * 4);
    const units = calls === 1 ? quads : quadsPerCall;
    const { spec, depth } = matrixSpec(
      x,
      span,
      local,
      { kernel, stride, dilation: conv?.dilation ?? [1, 1], ...size },
      operation,
    );
    const stored = arrange(filter, call * callOutputs, localRows, units * 4, local, depth);
    const isVector = spec.kind === 'pointwise' && spec.P === 1;
    const packed =
      spec.kind === 'conv'
        ? packConv(stored, units * 4, depth, kernel)
        : (isVector ? packVector : packMatrix)(stored, units * 4, depth);
    const callBias = bias?.subarray(call * callOutputs, (call + 1) * callOutputs) ?? null;
    const halves = context.halfWeights && isVector ? packHalves(packed) : undefined;
    parts.push({
      spec: halves && spec.kind === 'pointwise' ? { ...spec, halfWeights: true } : spec,
      units,
      operands: [
        context.whole(x, span),
        program.weights(halves ?? packed),
        program.weights(arrangeChannels(callBias, localRows, units * 4)),
        context.quads(out, 'write', outFirst + firstQuad),
        residualOperand(context, residual, firstQuad),
      ],
    });
  }
  program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: calls === 1 ? 'each' : 'total',
    macs: macs(context, operation, node),
    parts,
  });
  return out;
}

/** Several groups of one call as one dense filter with zeros between groups. */
function sparseGroups(
  data: Float32Array,
  groups: number,
  perCall: number,
  inChannels: number,
  outChannels: number,
  taps: number,
): Filter {
  const perGroup = inChannels / groups;
  if (perCall === 1) return { data, columns: perGroup, taps };
  const columns = perGroup * perCall;
  const dense = new Float32Array(outChannels * columns * taps);
  const row = perGroup * taps;
  for (let n = 0; n < outChannels; n++) {
    const group = Math.floor(n / (outChannels / groups)) % perCall;
    dense.set(data.subarray(n * row, (n + 1) * row), n * columns * taps + group * row);
  }
  return { data: dense, columns, taps };
}

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly height: number;
  readonly width: number;
}

function matrixSpec(
  x: View,
  span: { readonly first: number; readonly end: number },
  local: Int32Array,
  window: Window,
  operation: Operation,
): { spec: Extract<KernelSpec, { kind: 'conv' | 'pointwise' }>; depth: number } {
  const inputQuads = span.end - span.first;
  const common = { ranges: [], activation: operation.activation, residual: operation.residual !== null };
  const plain = [...window.kernel, ...window.stride].every((value) => value === 1);
  if (plain) {
    const depth = inputQuads * 4;
    return { spec: { kind: 'pointwise', K: depth, P: window.height * window.width, ...common }, depth };
  }
  const highest = local.reduce((most, position) => Math.max(most, position), 0);
  const spec = {
    kind: 'conv',
    inputQuads,
    lastLanes: (highest & 3) + 1,
    paddedHeight: x.height,
    paddedWidth: x.width,
    kernel: window.kernel,
    stride: window.stride,
    dilation: window.dilation,
    outHeight: window.height,
    outWidth: window.width,
    ...common,
  } as const;
  return { spec, depth: convDepth(spec) / (window.kernel[0] * window.kernel[1]) };
}
