/**
 * Folds inference-mode batch norm into the convolution or linear layer before it:
 * y = (conv(x) + b - mean) * a + shift with a = scale / sqrt(variance + eps), so weight' = weight * a per output
 * channel and bias' = (b - mean) * a + shift. A batch norm that does not directly follow a convolution of its own
 * (after a concat, or when others read the convolution) stays; the compiler runs it as a per-channel affine.
 */
import { rangeError } from '../errors.js';
import {
  consumerMap,
  type Graph,
  makeGraph,
  nodeMap,
  type Parameter,
  type Tensor,
  type Weights,
} from '../graph/graph.js';
import type { BatchNormNode, Conv2dNode, LinearNode, Node } from '../graph/nodes.js';
import { dropParameters } from './drop-parameters.js';
import { renameModules } from './eliminate-dead-nodes.js';
import type { PassResult, PlanStep } from './pass.js';

function tensor(weights: Weights, name: string): Tensor {
  const value = weights.get(name);
  if (!value)
    throw rangeError(
      'WEIGHTS_MISSING',
      `fold batch norm: no weights for parameter "${name}"; load or initialise them`,
    );
  return value;
}

/** a and b of y = a x + b per channel, in float64. */
export function batchNormAffine(
  node: BatchNormNode,
  weights: Weights,
): { scale: Float64Array; shift: Float64Array } {
  const [gamma, beta, mean, variance] = [node.scale, node.shift, node.mean, node.variance].map(
    (name) => tensor(weights, name).data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const scale = new Float64Array(node.channels);
  const shift = new Float64Array(node.channels);
  for (let c = 0; c < node.channels; c++) {
    const a = (gamma[c] as number) / Math.sqrt((variance[c] as number) + node.eps);
    scale[c] = a;
    shift[c] = (beta[c] as number) - (mean[c] as number) * a;
  }
  return { scale, shift };
}

type Foldable = Conv2dNode | LinearNode;

/**
 * Pure. New weights keep the convolution's names (`<conv>.weight`, `<conv>.bias`); shared weights are never folded.
 * Throws RangeError `WEIGHTS_MISSING`.
 */
export function foldBatchNorm(graph: Graph, weights: Weights): PassResult {
  const byName = nodeMap(graph);
  const consumers = consumerMap(graph);
  const users = new Map<string, number>();
  for (const node of graph.nodes)
    if (node.kind === 'conv2d' || node.kind === 'linear')
      users.set(node.weight, (users.get(node.weight) ?? 0) + 1);

  const plan: PlanStep[] = [];
  const folded = new Map<string, { target: Foldable; node: BatchNormNode }>();
  for (const node of graph.nodes) {
    if (node.kind !== 'batchNorm') continue;
    const source = byName.get(node.inputs[0] as string) as Node;
    let reason = '';
    if (source.kind !== 'conv2d' && source.kind !== 'linear') reason = `it follows ${source.kind}`;
    else if ((consumers.get(source.name)?.length ?? 0) > 1 || graph.outputs.includes(source.name))
      reason = `"${source.name}" has other readers`;
    else if ((users.get(source.weight) ?? 0) > 1) reason = `"${source.weight}" is shared`;
    else {
      folded.set(source.name, { target: source, node });
      plan.push({ node: node.name, action: `folded into "${source.name}"` });
      continue;
    }
    plan.push({ node: node.name, action: 'kept', reason });
  }

  const newWeights = new Map(weights);
  const parameters: Record<string, Parameter> = { ...graph.parameters };
  const nodes: Node[] = [];
  const gone: string[] = [];
  // the convolution takes the batch norm's name, so that readers and outputs need no change
  const renamed = new Map<string, string>();
  for (const node of graph.nodes) {
    const fold = folded.get(node.name);
    if (fold) {
      nodes.push(foldInto(fold.target, fold.node, weights, newWeights, parameters));
      renamed.set(node.name, fold.node.name);
      continue;
    }
    if (node.kind === 'batchNorm' && folded.has(node.inputs[0] as string)) {
      gone.push(node.scale, node.shift, node.mean, node.variance);
      continue;
    }
    nodes.push(node);
  }
  dropParameters(gone, nodes, parameters, newWeights);
  const present = new Set(nodes.map((node) => node.name));
  return {
    graph: makeGraph({
      ...graph,
      nodes,
      parameters,
      ghostModules: renameModules(graph.ghostModules, present, (name) => renamed.get(name) ?? name),
    }),
    weights: newWeights,
    plan,
  };
}

function foldInto(
  target: Foldable,
  batchNorm: BatchNormNode,
  weights: Weights,
  newWeights: Map<string, Tensor>,
  parameters: Record<string, Parameter>,
): Node {
  const { scale, shift } = batchNormAffine(batchNorm, weights);
  const old = tensor(weights, target.weight);
  const channels = scale.length;
  const perChannel = old.data.length / channels;
  const data = old.data.slice();
  for (let c = 0; c < channels; c++) {
    const factor = scale[c] as number;
    const end = (c + 1) * perChannel;
    for (let i = c * perChannel; i < end; i++) data[i] = (data[i] as number) * factor;
  }
  newWeights.set(target.weight, { shape: old.shape, data });
  const bias = target.bias ?? `${target.name}.bias`;
  const oldBias = target.bias === undefined ? undefined : tensor(weights, target.bias).data;
  const newBias = Float32Array.from(scale, (a, c) => (oldBias?.[c] ?? 0) * a + (shift[c] as number));
  newWeights.set(bias, { shape: [channels], data: newBias });
  parameters[bias] = { shape: [channels], role: 'bias' };
  return { ...target, name: batchNorm.name, bias };
}
