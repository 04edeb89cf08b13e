/** Lowers pools, enlarging and softmax, and brings outputs back to planar order. */
import type {
  AvgPoolNode,
  GlobalAvgPoolNode,
  MaxPoolNode,
  SoftmaxNode,
  UpsampleNode,
} from '../graph/nodes.js';
import type { Operation } from '../passes/fuse.js';
import type { KernelSpec } from './kernels/registry.js';
import { denseRun, isDense, planeBytes, quadSpan, relativePositions, type View } from './layout.js';
import type { LoweringContext } from './lowering-context.js';

export type WindowNode = MaxPoolNode | AvgPoolNode | GlobalAvgPoolNode | UpsampleNode;

function windowSpec(context: LoweringContext, node: WindowNode, x: View): KernelSpec {
  const { height, width } = x;
  const out = context.size(node.name);
  switch (node.kind) {
    case 'globalAvgPool':
      return { kind: 'globalPool', P: height * width };
    case 'upsample':
      return { kind: 'upsample', height, width, scale: node.scale };
    case 'maxPool':
    case 'avgPool':
      return {
        kind: 'pool',
        mode: node.kind === 'maxPool' ? 'max' : 'average',
        height,
        width,
        kernel: node.kernel,
        stride: node.stride,
        padding: node.padding,
        outHeight: out.height,
        outWidth: out.width,
        countIncludePad: node.kind === 'avgPool' && node.countIncludePad,
      };
  }
}

/** An operation that keeps every channel in its place. */
export function lowerWindow(context: LoweringContext, operation: Operation, node: WindowNode): View {
  const input = node.inputs[0] as string;
  const x = context.compact(input, context.view(input));
  const span = quadSpan(x.positions);
  const quads = span.end - span.first;
  const out = context.storage.place(
    operation.output,
    context.size(operation.output),
    relativePositions(x.positions),
    quads,
  );
  context.program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: windowSpec(context, node, x),
        units: quads,
        operands: [context.quads(x, 'read', span.first), context.quads(out, 'write')],
      },
    ],
  });
  return out;
}

export function lowerSoftmax(context: LoweringContext, operation: Operation, node: SoftmaxNode): View {
  const input = node.inputs[0] as string;
  let x = context.view(input);
  const dense = isDense(x.positions) && (x.positions[0] as number) % 4 === 0;
  if (!dense) x = context.compact(input, x, 0);
  const channels = x.positions.length;
  const quads = Math.ceil(channels / 4);
  const out = context.storage.place(operation.output, x, denseRun(channels), quads);
  const plane = planeBytes(x);
  context.program.step({
    name: operation.output,
    nodes: operation.nodes,
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: { kind: 'softmax', C: channels, P: x.height * x.width },
        units: 1,
        operands: [
          context.whole(x),
          {
            kind: 'buffer',
            buffer: out.buffer,
            offset: quadSpan(out.positions).first * plane,
            access: 'write',
            extent: { bytes: quads * plane },
          },
        ],
      },
    ],
  });
  return out;
}

/** Copies a value to a buffer in planar order, [C][H][W], that stays until the run is over. */
export function lowerOutput(context: LoweringContext, name: string): void {
  const shape = context.shapes.get(name) ?? [];
  let view = context.view(name);
  if (view.positions.includes(-1)) view = context.compact(name, view);
  const { program } = context;
  const pixels = view.height * view.width;
  const channels = view.positions.length;
  const span = quadSpan(view.positions);
  const buffer = program.buffer(`${name}:output`, channels * pixels * 4, 'output');
  program.outputs.push({ name, shape, buffer });
  const table = Int32Array.from(
    view.positions,
    (position) => ((position >> 2) - span.first) * planeBytes(view) + (position & 3) * 4,
  );
  program.step({
    name: `${name}:export`,
    nodes: [],
    split: 'each',
    macs: 0,
    parts: [
      {
        spec: { kind: 'export', P: pixels },
        units: channels,
        operands: [
          context.whole(view, span),
          program.weights(table),
          { kind: 'buffer', buffer, offset: 0, access: 'write', extent: { perUnit: pixels * 4 } },
        ],
      },
    ],
  });
}
