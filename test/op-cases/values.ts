/**
 * Weights and inputs of test networks: uniform numbers from a 32-bit generator, so that the Python that makes the
 * goldens (test/goldens/make.py) draws the same bits and no golden has to hold weights. Batch-norm statistics are
 * random too, so that a network that ignores them cannot pass.
 */
import { elementCount, type Graph, inputNodes, type Tensor, type Weights } from '../../src/graph/graph.js';
import { haarFilters } from '../../src/models/ghost-module.js';
import { hashText, Random } from '../../src/models/random.js';

/** Uniform float32 values in [low, high), determined by seed and name. */
export function uniformValues(
  seed: number,
  name: string,
  count: number,
  low: number,
  high: number,
): Float32Array {
  const random = new Random((hashText(name) ^ Math.imul(seed, 0x9e3779b1)) >>> 0);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = low + (high - low) * random.uniform();
  return data;
}

/**
 * Random values for every parameter: weights in ±sqrt(3 / fan-in), so that a layer keeps its input's variance; scales
 * 0.5..1.5, shifts, biases and means ±0.5, variances 0.5..2; fixed filters (Haar) their own.
 */
export function randomWeights(graph: Graph, seed: number): Weights {
  const weights = new Map<string, Tensor>();
  for (const [name, { shape, role }] of Object.entries(graph.parameters)) {
    const count = elementCount(shape);
    const uniform = (low: number, high: number): Float32Array => uniformValues(seed, name, count, low, high);
    const set = (data: Float32Array): void => {
      weights.set(name, { shape, data });
    };
    if (role === 'weight') {
      const bound = Math.sqrt(3 / elementCount(shape.slice(1)));
      set(uniform(-bound, bound));
    } else if (role === 'constant') {
      set(Float32Array.from({ length: count }, (_, i) => haarFilters[(i >> 2) % 4]?.[i & 3] ?? 0));
    } else if (role === 'scale') set(uniform(0.5, 1.5));
    else if (name.endsWith('running_var')) set(uniform(0.5, 2));
    else set(uniform(-0.5, 0.5));
  }
  return weights;
}

/** A value in ±scale for every input of the graph, by input name; shape [batch, ...]. */
export function randomInputs(
  graph: Graph,
  options: { readonly batch: number; readonly seed: number; readonly scale?: number },
): Map<string, Tensor> {
  const { batch, seed, scale = 1 } = options;
  const inputs = new Map<string, Tensor>();
  for (const node of inputNodes(graph)) {
    const shape = [batch, ...node.shape];
    const data = uniformValues(seed, `input ${node.name}`, elementCount(shape), -scale, scale);
    inputs.set(node.name, { shape, data });
  }
  return inputs;
}
