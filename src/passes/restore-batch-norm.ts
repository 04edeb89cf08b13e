/**
 * Puts batch norm back where it was folded away: after every convolution, with the mean and variance that calibration
 * pictures give there, and the scale and shift that undo them, so that the network computes the same. After weights
 * have changed, new statistics bring every channel back to its old mean and spread: batch-norm recalibration for
 * networks that have none (as REPAIR does, Jordan et al. 2023). Folding takes it out again.
 */
import { type Graph, makeGraph, type Parameter, type Weights } from '../graph/graph.js';
import type { Node } from '../graph/nodes.js';
import type { Calibration } from './compression.js';
import type { PassResult, PlanStep } from './pass.js';
import { channelMoments } from './slimming/slimming.js';

const eps = 1e-5;

/** Convolutions that are no output; none where the network has batch norm, wherever it stands. */
function bareConvolutions(graph: Graph): string[] {
  if (graph.nodes.some(({ kind }) => kind === 'batchNorm')) return [];
  return graph.nodes
    .filter(({ kind, name }) => kind === 'conv2d' && !graph.outputs.includes(name))
    .map(({ name }) => name);
}

/** Pure. Throws what running the network throws. */
export async function restoreBatchNorm(
  graph: Graph,
  weights: Weights,
  calibration: Calibration,
): Promise<PassResult> {
  const bare = bareConvolutions(graph);
  if (bare.length === 0) return { graph, weights, plan: [] };
  const moments = await channelMoments(graph, weights, calibration, bare);
  const newWeights = new Map(weights);
  const parameters: Record<string, Parameter> = { ...graph.parameters };
  const renamed = new Map<string, string>();
  const plan: PlanStep[] = [];
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    nodes.push({ ...node, inputs: node.inputs.map((name) => renamed.get(name) ?? name) });
    const found = moments.get(node.name);
    if (!found) continue;
    const channels = found.mean.length;
    const name = `${node.name}.bn`;
    const put = (suffix: string, role: Parameter['role'], data: Float64Array): string => {
      const shape = [channels];
      parameters[`${name}.${suffix}`] = { shape, role };
      newWeights.set(`${name}.${suffix}`, { shape, data: Float32Array.from(data) });
      return `${name}.${suffix}`;
    };
    const variance = found.deviation.map((value) => value * value);
    nodes.push({
      kind: 'batchNorm',
      name,
      inputs: [node.name],
      channels,
      eps,
      momentum: 0.1,
      scale: put(
        'weight',
        'scale',
        variance.map((value) => Math.sqrt(value + eps)),
      ),
      shift: put('bias', 'shift', found.mean),
      mean: put('running_mean', 'statistic', found.mean),
      variance: put('running_var', 'statistic', variance),
    });
    renamed.set(node.name, name);
    plan.push({ node: node.name, action: `followed by "${name}"`, reason: 'batch norm had been folded' });
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  const ghostModules = graph.ghostModules.map((module) => ({
    ...module,
    input: rename(module.input),
    output: rename(module.output),
    nodes: module.nodes.flatMap((name) => (renamed.has(name) ? [name, rename(name)] : [name])),
  }));
  return { graph: makeGraph({ ...graph, nodes, parameters, ghostModules }), weights: newWeights, plan };
}
