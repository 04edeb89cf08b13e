/**
 * Refits the weights that read what is left of a layer's input, so that the layer says again what it said in the old
 * network: normal equations in float64, layer after layer, each on what the layers before it now give (He et al. 2017,
 * section 3.1 and 3.2). The old weights pull: with few pictures the fit stays near them (least-squares.ts).
 */
import { consumerMap, type Graph, makeGraph, nodeMap, type Tensor, type Weights } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import type { Calibration } from '../compression.js';
import type { Coupling } from '../coupling/analyze.js';
import { maskReaders } from '../coupling/mask.js';
import { weightOf } from '../prune/scores.js';
import { errorOf, type Solution, Sums, solve } from './least-squares.js';
import { inputsPerOutput, type Reader, sampleOutputs, visitInputs } from './samples.js';

export interface ReconstructOptions {
  /** Places of a picture where a layer is sampled, at most. */
  readonly perPicture: number;
  /** Pull of the old weights: added to the normal equations' diagonal, as a share of its mean. Absent: chosen by layer. */
  readonly ridge?: number;
}

/** Pulls that are tried where none is given: those of a layer with many samples up to those that leave the weights. */
const ridges = [1e-4, 1e-2, 1, 100] as const;
/** Every fifth picture is held out to choose the pull by. */
const heldOut = 5;

interface Problem {
  readonly node: Reader;
  /** Which of the layer's K inputs stay. */
  readonly kept: Int32Array;
  /** What the layer is to say, by sample. */
  readonly wanted: readonly Float32Array[];
  readonly fit: Sums;
  readonly check: Sums;
}

/** The fit with the pull that does best on pictures held out, made again of all. */
function solveBest(problem: Problem, prior: Float64Array, ridge: number | undefined): Solution {
  const { fit, check } = problem;
  let best = ridge ?? (ridges.at(-1) as number);
  if (ridge === undefined && check.count > 0) {
    const errors = ridges.map((tried) => errorOf(solve(fit, prior, tried), check));
    best = ridges[errors.indexOf(Math.min(...errors))] ?? best;
  }
  fit.join(check);
  return solve(fit, prior, best);
}

/** Adds to a layer's outputs: to its bias, to the mean of the batch norm that alone reads it, or as a new bias. */
export function setBias(
  graph: Graph,
  weights: Map<string, Tensor>,
  layer: string,
  bias: Float64Array,
): Graph {
  const node = nodeMap(graph).get(layer) as Reader;
  const shape = [bias.length];
  const readers = consumerMap(graph).get(layer) ?? [];
  const [reader] = readers;
  if (
    node.bias === undefined &&
    readers.length === 1 &&
    reader?.kind === 'batchNorm' &&
    !graph.outputs.includes(layer)
  ) {
    const mean = weightOf(weights, reader.mean).data;
    weights.set(reader.mean, { shape, data: mean.map((value, c) => value - (bias[c] as number)) });
    return graph;
  }
  const name = node.bias ?? `${layer}.bias`;
  weights.set(name, { shape, data: Float32Array.from(bias) });
  if (node.bias !== undefined) return graph;
  const nodes = graph.nodes.map((other) => (other.name === layer ? { ...node, bias: name } : other));
  return makeGraph({ ...graph, nodes, parameters: { ...graph.parameters, [name]: { shape, role: 'bias' } } });
}

/** Which of a layer's K inputs come from channels that stay. */
function keptInputs(node: Reader, coupling: Coupling, removed: ReadonlySet<number>): Int32Array {
  const units = coupling.units.get(node.inputs[0] as string) as Int32Array;
  const positions = inputsPerOutput(node) / units.length;
  return Int32Array.from({ length: inputsPerOutput(node) }, (_, k) => k).filter(
    (k) => !removed.has(units[Math.floor(k / positions)] as number),
  );
}

/**
 * Weights for the old graph (with biases added where a layer had none) in which nothing is read of `removed` and the
 * layers `readers` are refitted in order; errors by layer. Old and new network run on the calibration pictures.
 */
export async function reconstruct(
  old: { readonly graph: Graph; readonly weights: Weights },
  coupling: Coupling,
  removed: ReadonlySet<number>,
  readers: readonly Reader[],
  calibration: Calibration,
  options: ReconstructOptions,
): Promise<{ graph: Graph; weights: Weights; errors: Map<string, number> }> {
  const { perPicture, ridge } = options;
  const shapes = inferShapes(old.graph);
  const outputShape = (name: string): readonly number[] => shapes.get(name) ?? [];
  const weights = new Map(maskReaders(old.graph, old.weights, coupling, removed));
  let graph = old.graph;
  const errors = new Map<string, number>();
  const wanted = await sampleOutputs(old, calibration, readers, perPicture);
  // layers that read the same value are fitted in one run
  const sources = new Set(readers.map((node) => node.inputs[0] as string));
  for (const source of sources) {
    const together = readers.filter((node) => node.inputs[0] === source);
    const problems = new Map<string, Problem>();
    for (const node of together) {
      const kept = keptInputs(node, coupling, removed);
      const outputs = outputShape(node.name)[1] ?? 1;
      const sums = (): Sums => new Sums(kept.length, outputs);
      const samples = wanted.get(node.name) ?? [];
      problems.set(node.name, { node, kept, wanted: samples, fit: sums(), check: sums() });
    }
    await visitInputs({ graph, weights }, calibration, together, { perPicture, outputShape }, (node, x) => {
      const { kept, wanted: outputs, fit, check } = problems.get(node.name) as Problem;
      const at = fit.count + check.count;
      const held = Math.floor(at / perPicture) % heldOut === heldOut - 1;
      const inputs = Float64Array.from(kept, (k) => x[k] as number);
      (held ? check : fit).add(inputs, outputs[at] as Float32Array);
    });
    for (const [name, problem] of problems) {
      const { node, kept } = problem;
      const { shape, data } = weightOf(old.weights, node.weight);
      const all = inputsPerOutput(node);
      const outputs = data.length / all;
      const prior = new Float64Array(outputs * kept.length);
      const take = (visit: (at: number, from: number) => void): void => {
        for (let o = 0; o < outputs; o++)
          kept.forEach((k, i) => {
            visit(o * kept.length + i, o * all + k);
          });
      };
      take((at, from) => {
        prior[at] = data[from] as number;
      });
      const solved = solveBest(problem, prior, ridge);
      const fitted = new Float32Array(data.length);
      take((at, from) => {
        fitted[from] = solved.weight[at] as number;
      });
      weights.set(node.weight, { shape, data: fitted });
      graph = setBias(graph, weights, name, solved.bias);
      errors.set(name, errorOf(solved, problem.fit));
      wanted.delete(name);
    }
  }
  return { graph, weights, errors };
}
