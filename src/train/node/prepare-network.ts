/**
 * The network of a run before its first step: by name with fresh weights, or from a model file, with a new last layer
 * where the classes differ.
 */
import { existsSync } from 'node:fs';
import { rangeError } from '../../errors.js';
import { readModelFile } from '../../formats/node/model-file.js';
import { type Graph, inputNodes, makeGraph, type Weights } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { initializeWeights } from '../../models/initialize.js';
import { createModel, hasModel } from '../../models/registry.js';
import type { RunConfig } from '../config.js';
import { withNewHead } from '../new-head.js';

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

type NetworkConfig = Pick<
  RunConfig,
  'network' | 'from' | 'inputSize' | 'width' | 'ratio' | 'cheapKernel' | 'dropout' | 'seed'
>;

/** The side of the pictures that a run's network will take. */
export async function configuredSide(config: NetworkConfig): Promise<number> {
  return inputNodes((await basis(config)).graph)[0]?.shape[2] ?? 0;
}

/** The network as its file or its name gives it. */
async function basis(config: NetworkConfig): Promise<{ graph: Graph; weights?: Weights }> {
  const { network, inputSize } = config;
  const named = hasModel(network);
  const file = config.from ?? (named || !existsSync(network) ? undefined : network);
  if (file === undefined) {
    const { width, ratio, cheapKernel, dropout } = config;
    const options = { inputSize, width, ratio, cheapKernel, dropout };
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return { graph: createModel(network, Object.fromEntries(given)) };
  }
  const model = await readModelFile(file, named ? { network } : {});
  return inputSize === undefined ? model : { ...model, graph: resized(model.graph, inputSize) };
}

/** The same graph for pictures of another size. */
function resized(graph: Graph, side: number): Graph {
  const changed = makeGraph({
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.kind === 'input' ? { ...node, shape: [node.shape[0] ?? 3, side, side] } : node,
    ),
  });
  inferShapes(changed);
  return changed;
}

/**
 * Graph and weights for `classes`. Throws RangeError `UNKNOWN_MODEL`, `NOT_SQUARE`, `NO_HEAD`, the builders' errors,
 * and what `readModelFile` throws.
 */
export async function prepareNetwork(
  config: NetworkConfig,
  classes: readonly string[],
  data: 'cifar10' | 'folder',
): Promise<{ readonly graph: Graph; readonly weights: Weights }> {
  const base = await basis(config);
  const [input] = inputNodes(base.graph);
  const [channels, height, width] = input?.shape ?? [];
  if (channels !== 3 || !height || height !== width)
    throw rangeError(
      'NOT_SQUARE',
      `${base.graph.name}: its input is [${input?.shape.join(', ')}]; training takes square pictures [3, S, S]`,
    );
  const outputs = inferShapes(base.graph).get(base.graph.outputs[0] ?? '')?.[1];
  const sameClasses = outputs === classes.length && (!base.weights || sameLabels(base.graph, classes));
  const fresh = initializeWeights(base.graph, config.seed);
  const made =
    sameClasses || !base.weights
      ? { graph: base.graph, weights: base.weights ?? fresh }
      : withNewHead(base.graph, base.weights, classes.length, config.seed);
  const sized =
    outputs === classes.length || base.weights
      ? made
      : withNewHead(made.graph, made.weights, classes.length, config.seed);
  const given = sized.graph.meta.preprocessing ?? {
    ...imagenet,
    interpolation: 'bilinear' as const,
  };
  const resizeShortSide =
    data === 'folder' && (config.inputSize !== undefined || given.resizeShortSide === undefined)
      ? height
      : given.resizeShortSide;
  const preprocessing = { ...given, ...(resizeShortSide === undefined ? {} : { resizeShortSide }) };
  return {
    graph: makeGraph({ ...sized.graph, meta: { ...sized.graph.meta, labels: classes, preprocessing } }),
    weights: sized.weights,
  };
}

function sameLabels(graph: Graph, classes: readonly string[]): boolean {
  const { labels } = graph.meta;
  return labels === undefined || labels.join('\n') === classes.join('\n');
}
