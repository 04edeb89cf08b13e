/**
 * How the weights of convolutions lie in the arena: in panels of 8 outputs as the forward kernel reads them (depthwise
 * ones tap by tap), and the tables that rearrange them for the gradient of the input.
 *
 * Shape legend: I input channels, O output channels, R x S kernel.
 */
import type { Conv2dNode, LinearNode } from '../../graph/nodes.js';
import { inOrder, type LoweringContext, type ParameterSlot } from './context.js';
import { quadsOf } from './maps.js';

/** Whether parameters are learned and decayed. */
export interface Traits {
  readonly learned: boolean;
  readonly decays: boolean;
}
export type TraitsOf = (name: string) => Traits;

/** A linear layer is a 1x1 convolution of 1x1 maps. */
export function asConvolution(node: LinearNode): Conv2dNode {
  const { inFeatures: inChannels, outFeatures: outChannels } = node;
  return {
    ...node,
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
  };
}

export function isDepthwise(node: Conv2dNode): boolean {
  return node.groups === node.inChannels && node.groups === node.outChannels && node.groups > 1;
}

/** Index in panels of 8 outputs (a last one of 4): row k of K, output o of `quads` quads. */
function panelIndex(k: number, K: number, o: number, quads: number): number {
  const panel = o >> 3;
  const width = panel === quads >> 1 ? 4 : 8;
  return panel * K * 8 + k * width + (o & 7);
}

/** The slots of a convolution's parameters. Grouped weights are stored as a dense block diagonal. */
export function convolutionSlots(
  context: LoweringContext,
  node: Conv2dNode,
  traits: TraitsOf,
): { readonly weight: ParameterSlot; readonly bias: ParameterSlot | undefined } {
  const { inChannels, outChannels, groups } = node;
  const [R, S] = node.kernel;
  const [inStored, outStored] = [quadsOf(inChannels) * 4, quadsOf(outChannels) * 4];
  const perGroup = inChannels / groups;
  const K = R * S * inStored;
  const logical = outChannels * perGroup * R * S;
  const fillIndex = (index: Int32Array): void => {
    const [depthwise, perOutput] = [isDepthwise(node), outChannels / groups];
    let at = 0;
    for (let o = 0; o < outChannels; o++)
      for (let c = 0; c < perGroup; c++) {
        const input = Math.floor(o / perOutput) * perGroup + c;
        for (let tap = 0; tap < R * S; tap++)
          index[at++] = depthwise
            ? tap * inStored + o
            : panelIndex(tap * inStored + input, K, o, outStored / 4);
      }
  };
  const count = isDepthwise(node) ? R * S * inStored : K * outStored;
  const weight = context.parameter(node.weight, logical, count, fillIndex, traits(node.weight));
  if (node.bias === undefined) return { weight, bias: undefined };
  return { weight, bias: context.parameter(node.bias, outChannels, outStored, inOrder, traits(node.bias)) };
}

/** For each value of a class's weights, the byte offset in the weight's slot (below 0: a zero). */
export function classTable(
  node: Conv2dNode,
  weight: ParameterSlot,
  rowTaps: readonly number[],
  colTaps: readonly number[],
): Int32Array {
  const { inChannels, outChannels, groups } = node;
  const [R, S] = node.kernel;
  const [inQuads, outStored] = [quadsOf(inChannels), quadsOf(outChannels) * 4];
  const taps = rowTaps.length * colTaps.length;
  const perGroup = inChannels / groups;
  const depthwise = isDepthwise(node);
  const table = new Int32Array(depthwise ? taps * inQuads * 4 : taps * outStored * inQuads * 4).fill(-1);
  for (let o = 0; o < outChannels; o++)
    for (let c = 0; c < perGroup; c++) {
      const input = Math.floor(o / (outChannels / groups)) * perGroup + c;
      const filter = (o * perGroup + c) * R * S;
      let tap = 0;
      for (const r of rowTaps)
        for (const s of colTaps) {
          const at = depthwise
            ? tap * inQuads * 4 + o
            : panelIndex(tap * outStored + o, taps * outStored, input, inQuads);
          table[at] = (weight.index[filter + r * S + s] as number) * 4;
          tap++;
        }
    }
  return table;
}
