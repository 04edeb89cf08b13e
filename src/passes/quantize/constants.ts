/** The constants of every operation of a quantised network: from its scales and filters to the epilogues. */
import type { Operation } from '../fuse.js';
import {
  activationTable,
  chainEpilogue,
  type Epilogue,
  filterEpilogue,
  intrinsicEpilogue,
  meanEpilogue,
  productEpilogue,
  type Scaling,
} from './arithmetic.js';
import type { ChannelScales, QuantizedFilter, QuantizedNetwork } from './network.js';
import { filterNode } from './operations.js';

export interface Constants {
  /** Of the filter, the product or the mean; of the chain where there is no filter. */
  readonly epilogue: Epilogue;
  /** Of the intrinsic maps of a Ghost module's end. */
  readonly intrinsic: Epilogue | undefined;
}

function part({ scale, zeroPoint }: ChannelScales, from: number, to: number): ChannelScales {
  return { scale: scale.slice(from, to), zeroPoint: zeroPoint.slice(from, to) };
}

/** The filter of a node. Throws when the network has none: it was not made by quantising. */
export function filterOf(network: QuantizedNetwork, name: string): QuantizedFilter {
  const filter = network.filters.get(name);
  if (!filter) throw new Error(`int8 "${network.graph.name}": no filter for "${name}"`);
  return filter;
}

/** Constants of an operation with a filter, a chain or a product. `scales` looks up a value's. */
export function operationConstants(
  network: QuantizedNetwork,
  operation: Operation,
  scales: (name: string) => ChannelScales,
  isFloat: boolean,
): Constants {
  const { root, activation, output } = operation;
  const out = isFloat ? undefined : scales(output);
  const residual = operation.residual === null ? undefined : scales(operation.residual);
  const scaling: Scaling = { activation, out, residual };
  const node = filterNode(operation);
  if (node) {
    const filter = filterOf(network, node.name);
    const x = scales(node.inputs[0] as string);
    const outputs = filter.scales.length;
    const taps = node.kind === 'linear' ? 1 : filter.values.length / outputs / columnsOf(node);
    const perGroup = node.kind === 'conv2d' ? outputs / node.groups : node.kind === 'shift' ? 1 : outputs;
    const columns = filter.values.length / outputs / taps;
    const zeroPoint = (o: number, i: number): number =>
      x.zeroPoint[Math.floor(o / perGroup) * columns + i] as number;
    if (root.kind !== 'ghost')
      return { epilogue: filterEpilogue(output, filter, taps, zeroPoint, scaling), intrinsic: undefined };
    const split = x.scale.length;
    const half = (from: number, to: number): Scaling => ({
      activation,
      out: out && part(out, from, to),
      residual: residual && part(residual, from, to),
    });
    return {
      epilogue: filterEpilogue(output, filter, taps, zeroPoint, half(split, split + outputs)),
      intrinsic: intrinsicEpilogue(operation, network.weights, x, half(0, split)),
    };
  }
  if (root.kind === 'chain')
    return {
      epilogue: chainEpilogue(operation, network.weights, scales(root.input), scaling),
      intrinsic: undefined,
    };
  if (root.kind === 'node' && root.node.kind === 'mul') {
    const [a = '', b = ''] = root.node.inputs;
    return { epilogue: productEpilogue(scales(a), scales(b), scaling), intrinsic: undefined };
  }
  throw new Error(`int8: "${output}" has no constants`);
}

function columnsOf(node: Exclude<ReturnType<typeof filterNode>, undefined>): number {
  if (node.kind === 'conv2d') return node.inChannels / node.groups;
  return node.kind === 'shift' ? 1 : node.inFeatures;
}

export { activationTable, meanEpilogue };
