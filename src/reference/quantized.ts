/** Runs a quantised network in plain integer loops: the oracle of int8. The operations are in quantized-ops.ts. */
import { rangeError } from '../errors.js';
import { type Graph, inputNodes, nodeMap, type Tensor } from '../graph/graph.js';
import type { Conv2dNode, LinearNode, ShiftNode } from '../graph/nodes.js';
import { inferShapes, shiftWindow } from '../graph/shapes.js';
import type { AliasNode, Operation } from '../passes/fuse.js';
import { hardOf } from '../passes/quantize/arithmetic.js';
import { activationTable, filterOf, meanEpilogue, operationConstants } from '../passes/quantize/constants.js';
import type { ChannelScales, QuantizedNetwork } from '../passes/quantize/network.js';
import {
  aliasValues,
  filterNode,
  floatValues,
  int8Operations,
  isTable,
} from '../passes/quantize/operations.js';
import { resolveScales } from '../passes/quantize/scales.js';
import { softmaxForward } from './activation.js';
import {
  chainForward,
  dequantize,
  filterForward,
  floatForward,
  floatMeanForward,
  meanForward,
  poolForward,
  productForward,
  quantizeInput,
  type Size,
  type Steps,
  tableForward,
  upsampleForward,
  type Window,
} from './quantized-ops.js';

function windowOf(node: Conv2dNode | LinearNode | ShiftNode): Window {
  if (node.kind === 'conv2d') return node;
  const plain = { stride: [1, 1], dilation: [1, 1] } as const;
  if (node.kind === 'linear') return { ...plain, kernel: [1, 1], padding: [0, 0, 0, 0], groups: 1 };
  return { ...plain, ...shiftWindow(node), groups: node.offsets.length };
}

/**
 * The outputs by the names they had before quantising, [N, ...] in float32. Inputs as for `runReference`.
 * Throws RangeError `INPUT_MISSING` or `NOT_QUANTIZABLE`.
 */
export function runQuantizedReference(
  network: QuantizedNetwork,
  inputs: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const { graph } = network;
  const batch = [...inputs.values()][0]?.shape[0] ?? 1;
  const inputShapes: Record<string, readonly number[]> = {};
  for (const { name } of inputNodes(graph)) {
    const tensor = inputs.get(name);
    if (!tensor) throw rangeError('INPUT_MISSING', `int8 reference: input "${name}" is missing`);
    inputShapes[name] = tensor.shape.slice(1);
  }
  const shapes = inferShapes(graph, { inputShapes });
  const results = network.outputNames.map((name, i) => {
    const shape = [batch, ...(shapes.get(graph.outputs[i] as string) ?? []).slice(1)];
    return { name, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
  });
  for (let image = 0; image < batch; image++) {
    const values = runImage(network, inputShapes, (name) => {
      const { data } = inputs.get(name) as Tensor;
      const size = data.length / batch;
      return data.subarray(image * size, (image + 1) * size);
    });
    results.forEach(({ data }, i) => {
      data.set(values(graph.outputs[i] as string), (image * data.length) / batch);
    });
  }
  return new Map(results.map(({ name, shape, data }) => [name, { shape, data }]));
}

/** Values of one image, as floats, by node name. */
function runImage(
  network: QuantizedNetwork,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  input: (name: string) => Float32Array,
): (name: string) => Float32Array {
  const { graph } = network;
  const shapes = inferShapes(graph, { inputShapes });
  const fused = int8Operations(graph);
  const floats = floatValues(graph, fused, shapes, network.values);
  const resolved = resolveScales(network, fused, shapes);
  const scales = (name: string): ChannelScales => resolved.get(name) as ChannelScales;
  const steps = new Map<string, Steps>();
  const real = new Map<string, Float32Array>();
  const value = (name: string): Steps => steps.get(name) as Steps;
  const sizeOf = (name: string): Size => {
    const [, channels = 1, height = 1, width = 1] = shapes.get(name) ?? [];
    return { channels, height, width };
  };
  const asFloats = (name: string): Float32Array => real.get(name) ?? dequantize(value(name), scales(name));

  const filter = (operation: Operation, node: Conv2dNode | LinearNode | ShiftNode): void => {
    const { output, activation, root } = operation;
    const isFloat = floats.has(output);
    const { epilogue, intrinsic } = operationConstants(network, operation, scales, isFloat);
    const x = value(node.inputs[0] as string);
    const zeroPoint = scales(node.inputs[0] as string).zeroPoint;
    const weights = filterOf(network, node.name);
    const residual = operation.residual === null ? undefined : value(operation.residual);
    const hard = hardOf(activation);
    const size = sizeOf(output);
    if (isFloat) {
      const relu = activation === 'relu' ? Number.POSITIVE_INFINITY : activation === 'relu6' ? 6 : null;
      const window = windowOf(node);
      real.set(output, floatForward(x, zeroPoint, weights, epilogue, hard, relu, window, size, residual));
      return;
    }
    if (root.kind !== 'ghost') {
      steps.set(output, filterForward(x, zeroPoint, weights, epilogue, hard, windowOf(node), size, residual));
      return;
    }
    const pixels = size.height * size.width;
    const halves = (from: number, to: number): Steps | undefined =>
      residual && { ...size, channels: to - from, data: residual.data.subarray(from * pixels, to * pixels) };
    const ghosts = { ...size, channels: size.channels - x.channels };
    const first = chainForward(x, intrinsic ?? epilogue, hard, halves(0, x.channels));
    const second = filterForward(
      x,
      zeroPoint,
      weights,
      epilogue,
      hard,
      windowOf(node),
      ghosts,
      halves(x.channels, size.channels),
    );
    steps.set(output, { ...size, data: Uint8Array.from([...first.data, ...second.data]) });
  };

  const run = (operation: Operation): void => {
    const { root, output, activation } = operation;
    const node = filterNode(operation);
    if (node) {
      filter(operation, node);
      return;
    }
    const hard = hardOf(activation);
    if (root.kind === 'chain' && isTable(activation)) {
      const table = activationTable(activation, scales(root.input), scales(output));
      steps.set(output, tableForward(value(root.input), table));
      return;
    }
    if (root.kind !== 'node') {
      const { epilogue } = operationConstants(network, operation, scales, false);
      const residual = operation.residual === null ? undefined : value(operation.residual);
      steps.set(output, chainForward(value(root.input), epilogue, hard, residual));
      return;
    }
    const from = root.node.inputs[0] ?? '';
    switch (root.node.kind) {
      case 'input':
        steps.set(output, quantizeInput(input(output), sizeOf(output), scales(output)));
        return;
      case 'mul': {
        const { epilogue } = operationConstants(network, operation, scales, false);
        const [a = '', b = ''] = root.node.inputs;
        steps.set(output, productForward(value(a), value(b), epilogue, hard));
        return;
      }
      case 'globalAvgPool': {
        const x = value(from);
        const out = floats.has(output) ? undefined : scales(output);
        const epilogue = meanEpilogue(scales(from), x.height * x.width, out);
        if (out) steps.set(output, meanForward(x, epilogue));
        else real.set(output, floatMeanForward(x, epilogue));
        return;
      }
      case 'maxPool':
        steps.set(output, poolForward(value(from), scales(from).zeroPoint, 'max', root.node, sizeOf(output)));
        return;
      case 'avgPool':
        steps.set(
          output,
          poolForward(value(from), scales(from).zeroPoint, root.node, root.node, sizeOf(output)),
        );
        return;
      case 'upsample':
        steps.set(output, upsampleForward(value(from), root.node.scale));
        return;
      case 'softmax': {
        const shape = (shapes.get(from) ?? []).with(0, 1);
        real.set(output, softmaxForward({ shape, data: asFloats(from) }).data as Float32Array);
        return;
      }
      default:
        throw new Error(`int8 reference: ${root.node.kind} has no case`);
    }
  };

  for (const item of fused.items)
    if (item.kind === 'operation') run(item.operation);
    else alias(graph, item.node, sizeOf(item.node.name), steps, real);
  return asFloats;
}

/** A node that only renames channels: planes in another order, planes of zeros. */
function alias(
  graph: Graph,
  node: AliasNode,
  size: Size,
  steps: Map<string, Steps>,
  real: Map<string, Float32Array>,
): void {
  const inputs = node.inputs.map((name) => steps.get(name));
  if (inputs.includes(undefined)) {
    const source = node.inputs[0] as string;
    if (nodeMap(graph).has(source) && real.has(source)) real.set(node.name, real.get(source) as Float32Array);
    return;
  }
  const [first] = inputs as [Steps, ...Steps[]];
  if (node.kind === 'flatten') {
    steps.set(node.name, { ...size, data: first.data });
    return;
  }
  const pixels = first.height * first.width;
  const planes = (inputs as Steps[]).map(({ channels, data }) =>
    Array.from({ length: channels }, (_, c) => data.subarray(c * pixels, (c + 1) * pixels)),
  );
  const chosen = aliasValues(node, planes, pixels, new Uint8Array(pixels));
  const data = new Uint8Array(chosen.length * pixels);
  chosen.forEach((plane, c) => {
    data.set(plane, c * pixels);
  });
  steps.set(node.name, { ...size, data });
}
