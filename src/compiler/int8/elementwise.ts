/** Lowers int8 sums, batch norms that stayed, activations, products, pools, enlarging, softmax and outputs. */
import type { MulNode, SoftmaxNode } from '../../graph/nodes.js';
import type { Operation, Root } from '../../passes/fuse.js';
import { hardOf } from '../../passes/quantize/arithmetic.js';
import { activationTable, meanEpilogue } from '../../passes/quantize/constants.js';
import { isTable } from '../../passes/quantize/operations.js';
import { packConstants } from '../kernels/int8/pack.js';
import type { KernelSpec } from '../kernels/registry.js';
import { denseRun, planeBytes, quadSpan, relativePositions, samePositions, type View } from '../layout.js';
import { lowerOutput, lowerSoftmax, type WindowNode } from '../lower-window.js';
import { spanLength } from '../place-output.js';
import { none, type Operand } from '../program.js';
import type { Int8Context } from './context.js';

/** One kernel over all quads of `x` into `out`. */
function step(
  context: Int8Context,
  operation: Pick<Operation, 'output' | 'nodes'>,
  spec: KernelSpec,
  x: View,
  out: View,
  between: readonly Operand[],
): void {
  context.program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec,
        units: spanLength(x),
        operands: [context.quads(x, 'read'), ...between, context.quads(out, 'write')],
      },
    ],
  });
}

function placeLike(context: Int8Context, operation: Operation, x: View, others: readonly View[]): View {
  if (context.storage.canOverwrite(x, operation, others))
    return context.storage.overwrite(x, operation.output);
  return context.storage.place(operation.output, x, relativePositions(x.positions), spanLength(x));
}

export function lowerInt8Chain(
  context: Int8Context,
  operation: Operation,
  root: Extract<Root, { kind: 'chain' }>,
): View {
  const { program } = context;
  const { activation, output } = operation;
  const x = context.compact(root.input, context.view(root.input));
  const relative = relativePositions(x.positions);
  const quads = spanLength(x);
  const P = x.height * x.width;
  if (isTable(activation)) {
    const table = activationTable(activation, context.scales(root.input), context.scales(output));
    const stored = new Uint8Array(quads * 512);
    relative.forEach((position, c) => {
      stored.set(table.subarray(c * 128, (c + 1) * 128), position * 128);
    });
    const out = placeLike(context, operation, x, []);
    step(context, operation, { kind: 'int8Table', P }, x, out, [program.weights(stored)]);
    return out;
  }
  const residual =
    operation.residual === null
      ? null
      : context.conform(operation.residual, context.view(operation.residual), relative);
  const onePlace = residual?.buffer === x.buffer && samePositions(residual.positions, x.positions);
  const out = placeLike(context, operation, x, residual && !onePlace ? [residual] : []);
  const constants = program.weights(packConstants(context.constants(operation).epilogue, relative, quads));
  const spec = { kind: 'int8Chain', P, hard: hardOf(activation), residual: residual !== null } as const;
  step(context, operation, spec, x, out, [constants, residual ? context.quads(residual, 'read') : none]);
  return out;
}

export function lowerInt8Mul(context: Int8Context, operation: Operation, node: MulNode): View {
  const [first = '', second = ''] = node.inputs;
  const x = context.compact(first, context.view(first));
  const relative = relativePositions(x.positions);
  const other = context.conform(second, context.view(second), relative);
  const P = x.height * x.width;
  const gate = other.height * other.width === 1 && P !== 1;
  const sameView = other.buffer === x.buffer && samePositions(other.positions, x.positions);
  const out = placeLike(context, operation, x, sameView && !gate ? [] : [other]);
  const { epilogue } = context.constants(operation);
  const constants = context.program.weights(packConstants(epilogue, relative, spanLength(x)));
  const hard = hardOf(operation.activation);
  const spec = { kind: 'int8Product', P, gate, hard, narrow: context.narrow(epilogue) } as const;
  step(context, operation, spec, x, out, [context.quads(other, 'read'), constants]);
  return out;
}

export function lowerInt8Window(context: Int8Context, operation: Operation, node: WindowNode): View {
  const input = node.inputs[0] as string;
  const x = context.compact(input, context.view(input));
  const { height, width } = x;
  const relative = relativePositions(x.positions);
  const quads = spanLength(x);
  const size = context.size(operation.output);
  const floats = context.isFloat(operation.output);
  const stored = floats ? { ...size, pixelBytes: 16 } : size;
  const out = context.storage.place(operation.output, stored, relative, quads);
  const scales = context.scales(input);
  if (node.kind === 'upsample') {
    step(context, operation, { kind: 'int8Upsample', height, width, scale: node.scale }, x, out, []);
    return out;
  }
  if (node.kind === 'globalAvgPool') {
    const epilogue = meanEpilogue(
      scales,
      height * width,
      floats ? undefined : context.scales(operation.output),
    );
    const constants = context.program.weights(packConstants(epilogue, relative, quads));
    step(context, operation, { kind: 'int8Mean', P: height * width, floats }, x, out, [constants]);
    return out;
  }
  const count = scales.scale.length;
  const zeros = new Float32Array(count);
  const epilogue = {
    bias: scales.zeroPoint.map((point) => -point),
    offset: zeros,
    multiplier: zeros,
    residual: zeros,
    post: zeros,
    zeroPoint: scales.zeroPoint,
  };
  const spec = {
    kind: 'int8Pool',
    mode: node.kind === 'maxPool' ? 'max' : 'average',
    height,
    width,
    kernel: node.kernel,
    stride: node.stride,
    padding: node.padding,
    outHeight: size.height,
    outWidth: size.width,
    countIncludePad: node.kind === 'avgPool' && node.countIncludePad,
  } as const;
  const constants = context.program.weights(packConstants(epilogue, relative, quads));
  step(context, operation, spec, x, out, [constants]);
  return out;
}

export function lowerInt8Softmax(context: Int8Context, operation: Operation, node: SoftmaxNode): View {
  const input = node.inputs[0] as string;
  if (context.isFloat(input)) return lowerSoftmax(context, operation, node);
  const steps = context.view(input);
  context.setView(input, toFloats(context, input, steps));
  const out = lowerSoftmax(context, operation, node);
  context.setView(input, steps);
  return out;
}

/** A dense copy of a value in floats. */
function toFloats(context: Int8Context, name: string, view: View): View {
  const x = context.compact(name, view, 0);
  const { scale, zeroPoint } = context.scales(name);
  const zeros = new Float32Array(scale.length);
  const epilogue = {
    bias: zeroPoint.map((point) => -point),
    offset: zeros,
    multiplier: scale,
    residual: zeros,
    post: zeros,
    zeroPoint,
  };
  const quads = spanLength(x);
  const size = { height: x.height, width: x.width, pixelBytes: 16 };
  const out = context.storage.temporary(`${name}:floats`, size, denseRun(scale.length), quads);
  const constants = context.program.weights(packConstants(epilogue, relativePositions(x.positions), quads));
  const spec = { kind: 'int8Floats', P: x.height * x.width } as const;
  step(context, { output: `${name}:floats`, nodes: [] }, spec, x, out, [constants]);
  return out;
}

/** Brings an output to planar floats. */
export function lowerInt8Output(context: Int8Context, name: string): void {
  let view = context.view(name);
  if (view.pixelBytes === 16) {
    lowerOutput(context, name);
    return;
  }
  if (view.positions.includes(-1)) view = context.compact(name, view);
  const { program, element } = context;
  const span = quadSpan(view.positions);
  const pixels = view.height * view.width;
  const channels = view.positions.length;
  const { scale, zeroPoint } = context.scales(name);
  const entries = new Int32Array(channels * 3);
  const floats = new Float32Array(entries.buffer);
  view.positions.forEach((position, c) => {
    entries[c * 3] = ((position >> 2) - span.first) * planeBytes(view) + (position & 3) * element.bytes;
    entries[c * 3 + 1] = zeroPoint[c] as number;
    floats[c * 3 + 2] = scale[c] as number;
  });
  const buffer = program.buffer(`${name}:output`, channels * pixels * 4, 'output');
  program.outputs.push({ name, shape: context.shapes.get(name) ?? [], buffer });
  program.step({
    name: `${name}:export`,
    nodes: [],
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: { kind: 'int8Export', P: pixels },
        units: channels,
        operands: [
          context.whole(view, span),
          program.weights(entries),
          { kind: 'buffer', buffer, offset: 0, access: 'write', extent: { perUnit: pixels * 4 } },
        ],
      },
    ],
  });
}
