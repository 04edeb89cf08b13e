/**
 * A quantised network cut into stages, so that it can be run filter after filter: stage n has the operations behind n
 * filters, on the longest way from the inputs. Filters of one stage do not depend on each other. Only filters and what
 * they depend on is run; stages are fused and rounded as in the whole network.
 */
import { elementCount, type Graph, makeGraph } from '../../graph/graph.js';
import type { InputNode } from '../../graph/nodes.js';
import type { Shapes } from '../../graph/shapes.js';
import { type FusedGraph, type Operation, operationReads } from '../fuse.js';
import { filterNode } from './operations.js';

export interface Stage {
  /** Its operations that have filters. */
  readonly filtered: readonly Operation[];
  /** Begins at values of earlier stages, ends at every value that the stage makes. */
  readonly graph: Graph;
  /** Values of earlier stages that it begins at. */
  readonly inputs: readonly string[];
  /** Values that later stages begin at. */
  readonly kept: readonly string[];
  /** Values that no later stage begins at. */
  readonly released: readonly string[];
}

/**
 * The stages in order, none for a network without filters. The first, behind no filter, may only quantise the inputs.
 */
export function cutStages(graph: Graph, { items }: FusedGraph, shapes: Shapes): readonly Stage[] {
  const aliases = new Map<string, readonly string[]>();
  const depth = new Map<string, number>();
  const depthOf = (name: string): number => depth.get(name) ?? 0;
  const all: Operation[] = [];
  for (const item of items) {
    const [name, reads] =
      item.kind === 'alias'
        ? [item.node.name, item.node.inputs]
        : [item.operation.output, operationReads(item.operation)];
    if (item.kind === 'alias') aliases.set(name, reads);
    else all.push(item.operation);
    const own = item.kind === 'operation' && filterNode(item.operation) ? 1 : 0;
    depth.set(name, own + Math.max(0, ...reads.map(depthOf)));
  }
  /** The values of operations that a value consists of; `between` takes the names that stand in between. */
  const sources = (name: string, between?: Set<string>): readonly string[] => {
    const inputs = aliases.get(name);
    if (!inputs) return [name];
    between?.add(name);
    return inputs.flatMap((input) => sources(input, between));
  };

  const lastUse = new Map<string, number>();
  const running = all
    .toReversed()
    .filter((operation) => {
      const isNeeded = filterNode(operation) !== undefined || lastUse.has(operation.output);
      if (isNeeded)
        for (const source of operationReads(operation).flatMap((name) => sources(name)))
          lastUse.set(source, Math.max(lastUse.get(source) ?? 0, depthOf(operation.output)));
      return isNeeded;
    })
    .toReversed();
  const count = 1 + Math.max(-1, ...running.map(({ output }) => depthOf(output)));
  return Array.from({ length: count }, (_, stage): Stage => {
    const operations = running.filter(({ output }) => depthOf(output) === stage);
    const outputs = operations.map(({ output }) => output);
    const nodes = new Set(operations.flatMap((operation) => operation.nodes));
    const begins = operations.flatMap(operationReads).flatMap((name) => sources(name, nodes));
    const inputs = [...new Set(begins)].filter((name) => !nodes.has(name));
    return {
      filtered: operations.filter(filterNode),
      graph: stageGraph(graph, nodes, inputs, outputs, shapes),
      inputs,
      kept: outputs.filter((name) => (lastUse.get(name) ?? 0) > stage),
      released: inputs.filter((name) => lastUse.get(name) === stage),
    };
  });
}

/** Every value of an operation is an output: so no operation is fused with one that it is not fused with otherwise. */
function stageGraph(
  graph: Graph,
  nodes: ReadonlySet<string>,
  inputs: readonly string[],
  outputs: readonly string[],
  shapes: Shapes,
): Graph {
  const begins = inputs.map(
    (name): InputNode => ({ kind: 'input', name, inputs: [], shape: (shapes.get(name) ?? []).slice(1) }),
  );
  return makeGraph({
    ...graph,
    nodes: [...begins, ...graph.nodes.filter(({ name }) => nodes.has(name))],
    outputs,
    ghostModules: [],
  });
}

/** The most values of one picture that are kept at a time. */
export function mostKept(stages: readonly Stage[], shapes: Shapes): number {
  const sizeOf = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + elementCount((shapes.get(name) ?? []).slice(1)), 0);
  let [now, most] = [0, 0];
  for (const { kept, released } of stages) {
    now += sizeOf(kept);
    most = Math.max(most, now);
    now -= sizeOf(released);
  }
  return most;
}
