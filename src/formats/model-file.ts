/**
 * The native model file: safetensors whose metadata holds the graph (with preprocessing and labels), so that one file
 * says everything and reloads bit for bit. Python's `safetensors` opens it too.
 */
import { FormatError, rangeError } from '../errors.js';
import { elementCount, type Graph, type Tensor, type Weights } from '../graph/graph.js';
import { fromJson, toJson } from '../graph/json.js';
import { readSafetensors, toTensor, writeSafetensors } from './safetensors.js';

/** Metadata key of the graph's JSON. */
export const graphKey = 'ghostnet.graph';

/** Metadata key of what an int8 file adds to the graph; see quantized-file.ts. */
export const int8Key = 'ghostnet.int8';

export interface Model {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** Whether a safetensors file's metadata says that it is a native model file. */
export function isModelMetadata(metadata: Readonly<Record<string, string>>): boolean {
  return Object.hasOwn(metadata, graphKey);
}

/** Whether it says that its weights are integers. */
export function isQuantizedMetadata(metadata: Readonly<Record<string, string>>): boolean {
  return isModelMetadata(metadata) && Object.hasOwn(metadata, int8Key);
}

/**
 * Weights must be finite. Throws FormatError `WEIGHTS_NOT_FINITE` naming the tensor and the first bad element.
 */
export function checkFinite(weights: Weights): void {
  for (const [name, { data }] of weights) {
    let bad = 0;
    while (bad < data.length && Number.isFinite(data[bad])) bad++;
    if (bad < data.length)
      throw new FormatError(
        'WEIGHTS_NOT_FINITE',
        `weights: tensor "${name}" holds ${data[bad]} at element ${bad}; the file is damaged or the training diverged`,
      );
  }
}

export interface FiniteOptions {
  /** Takes weights that hold NaN or infinities, e.g. to look into a training that diverged. Default false. */
  readonly allowNonFinite?: boolean;
}

export interface SaveModelOptions extends FiniteOptions {
  /** Default 'F32'. */
  readonly dtype?: 'F32' | 'F16';
}

/**
 * The bytes of a model file, parameters sorted by name; `dtype` 'F16' halves the size (rounded to nearest even).
 * Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`, `FLOAT16_OVERFLOW`, FormatError `WEIGHTS_NOT_FINITE`.
 */
export function saveModel(graph: Graph, weights: Weights, options: SaveModelOptions = {}): Uint8Array {
  const ordered = new Map<string, Tensor>();
  for (const name of Object.keys(graph.parameters).sort()) {
    const shape = graph.parameters[name]?.shape ?? [];
    const tensor = weights.get(name);
    if (!tensor) throw rangeError('WEIGHTS_MISSING', `save model: no weights for parameter "${name}"`);
    if (tensor.data.length !== elementCount(shape))
      throw rangeError(
        'SHAPE_MISMATCH',
        `save model: parameter "${name}": given ${tensor.data.length} values, expected [${shape.join(', ')}]`,
      );
    ordered.set(name, { shape, data: tensor.data });
  }
  if (!options.allowNonFinite) checkFinite(ordered);
  const metadata = { format: 'pt', [graphKey]: toJson(graph) };
  return writeSafetensors(ordered, { dtype: options.dtype ?? 'F32', metadata });
}

/**
 * Graph and weights of a model file. Throws the errors of safetensors and of the graph's JSON, FormatError
 * `MODEL_NOT_NATIVE` (a safetensors file without a graph), `MODEL_QUANTIZED` (an int8 file), `WEIGHTS_MISMATCH` or
 * `WEIGHTS_NOT_FINITE`.
 */
export function loadModel(bytes: Uint8Array, options: FiniteOptions = {}): Model {
  const file = readSafetensors(bytes);
  const json = file.metadata[graphKey];
  if (json === undefined)
    throw new FormatError(
      'MODEL_NOT_NATIVE',
      'model file: this safetensors file holds weights only, no graph; name the network that they belong to',
    );
  if (isQuantizedMetadata(file.metadata))
    throw new FormatError(
      'MODEL_QUANTIZED',
      'model file: its weights are int8, which can be run (classify, eval, bench, build) but not changed; take the file that it was made of',
    );
  const graph = fromJson(json);
  const weights = new Map<string, Tensor>();
  for (const [name, { shape }] of Object.entries(graph.parameters)) {
    const entry = file.tensors.get(name);
    if (!entry || entry.shape.join() !== shape.join())
      throw new FormatError(
        'WEIGHTS_MISMATCH',
        `model file: parameter "${name}": ${entry ? `given [${entry.shape.join(', ')}]` : 'missing'}, expected [${shape.join(', ')}]`,
      );
    weights.set(name, toTensor(entry));
  }
  if (!options.allowNonFinite) checkFinite(weights);
  return { graph, weights };
}
