/**
 * Lowers a graph to a program: walks through the fused operations and aliases in order and keeps a view of where each
 * value is stored. Batch norm that the fold pass could remove should be gone before; what is left runs as a
 * per-channel affine.
 */
import { unreachable } from '../errors.js';
import { type Graph, inputNodes, type Weights } from '../graph/graph.js';
import { inferShapes } from '../graph/shapes.js';
import { type AliasNode, fuse, type Operation } from '../passes/fuse.js';
import {
  concatViews,
  denseRun,
  flattenView,
  padChannelsView,
  permuteView,
  shuffleView,
  sliceView,
  type View,
} from './layout.js';
import { lowerConvolution } from './lower-convolution.js';
import { lowerShift } from './lower-depthwise.js';
import { lowerChain, lowerGhost, lowerMul } from './lower-elementwise.js';
import { lowerOutput, lowerSoftmax, lowerWindow } from './lower-window.js';
import { LoweringContext } from './lowering-context.js';
import type { Program } from './program.js';

export interface LowerOptions {
  readonly batch?: number;
  /** Other [C, H, W] for inputs by node name. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Winograd's scheme for 3x3 convolutions where it pays. Default true. */
  readonly winograd?: boolean;
  /** Weights that are f16 numbers stay so where each is used once. Default false. */
  readonly halfWeights?: boolean;
}

/**
 * The program of a graph. Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH` or `BAD_BATCH`.
 */
export function lower(graph: Graph, weights: Weights, options: LowerOptions = {}): Program {
  const shapes = inferShapes(graph, options);
  const context = new LoweringContext(graph, weights, shapes, fuse(graph), options);
  return lowerItems(context, options, {
    operation: (operation) => lowerOperation(context, operation),
    output: (name) => lowerOutput(context, name),
  });
}

/** The walk through operations and aliases that all precisions share. */
export function lowerItems(
  context: LoweringContext,
  options: LowerOptions,
  lowering: {
    readonly operation: (operation: Operation) => View | undefined;
    readonly output: (name: string) => void;
  },
): Program {
  const { program, graph, shapes } = context;
  for (const { name } of inputNodes(graph)) {
    const shape = shapes.get(name) ?? [];
    const bytes = shape.slice(1).reduce((product, size) => product * size, 4);
    const buffer = program.buffer(`${name}:input`, bytes, 'input');
    program.inputs.push({ name, shape, buffer });
    context.addInput(name, buffer);
  }
  const outputs = new Set(graph.outputs);
  for (const item of context.fused.items) {
    const name = item.kind === 'operation' ? item.operation.output : item.node.name;
    if (item.kind === 'alias') context.setView(name, aliasView(context, item.node));
    else {
      const view = lowering.operation(item.operation);
      if (view) context.setView(name, view);
    }
    if (outputs.has(name)) lowering.output(name);
  }
  // in the order that the graph gives, which may name a node twice
  const ports = new Map(program.outputs.map((port) => [port.name, port]));
  const { batch = 1 } = options;
  return {
    ...program.finish(batch),
    outputs: [...new Set(graph.outputs)].flatMap((name) => ports.get(name) ?? []),
  };
}

/** The place of an operation's value; none for a network input, which is brought in when it is read. */
function lowerOperation(context: LoweringContext, operation: Operation): View | undefined {
  const { root } = operation;
  if (root.kind === 'chain') return lowerChain(context, operation, root);
  if (root.kind === 'ghost') return lowerGhost(context, operation, root);
  const { node } = root;
  switch (node.kind) {
    case 'input':
      return undefined;
    case 'conv2d':
    case 'linear':
      return lowerConvolution(context, operation, node);
    case 'shift':
      return lowerShift(context, operation, node);
    case 'mul':
      return lowerMul(context, operation, node.inputs);
    case 'maxPool':
    case 'avgPool':
    case 'globalAvgPool':
    case 'upsample':
      return lowerWindow(context, operation, node);
    case 'softmax':
      return lowerSoftmax(context, operation, node);
    default:
      return unreachable(node);
  }
}

function aliasView(context: LoweringContext, node: AliasNode): View {
  const view = (index: number): View => context.view(node.inputs[index] as string);
  switch (node.kind) {
    case 'identity':
    case 'dropout':
      return view(0);
    case 'slice':
      return sliceView(view(0), node.start, node.end);
    case 'shuffle':
      return shuffleView(view(0), node.groups);
    case 'permuteChannels':
      return permuteView(view(0), node.order);
    case 'padChannels':
      return padChannelsView(view(0), node.before, node.after);
    case 'flatten':
      return flattenView(view(0));
    case 'concat':
      return lowerConcat(context, node);
    default:
      return unreachable(node);
  }
}

/** One view when all inputs are stored in one buffer; otherwise those that are elsewhere are copied. */
function lowerConcat(context: LoweringContext, node: Extract<AliasNode, { kind: 'concat' }>): View {
  const views = node.inputs.map((input) => context.view(input));
  const home = views[0]?.buffer;
  if (views.every((view) => view.buffer === home)) return concatViews(views);
  const { name } = node;
  const ours = context.storage.groupBuffer(name);
  const placed = views.map((view, i) => {
    if (view.buffer === ours) return view;
    const count = view.positions.length;
    const copy = context.storage.place(name, view, denseRun(count), Math.ceil(count / 4));
    context.repack(node.inputs[i] as string, view, copy);
    return copy;
  });
  return concatViews(placed);
}
