/**
 * Takes `permuteChannels` nodes out of a graph by letting the readers' weights follow: a permutation moves down through
 * activations, norms, pools, depthwise convolutions and concatenations, and ends in the next convolution or linear
 * layer, whose input channels are reordered. Where two differently ordered maps meet (a sum), or where the network's
 * output would change, one node stays. Values of the outputs are the same up to the order of additions.
 */
import {
  elementCount,
  type Graph,
  makeGraph,
  nodeParameters,
  type Tensor,
  type Weights,
} from '../graph/graph.js';
import type { Conv2dNode, LinearNode, Node } from '../graph/nodes.js';
import { inferShapes } from '../graph/shapes.js';
import type { PassResult, PlanStep } from './pass.js';

/** Logical channel c of a value is stored channel order[c] of the node that makes it; undefined: as it is. */
type Order = readonly number[] | undefined;

const sameOrder = (a: Order, b: Order): boolean => a?.join() === b?.join();

function simplify(order: readonly number[]): Order {
  return order.every((stored, c) => stored === c) ? undefined : order;
}

/** Pure. Parameters that several nodes name are left alone; their inputs are put in order instead. */
export function sinkPermutations(graph: Graph, weights: Weights): PassResult {
  const shapes = inferShapes(graph);
  const users = new Map<string, number>();
  for (const node of graph.nodes)
    for (const name of nodeParameters(node)) users.set(name, (users.get(name) ?? 0) + 1);
  const ofGhosts = new Set(graph.ghostModules.map((module) => module.output));
  const newWeights = new Map(weights);
  const nodes: Node[] = [];
  const plan: PlanStep[] = [];
  const source = new Map<string, string>();
  const orders = new Map<string, Order>();
  const orderOf = (name: string): Order => orders.get(name);
  const stored = (name: string): string => source.get(name) ?? name;
  const settled = new Map<string, string>();
  const taken = new Set(graph.nodes.map((node) => node.name));

  /** A node that holds `name` as it should be read through `wanted`; undefined: in its own order. */
  const settle = (name: string, wanted: Order): string => {
    const order = orderOf(name);
    if (sameOrder(order, wanted)) return stored(name);
    const channels = shapes.get(name)?.[1] ?? 0;
    const from = order ?? Array.from({ length: channels }, (_, c) => c);
    const to = new Array<number>(channels);
    from.forEach((place, c) => {
      to[wanted?.[c] ?? c] = place;
    });
    const key = `${stored(name)} ${to.join()}`;
    const known = settled.get(key);
    if (known !== undefined) return known;
    let fresh = `${stored(name)}.order`;
    for (let i = 1; taken.has(fresh) && nodes.some((node) => node.name === fresh); i++)
      fresh = `${stored(name)}.order${i}`;
    taken.add(fresh);
    settled.set(key, fresh);
    nodes.push({ kind: 'permuteChannels', name: fresh, inputs: [stored(name)], order: to });
    plan.push({ node: fresh, action: 'kept', reason: 'differently ordered maps meet' });
    return fresh;
  };

  const reorder = (name: string, permute: (tensor: Tensor) => Float32Array): void => {
    const tensor = newWeights.get(name);
    if (tensor) newWeights.set(name, { shape: tensor.shape, data: permute(tensor) });
  };
  /** Entry c of a list of channels goes to order[c]; `size` numbers an entry. */
  const scatter =
    (order: readonly number[], size = 1) =>
    ({ data }: Tensor): Float32Array => {
      const out = new Float32Array(data.length);
      order.forEach((place, c) => {
        out.set(data.subarray(c * size, (c + 1) * size), place * size);
      });
      return out;
    };

  const absorb = (node: Conv2dNode | LinearNode, order: readonly number[]): void => {
    reorder(node.weight, ({ shape, data }) => {
      const outs = shape[0] ?? 1;
      const size = elementCount(shape.slice(2));
      const out = new Float32Array(data.length);
      for (let o = 0; o < outs; o++)
        order.forEach((place, c) => {
          const row = o * order.length;
          out.set(data.subarray((row + c) * size, (row + c + 1) * size), (row + place) * size);
        });
      return out;
    });
    plan.push({ node: node.name, action: 'weights follow the order of its input' });
  };

  for (const node of graph.nodes) {
    const first = node.inputs[0] ?? '';
    const order = orderOf(first);
    const push = (result: Order, change: Partial<Node> = {}): void => {
      nodes.push({ ...node, inputs: node.inputs.map(stored), ...change } as Node);
      orders.set(node.name, result);
    };
    const plain = (): void => {
      const inputs = node.inputs.map((name) => settle(name, undefined));
      push(undefined, { inputs });
    };
    if (node.kind === 'permuteChannels') {
      source.set(node.name, stored(first));
      orders.set(node.name, simplify(node.order.map((c) => order?.[c] ?? c)));
      continue;
    }
    if (node.inputs.every((name) => orderOf(name) === undefined)) {
      push(undefined);
      continue;
    }
    const shared = nodeParameters(node).some((name) => (users.get(name) ?? 0) > 1);
    switch (node.kind) {
      case 'conv2d':
        if (shared || !order) plain();
        else if (node.groups === 1) {
          absorb(node, order);
          push(undefined);
        } else if (node.groups === node.inChannels) {
          const perMap = node.outChannels / node.groups;
          const after = order.flatMap((place) =>
            Array.from({ length: perMap }, (_, k) => place * perMap + k),
          );
          for (const name of nodeParameters(node))
            reorder(name, (tensor) => scatter(after, tensor.data.length / after.length)(tensor));
          push(after);
        } else plain();
        break;
      case 'linear':
        if (shared || !order) plain();
        else {
          absorb(node, order);
          push(undefined);
        }
        break;
      case 'batchNorm':
        if (shared || !order) plain();
        else {
          for (const name of nodeParameters(node)) reorder(name, scatter(order));
          push(order);
        }
        break;
      case 'shift':
        if (!order) plain();
        else {
          const offsets = [...node.offsets];
          order.forEach((place, c) => {
            offsets[place] = node.offsets[c] as (typeof offsets)[number];
          });
          push(order, { offsets } as Partial<Node>);
        }
        break;
      case 'flatten': {
        const pixels = elementCount((shapes.get(first) ?? []).slice(2));
        push(order?.flatMap((place) => Array.from({ length: pixels }, (_, p) => place * pixels + p)));
        break;
      }
      case 'add':
      case 'mul': {
        const [a = '', b = ''] = node.inputs;
        // the module keeps its order, so that the sum still ends it in one pass; the shortcut follows
        const wanted = ofGhosts.has(stored(a)) || !ofGhosts.has(stored(b)) ? orderOf(a) : orderOf(b);
        push(wanted, { inputs: [settle(a, wanted), settle(b, wanted)] });
        break;
      }
      case 'concat': {
        let offset = 0;
        const joined = node.inputs.flatMap((name) => {
          const channels = shapes.get(name)?.[1] ?? 0;
          const own = Array.from({ length: channels }, (_, c) => offset + (orderOf(name)?.[c] ?? c));
          offset += channels;
          return own;
        });
        push(simplify(joined));
        break;
      }
      case 'padChannels':
        push([
          ...Array.from({ length: node.before }, (_, c) => c),
          ...(order ?? []).map((place) => node.before + place),
          ...Array.from({ length: node.after }, (_, c) => node.before + (order ?? []).length + c),
        ]);
        break;
      case 'activation':
      case 'maxPool':
      case 'avgPool':
      case 'globalAvgPool':
      case 'upsample':
      case 'dropout':
      case 'identity':
      case 'softmax':
        push(order);
        break;
      default:
        plain();
    }
  }
  const outputs = graph.outputs.map((name) => settle(name, undefined));
  const present = new Map(graph.nodes.map((node) => [node.name, stored(node.name)]));
  const result = makeGraph({
    ...graph,
    nodes,
    outputs,
    ghostModules: graph.ghostModules.map((module) => ({
      ...module,
      input: present.get(module.input) ?? module.input,
    })),
  });
  return { graph: result, weights: newWeights, plan };
}
