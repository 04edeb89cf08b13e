/**
 * Fresh weights for a graph, determined by a seed and each parameter's name (so that adding a layer does not change
 * the others): He normal with fan-out for convolutions (He et al. 2015, as the official code), uniform fan-in for
 * linear layers (PyTorch's default), ones and zeros for batch norm. Fixed filters (Haar) get their values.
 */
import { elementCount, type Graph, type Tensor, type Weights } from '../graph/graph.js';
import type { Conv2dNode, LinearNode } from '../graph/nodes.js';
import { haarFilters } from './ghost-module.js';
import { hashText, Random } from './random.js';

/** Weights for every parameter of the graph. Same graph and seed: same bits. */
export function initializeWeights(graph: Graph, seed: number): Weights {
  const owner = new Map<string, Conv2dNode | LinearNode>();
  for (const node of graph.nodes)
    if (node.kind === 'conv2d' || node.kind === 'linear') {
      owner.set(node.weight, node);
      if (node.bias !== undefined) owner.set(node.bias, node);
    }
  const statistics = new Map<string, number>();
  for (const node of graph.nodes)
    if (node.kind === 'batchNorm') statistics.set(node.mean, 0).set(node.variance, 1);

  const weights = new Map<string, Tensor>();
  for (const [name, parameter] of Object.entries(graph.parameters)) {
    const data = new Float32Array(elementCount(parameter.shape));
    const random = new Random((hashText(name) ^ Math.imul(seed, 0x9e3779b1)) >>> 0);
    const node = owner.get(name);
    switch (parameter.role) {
      case 'weight':
        if (node?.kind === 'conv2d') {
          const fanOut = (node.outChannels / node.groups) * node.kernel[0] * node.kernel[1];
          const std = Math.sqrt(2 / fanOut);
          for (let i = 0; i < data.length; i++) data[i] = random.normal() * std;
        } else {
          const bound = 1 / Math.sqrt(parameter.shape[1] ?? 1);
          for (let i = 0; i < data.length; i++) data[i] = (random.uniform() * 2 - 1) * bound;
        }
        break;
      case 'constant':
        for (let i = 0; i < data.length; i++) {
          const filter = haarFilters[(i >> 2) % haarFilters.length];
          data[i] = filter?.[i & 3] ?? 0;
        }
        break;
      case 'scale':
        data.fill(1);
        break;
      case 'statistic':
        data.fill(statistics.get(name) ?? 0);
        break;
      case 'bias':
      case 'shift':
        break;
    }
    weights.set(name, { shape: parameter.shape, data });
  }
  return weights;
}
