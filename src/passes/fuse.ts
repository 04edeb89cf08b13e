/**
 * Groups the nodes of a graph into operations that one kernel (or a few) can compute: a convolution with the sum and
 * activation after it, an elementwise chain (batch norm, sum, activation), the end of a Ghost module with what follows
 * its concatenation. Nodes that only rename channels are aliases and become no operation. Decides what, not where or
 * how: no weights and no memory here.
 */
import { consumerMap, type Graph, nodeMap } from '../graph/graph.js';
import type {
  ActivationName,
  AvgPoolNode,
  BatchNormNode,
  Conv2dNode,
  GlobalAvgPoolNode,
  InputNode,
  LinearNode,
  MaxPoolNode,
  MulNode,
  Node,
  ShiftNode,
  SoftmaxNode,
  UpsampleNode,
} from '../graph/nodes.js';

/** Nodes that only say where channels are found. */
export type AliasNode = Extract<
  Node,
  {
    kind:
      | 'slice'
      | 'padChannels'
      | 'shuffle'
      | 'permuteChannels'
      | 'concat'
      | 'flatten'
      | 'dropout'
      | 'identity';
  }
>;

type RootNode =
  | InputNode
  | Conv2dNode
  | LinearNode
  | ShiftNode
  | MulNode
  | MaxPoolNode
  | AvgPoolNode
  | GlobalAvgPoolNode
  | SoftmaxNode
  | UpsampleNode;

/**
 * What an operation computes before its epilogue. `chain` is an elementwise pass over `input`; `ghost` is the
 * concatenation of `input` (the intrinsic maps) and its depthwise `cheap` operation.
 */
export type Root =
  | { readonly kind: 'node'; readonly node: RootNode }
  | { readonly kind: 'chain'; readonly input: string }
  | { readonly kind: 'ghost'; readonly input: string; readonly cheap: Conv2dNode };

/** y = activation(root * affine + residual); parts that are absent do nothing. */
export interface Operation {
  readonly root: Root;
  readonly affine: BatchNormNode | null;
  readonly residual: string | null;
  readonly activation: ActivationName | null;
  /** Name of the value it makes: its last node. */
  readonly output: string;
  /** Index of that node in the graph: operations run in this order. */
  readonly position: number;
  /** All nodes it computes. */
  readonly nodes: readonly string[];
}

export interface FusedGraph {
  /** Operations and aliases in the order in which they take effect. */
  readonly items: readonly (
    | { readonly kind: 'operation'; readonly operation: Operation }
    | { readonly kind: 'alias'; readonly node: AliasNode }
  )[];
  /** Position of the last operation (or network output) that reads a value, through aliases too. */
  readonly lastUse: ReadonlyMap<string, number>;
  /** Values with the same group share a buffer, because some concatenation joins them. */
  readonly group: (name: string) => string;
}

/** Names of the values that an operation reads. */
export function operationReads(operation: Operation): readonly string[] {
  const { root, residual } = operation;
  const reads = root.kind === 'node' ? root.node.inputs : [root.input];
  return residual === null ? reads : [...reads, residual];
}

export function isAlias(node: Node): node is AliasNode {
  switch (node.kind) {
    case 'slice':
    case 'padChannels':
    case 'shuffle':
    case 'permuteChannels':
    case 'concat':
    case 'flatten':
    case 'dropout':
    case 'identity':
      return true;
    default:
      return false;
  }
}

/** A convolution with one input channel a group. */
export function isDepthwise(node: Conv2dNode): boolean {
  return node.groups === node.inChannels && node.groups > 1;
}

/** Whether the root's kernels can add a residual before the activation. */
function takesResidual(operation: Operation): boolean {
  if (operation.residual !== null || operation.activation !== null) return false;
  const { root } = operation;
  return root.kind !== 'node' || root.node.kind === 'conv2d' || root.node.kind === 'linear';
}

function takesActivation(operation: Operation): boolean {
  if (operation.activation !== null) return false;
  const { root } = operation;
  return root.kind !== 'node' || ['conv2d', 'linear', 'shift', 'mul'].includes(root.node.kind);
}

/**
 * `joins`: whether an activation may be computed by the operation before it; otherwise it is a pass of its own.
 */
export function fuse(graph: Graph, joins: (activation: ActivationName) => boolean = () => true): FusedGraph {
  const byName = nodeMap(graph);
  const consumers = consumerMap(graph);
  const outputs = new Set(graph.outputs);
  const operations = new Map<string, Operation>();
  const aliases = new Map<string, AliasNode>();

  const readOnce = (name: string): boolean => consumers.get(name)?.length === 1 && !outputs.has(name);

  /** The operation that makes `name`, if nothing but the next node sees it. */
  const open = (name: string): Operation | undefined => (readOnce(name) ? operations.get(name) : undefined);

  const replace = (old: Operation, node: Node, position: number, change: Partial<Operation>): void => {
    operations.delete(old.output);
    const nodes = [...old.nodes, node.name];
    operations.set(node.name, { ...old, ...change, output: node.name, position, nodes });
  };

  /** The end of a Ghost module: a concatenation of x and a depthwise convolution of x that nothing else reads. */
  const ghostEnd = (name: string): { root: Root; nodes: string[] } | undefined => {
    const concat = byName.get(name);
    if (concat?.kind !== 'concat' || concat.inputs.length !== 2 || !readOnce(name)) return undefined;
    const [input = '', ghosts = ''] = concat.inputs;
    const cheap = open(ghosts);
    if (cheap?.root.kind !== 'node' || cheap.root.node.kind !== 'conv2d') return undefined;
    const node = cheap.root.node;
    const sameSize =
      node.stride[0] === 1 &&
      node.stride[1] === 1 &&
      node.padding[0] + node.padding[2] === (node.kernel[0] - 1) * node.dilation[0] &&
      node.padding[1] + node.padding[3] === (node.kernel[1] - 1) * node.dilation[1];
    const plain = cheap.activation === null && cheap.residual === null && cheap.affine === null;
    if (!isDepthwise(node) || !sameSize || !plain || node.inputs[0] !== input) return undefined;
    operations.delete(ghosts);
    aliases.delete(name);
    return { root: { kind: 'ghost', input, cheap: node }, nodes: [...cheap.nodes, name] };
  };

  graph.nodes.forEach((node, position) => {
    const fresh = (root: Root, change: Partial<Operation> = {}, nodes: readonly string[] = []): void => {
      operations.set(node.name, {
        root,
        affine: null,
        residual: null,
        activation: null,
        output: node.name,
        position,
        ...change,
        nodes: [...nodes, node.name],
      });
    };
    const elementwise = (input: string, change: Partial<Operation>): void => {
      const end = change.residual === input ? undefined : ghostEnd(input);
      fresh(end?.root ?? { kind: 'chain', input }, change, end?.nodes);
    };
    if (isAlias(node)) {
      aliases.set(node.name, node);
      return;
    }
    const [first = '', second = ''] = node.inputs;
    switch (node.kind) {
      case 'batchNorm':
        elementwise(first, { affine: node });
        return;
      case 'activation': {
        const producer = open(first);
        if (producer && takesActivation(producer) && joins(node.function))
          replace(producer, node, position, { activation: node.function });
        else elementwise(first, { activation: node.function });
        return;
      }
      case 'add': {
        const candidates = [first, second]
          .map((name, i) => ({ producer: open(name), residual: i === 0 ? second : first }))
          .filter(({ producer }) => first !== second && producer && takesResidual(producer))
          .sort((a, b) => (b.producer?.position ?? 0) - (a.producer?.position ?? 0));
        const best = candidates[0];
        if (best?.producer) {
          replace(best.producer, node, position, { residual: best.residual });
          return;
        }
        const [input, residual] = byName.get(second)?.kind === 'concat' ? [second, first] : [first, second];
        elementwise(input, { residual });
        return;
      }
      default:
        fresh({ kind: 'node', node });
    }
  });

  const items = graph.nodes.flatMap((node): FusedGraph['items'][number][] => {
    const operation = operations.get(node.name);
    if (operation) return [{ kind: 'operation', operation }];
    const alias = aliases.get(node.name);
    return alias ? [{ kind: 'alias', node: alias }] : [];
  });
  return {
    items,
    lastUse: lastUses(graph, operations, aliases),
    group: groupByConcat(graph, operations, aliases),
  };
}

function lastUses(
  graph: Graph,
  operations: ReadonlyMap<string, Operation>,
  aliases: ReadonlyMap<string, AliasNode>,
): Map<string, number> {
  const lastUse = new Map<string, number>();
  const use = (name: string, position: number): void => {
    lastUse.set(name, Math.max(lastUse.get(name) ?? -1, position));
  };
  for (const operation of operations.values())
    for (const name of operationReads(operation)) use(name, operation.position);
  graph.nodes.forEach((node, position) => {
    if (graph.outputs.includes(node.name)) use(node.name, position);
  });
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = aliases.get(graph.nodes[i]?.name ?? '');
    // a concatenation may copy its inputs at its own place
    if (node) for (const input of node.inputs) use(input, Math.max(i, lastUse.get(node.name) ?? -1));
  }
  return lastUse;
}

function groupByConcat(
  graph: Graph,
  operations: ReadonlyMap<string, Operation>,
  aliases: ReadonlyMap<string, AliasNode>,
): (name: string) => string {
  const parent = new Map<string, string>();
  const find = (name: string): string => {
    let root = name;
    for (let up = parent.get(root); up !== undefined; up = parent.get(root)) root = up;
    if (root !== name) parent.set(name, root);
    return root;
  };
  for (const node of graph.nodes) {
    if (node.kind !== 'concat' || !aliases.has(node.name)) continue;
    for (const input of node.inputs) {
      let source = input;
      for (let alias = aliases.get(source); alias; alias = aliases.get(source)) {
        if (alias.kind !== 'identity' && alias.kind !== 'dropout') break;
        source = alias.inputs[0] as string;
      }
      const stored = operations.has(source) || aliases.get(source)?.kind === 'concat';
      if (stored && find(source) !== find(node.name)) parent.set(find(source), find(node.name));
    }
  }
  return find;
}
