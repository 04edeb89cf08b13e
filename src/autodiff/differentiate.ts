/**
 * Reverse-mode differentiation as a pass: graph + loss to a training graph. Says what is to be computed and in which
 * order; how is the compiler's matter.
 */
import { rangeError } from '../errors.js';
import { consumerMap, type Graph } from '../graph/graph.js';
import type { Node } from '../graph/nodes.js';
import type { ForwardNode, GradientNode, Loss, TrainingGraph } from './nodes.js';

/** Puts batch norm together with its activation and a sum with its ReLU, where nothing else reads what is between. */
function fuse(graph: Graph): ForwardNode[] {
  const consumers = consumerMap(graph);
  const fusedInto = new Map<string, Node>();
  for (const node of graph.nodes) {
    const [reader, ...others] = consumers.get(node.name) ?? [];
    if (others.length > 0 || reader?.kind !== 'activation' || graph.outputs.includes(node.name)) continue;
    if (node.kind === 'batchNorm' || (node.kind === 'add' && reader.function === 'relu'))
      fusedInto.set(reader.name, node);
  }
  const gone = new Set([...fusedInto.values()].map((node) => node.name));
  const forward: ForwardNode[] = [];
  for (const node of graph.nodes) {
    if (gone.has(node.name)) continue;
    const before = fusedInto.get(node.name);
    const { name } = node;
    if (node.kind === 'batchNorm')
      forward.push({ kind: 'batchNormActivation', name, inputs: node.inputs, norm: node, activation: null });
    else if (node.kind === 'activation' && before?.kind === 'batchNorm') {
      const activation = node.function;
      forward.push({ kind: 'batchNormActivation', name, inputs: before.inputs, norm: before, activation });
    } else if (before) forward.push({ kind: 'addRelu', name, inputs: before.inputs });
    else forward.push(node);
  }
  return forward.map((node) => Object.freeze(node));
}

function learnedParameters(node: ForwardNode, graph: Graph): string[] {
  const named =
    node.kind === 'batchNormActivation'
      ? [node.norm.scale, node.norm.shift]
      : node.kind === 'conv2d' || node.kind === 'linear'
        ? [node.weight, ...(node.bias === undefined ? [] : [node.bias])]
        : [];
  return named.filter((name) => graph.parameters[name]?.role !== 'constant');
}

/**
 * The training graph of a network with one input and one output. Throws RangeError `NOT_TRAINABLE` for another number
 * of outputs or inputs, or when nothing is learned.
 */
export function differentiate(graph: Graph, loss: Loss): TrainingGraph {
  const fail = (what: string): never => {
    throw rangeError('NOT_TRAINABLE', `graph "${graph.name}": ${what}`);
  };
  const inputs = graph.nodes.filter((node) => node.kind === 'input');
  const [output] = graph.outputs;
  if (output === undefined || graph.outputs.length !== 1)
    return fail(`it has ${graph.outputs.length} outputs; training needs exactly one`);
  if (inputs.length !== 1) fail(`it has ${inputs.length} inputs; training needs exactly one`);
  const needed = new Set([output]);
  for (const node of [...graph.nodes].reverse())
    if (needed.has(node.name)) for (const input of node.inputs) needed.add(input);
  const forward = fuse(graph).filter((node) => needed.has(node.name));
  const depends = new Set<string>();
  for (const node of forward)
    if (learnedParameters(node, graph).length > 0 || node.inputs.some((name) => depends.has(name)))
      depends.add(node.name);
  if (!depends.has(output)) fail('its output depends on no learned parameter');
  const backward = [...forward]
    .reverse()
    .filter((node) => depends.has(node.name))
    .map(
      (of): GradientNode =>
        Object.freeze({
          kind: 'gradient',
          of,
          inputs: of.inputs.filter((name) => depends.has(name)),
          parameters: learnedParameters(of, graph),
        }),
    );
  const learned = [...new Set(forward.flatMap((node) => learnedParameters(node, graph)))];
  return Object.freeze({ name: graph.name, forward, output, loss, backward, learned });
}
