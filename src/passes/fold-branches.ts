/**
 * Sums parallel branches into one convolution, as RepVGG (Ding et al. 2021) and GhostNetV3 fold what they trained: a
 * sum whose terms are convolutions with batch norm, or a batch norm alone, of one and the same input is one
 * convolution with bias. Exact in real numbers. Works on whole sums only; what does not fit is left and said.
 */
import {
  consumerMap,
  type Graph,
  makeGraph,
  nodeMap,
  nodeParameters,
  type Parameter,
  type Tensor,
  type Weights,
} from '../graph/graph.js';
import type { BatchNormNode, Conv2dNode, Node } from '../graph/nodes.js';
import { dropParameters } from './drop-parameters.js';
import { renameModules } from './eliminate-dead-nodes.js';
import { batchNormAffine } from './fold-batch-norm.js';
import type { PassResult, PlanStep } from './pass.js';

/** A term of a sum: batch norm of a convolution, or of the input itself. */
interface Branch {
  readonly norm: BatchNormNode;
  readonly conv?: Conv2dNode;
}

interface Sum {
  /** The outermost addition. */
  readonly root: string;
  readonly input: string;
  readonly branches: readonly Branch[];
  /** All nodes that the sum replaces, the root included. */
  readonly nodes: ReadonlySet<string>;
}

/** The terms below an addition, each an input of it or of additions that only it reads; collects those additions. */
function terms(
  root: Node,
  byName: ReadonlyMap<string, Node>,
  single: (name: string) => boolean,
  nodes: Set<string>,
): Node[] {
  nodes.add(root.name);
  return root.inputs.flatMap((name) => {
    const node = byName.get(name) as Node;
    return node.kind === 'add' && single(name) ? terms(node, byName, single, nodes) : [node];
  });
}

/** Whether a smaller window lies in the middle of the larger one, so that zeros around its weights do the same. */
function centred(small: Conv2dNode, large: Conv2dNode): boolean {
  const same = small.stride.join() === large.stride.join() && small.groups === large.groups;
  const plain = [...small.dilation, ...large.dilation].every((size) => size === 1);
  return (
    same &&
    plain &&
    [0, 1].every((axis) => {
      const border = ((large.kernel[axis] ?? 1) - (small.kernel[axis] ?? 1)) / 2;
      const [before, after] = [axis, axis + 2].map(
        (side) => (large.padding[side] ?? 0) - (small.padding[side] ?? 0),
      );
      return border >= 0 && Number.isInteger(border) && before === border && after === border;
    })
  );
}

/** The branches of a sum, or the reason why it cannot be folded. */
function readSum(
  root: Node,
  byName: ReadonlyMap<string, Node>,
  single: (name: string) => boolean,
): Sum | string {
  const nodes = new Set<string>();
  const branches: Branch[] = [];
  const inputs = new Set<string>();
  for (const norm of terms(root, byName, single, nodes)) {
    if (norm.kind !== 'batchNorm' || !single(norm.name)) return `"${norm.name}" is no branch of its own`;
    const source = byName.get(norm.inputs[0] as string) as Node;
    nodes.add(norm.name);
    if (source.kind === 'conv2d' && single(source.name)) {
      nodes.add(source.name);
      branches.push({ norm, conv: source });
      inputs.add(source.inputs[0] as string);
    } else {
      branches.push({ norm });
      inputs.add(source.name);
    }
  }
  const input = [...inputs][0] as string;
  if (inputs.size !== 1) return 'its terms read different nodes';
  const largest = largestOf(branches);
  if (!largest) return 'it has no convolution';
  if (branches.some(({ conv }) => conv && !centred(conv, largest))) return 'windows do not share a centre';
  const plain = largest.stride.every((size) => size === 1) && largest.inChannels === largest.outChannels;
  if (branches.some(({ conv }) => !conv) && !plain) return 'the input itself has another shape';
  return { root: root.name, input, branches, nodes };
}

function largestOf(branches: readonly Branch[]): Conv2dNode | undefined {
  return branches
    .flatMap(({ conv }) => (conv ? [conv] : []))
    .sort((a, b) => b.kernel[0] * b.kernel[1] - a.kernel[0] * a.kernel[1])[0];
}

/** Weight [outChannels, inChannels / groups, kh, kw] and bias of the sum. */
function sumWeights(sum: Sum, target: Conv2dNode, weights: Weights): { weight: Tensor; bias: Tensor } {
  const { outChannels, groups, kernel } = target;
  const perGroup = target.inChannels / groups;
  const outPerGroup = outChannels / groups;
  const [kh, kw] = kernel;
  const weight = new Float64Array(outChannels * perGroup * kh * kw);
  const bias = new Float64Array(outChannels);
  for (const { norm, conv } of sum.branches) {
    const { scale, shift } = batchNormAffine(norm, weights);
    const [h, w] = conv ? conv.kernel : [1, 1];
    const [top, left] = [(kh - h) >> 1, (kw - w) >> 1];
    const old = conv && weights.get(conv.weight)?.data;
    const oldBias = conv?.bias === undefined ? undefined : weights.get(conv.bias)?.data;
    for (let o = 0; o < outChannels; o++) {
      bias[o] = (bias[o] as number) + (oldBias?.[o] ?? 0) * (scale[o] as number) + (shift[o] as number);
      for (let i = 0; i < perGroup; i++)
        for (let y = 0; y < h; y++)
          for (let x = 0; x < w; x++) {
            const own = o - Math.floor(o / outPerGroup) * perGroup === i ? 1 : 0;
            const value = old ? (old[((o * perGroup + i) * h + y) * w + x] as number) : own;
            const at = ((o * perGroup + i) * kh + y + top) * kw + x + left;
            weight[at] = (weight[at] as number) + value * (scale[o] as number);
          }
    }
  }
  return {
    weight: { shape: [outChannels, perGroup, kh, kw], data: Float32Array.from(weight) },
    bias: { shape: [outChannels], data: Float32Array.from(bias) },
  };
}

/**
 * Pure. The folded convolution takes the name of the sum, so that readers and outputs need no change; its parameters
 * are `<sum>.weight` and `<sum>.bias`. Throws RangeError `WEIGHTS_MISSING`.
 */
export function foldBranches(graph: Graph, weights: Weights): PassResult {
  const byName = nodeMap(graph);
  const consumers = consumerMap(graph);
  const single = (name: string): boolean =>
    consumers.get(name)?.length === 1 && !graph.outputs.includes(name);
  const plan: PlanStep[] = [];
  const sums = new Map<string, Sum>();
  const replaced = new Map<string, string>();
  // from the end, so that the outermost addition of a sum comes first
  for (const node of graph.nodes.toReversed()) {
    if (node.kind !== 'add' || replaced.has(node.name)) continue;
    const sum = readSum(node, byName, single);
    if (typeof sum === 'string') {
      plan.unshift({ node: node.name, action: 'kept', reason: sum });
      continue;
    }
    sums.set(node.name, sum);
    for (const name of sum.nodes) replaced.set(name, node.name);
    plan.unshift({ node: node.name, action: `${sum.branches.length} branches folded into one convolution` });
  }
  const parameters: Record<string, Parameter> = { ...graph.parameters };
  const newWeights = new Map(weights);
  const nodes: Node[] = [];
  const gone: string[] = [];
  for (const node of graph.nodes) {
    const sum = sums.get(node.name);
    if (!sum) {
      if (!replaced.has(node.name)) nodes.push(node);
      continue;
    }
    const target = largestOf(sum.branches) as Conv2dNode;
    const { weight, bias } = sumWeights(sum, target, weights);
    for (const { norm, conv } of sum.branches)
      gone.push(...nodeParameters(norm), ...(conv ? nodeParameters(conv) : []));
    const names = { weight: `${node.name}.weight`, bias: `${node.name}.bias` };
    parameters[names.weight] = { shape: weight.shape, role: 'weight' };
    parameters[names.bias] = { shape: bias.shape, role: 'bias' };
    newWeights.set(names.weight, weight).set(names.bias, bias);
    nodes.push({ ...target, ...names, name: node.name, inputs: [sum.input] });
  }
  dropParameters(gone, nodes, parameters, newWeights);
  const present = new Set(nodes.map((node) => node.name));
  return {
    graph: makeGraph({
      ...graph,
      nodes,
      parameters,
      ghostModules: renameModules(graph.ghostModules, present, (name) => replaced.get(name) ?? name),
    }),
    weights: newWeights,
    plan,
  };
}
