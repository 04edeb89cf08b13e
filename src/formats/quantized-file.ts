/**
 * The int8 model file: the native file's safetensors and graph, with integers for weights. Metadata `ghostnet.int8` holds
 * the scales of the values; each filter is three tensors, `int8.<node>.values` (I8), `.scales` and `.bias` (F32); the
 * batch norms that could not be folded stay as they are. The reader believes nothing that it has not checked, since the
 * kernels rely on the ranges. What the numbers mean: passes/quantize/network.ts.
 */
import { FormatError, rangeError } from '../errors.js';
import type { Graph, Tensor } from '../graph/graph.js';
import { fromJson, toJson } from '../graph/json.js';
import { inferShapes } from '../graph/shapes.js';
import { filterSize } from '../passes/quantize/filters.js';
import {
  levels,
  type QuantizedFilter,
  type QuantizedNetwork,
  type ScaleRun,
} from '../passes/quantize/network.js';
import {
  filterNode,
  floatValues,
  int8Operations,
  keepsScales,
  operationsOf,
} from '../passes/quantize/operations.js';
import { graphKey, int8Key, isQuantizedMetadata } from './model-file.js';
import { bytesOf, readSafetensors, type SafetensorsEntry, toTensor, writeEntries } from './safetensors.js';

/** Raised when the meaning of the metadata changes; readers refuse other ones. */
const version = 1;

/** What the metadata holds: runs as [channels, scale, zeroPoint]. */
interface Int8Json {
  readonly version: number;
  readonly outputNames: readonly string[];
  readonly values: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** What a quantised network of a graph consists of: a filter's shape by node name, a value's channels by name. */
interface Parts {
  readonly filters: ReadonlyMap<string, readonly number[]>;
  readonly values: ReadonlyMap<string, number>;
  /** Parameters of batch norms that stand alone. */
  readonly parameters: ReadonlySet<string>;
}

function partsOf(graph: Graph): Parts {
  const shapes = inferShapes(graph);
  const fused = int8Operations(graph);
  const floats = floatValues(graph, fused, shapes);
  const filters = new Map<string, readonly number[]>();
  const values = new Map<string, number>();
  const parameters = new Set<string>();
  for (const operation of operationsOf(fused)) {
    const { output, affine } = operation;
    const node = filterNode(operation);
    if (node) {
      const { outputs, columns } = filterSize(node);
      const window = node.kind === 'conv2d' ? node.kernel : [];
      const taps = node.kind === 'shift' ? [filterSize(node).taps] : window;
      filters.set(node.name, [outputs, columns, ...taps]);
    }
    if (!floats.has(output) && !keepsScales(operation)) values.set(output, shapes.get(output)?.[1] ?? 0);
    if (affine)
      for (const name of [affine.scale, affine.shift, affine.mean, affine.variance]) parameters.add(name);
  }
  return { filters, values, parameters };
}

const namesOf = (node: string) => ({
  values: `int8.${node}.values`,
  scales: `int8.${node}.scales`,
  bias: `int8.${node}.bias`,
});

/** The bytes of an int8 model file. Throws RangeError `WEIGHTS_MISSING` for a network that lacks something. */
export function saveQuantizedModel(network: QuantizedNetwork): Uint8Array {
  const { graph, outputNames } = network;
  const parts = partsOf(graph);
  const found = <T>(value: T | undefined, what: string): T => {
    if (value === undefined)
      throw rangeError('WEIGHTS_MISSING', `save int8 model "${graph.name}": no ${what}`);
    return value;
  };
  const entries = new Map<string, SafetensorsEntry>();
  const floats = (name: string, data: Float32Array, shape: readonly number[] = [data.length]): void => {
    entries.set(name, { dtype: 'F32', shape, bytes: bytesOf(data) });
  };
  for (const [node, shape] of parts.filters) {
    const names = namesOf(node);
    const { values, scales, bias } = found(network.filters.get(node), `filter for "${node}"`);
    entries.set(names.values, { dtype: 'I8', shape, bytes: bytesOf(values) });
    floats(names.scales, scales);
    floats(names.bias, bias);
  }
  for (const name of parts.parameters) {
    const { data, shape } = found(network.weights.get(name), `weights for parameter "${name}"`);
    floats(name, data, shape);
  }
  const runs = [...parts.values.keys()].map((name): [string, number[][]] => [
    name,
    found(network.values.get(name), `scales for "${name}"`).map((run) => [
      run.channels,
      run.scale,
      run.zeroPoint,
    ]),
  ]);
  const json: Int8Json = { version, outputNames, values: Object.fromEntries(runs) };
  // tensors by name, floats first: all of them begin at multiples of four bytes
  const sorted = [...entries].sort(
    ([a, { dtype: s }], [b, { dtype: t }]) => (s === t ? 0 : s === 'F32' ? -1 : 1) || (a < b ? -1 : 1),
  );
  return writeEntries(new Map(sorted), {
    format: 'pt',
    [graphKey]: toJson(graph),
    [int8Key]: JSON.stringify(json),
  });
}

const fail = (what: string): never => {
  throw new FormatError('INT8_MODEL', `int8 model file: ${what}; the file is damaged`);
};

function parseJson(text: string): Int8Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail(`metadata ${int8Key} is not JSON`);
  }
  const json = value as Partial<Int8Json> | null;
  if (json === null || typeof json !== 'object') return fail(`metadata ${int8Key} is no object`);
  if (json.version !== version)
    throw new FormatError(
      'INT8_MODEL',
      `int8 model file: version ${JSON.stringify(json.version)?.slice(0, 20)}, this package reads ${version}`,
    );
  const { outputNames, values } = json;
  if (!Array.isArray(outputNames) || outputNames.some((name) => typeof name !== 'string'))
    return fail('outputNames are no list of names');
  if (values === null || typeof values !== 'object') return fail('there are no scales of values');
  return json as Int8Json;
}

/** A positive finite 32-bit float that is not subnormal, so that dividing by it is safe. */
function isScale(value: unknown): value is number {
  return typeof value === 'number' && value >= 2 ** -126 && Math.fround(value) < 2 ** 127;
}

function readRuns(name: string, given: unknown, channels: number): ScaleRun[] {
  if (!Array.isArray(given) || given.length > channels) return fail(`"${name}" has no scales`);
  let sum = 0;
  const runs = given.map((run: unknown): ScaleRun => {
    const [count, scale, zeroPoint] = (Array.isArray(run) ? run : []) as unknown[];
    if (!Number.isInteger(count) || (count as number) <= 0 || !isScale(scale))
      return fail(`"${name}" has the scales ${JSON.stringify(run)?.slice(0, 80)}`);
    if (!Number.isInteger(zeroPoint) || (zeroPoint as number) < 0 || (zeroPoint as number) > levels)
      return fail(`"${name}" has a zero point that is not in 0 to ${levels}`);
    sum += count as number;
    return { channels: count as number, scale, zeroPoint: zeroPoint as number };
  });
  if (sum !== channels) return fail(`"${name}" has scales for ${sum} channels, expected ${channels}`);
  return runs;
}

/**
 * The network of an int8 model file. Throws the errors of safetensors and of the graph's JSON, FormatError
 * `MODEL_NOT_QUANTIZED` (another safetensors file), `WEIGHTS_MISMATCH` (a tensor is missing or has another type or
 * shape), `INT8_MODEL` (numbers out of range, scales that do not fit), RangeError `NOT_QUANTIZABLE`.
 */
export function loadQuantizedModel(bytes: Uint8Array): QuantizedNetwork {
  const file = readSafetensors(bytes);
  if (!isQuantizedMetadata(file.metadata))
    throw new FormatError(
      'MODEL_NOT_QUANTIZED',
      'int8 model file: this file holds no int8 weights; make one with "ghostnet quantize"',
    );
  const graph = fromJson(file.metadata[graphKey] as string);
  const json = parseJson(file.metadata[int8Key] as string);
  const parts = partsOf(graph);
  const entry = (name: string, dtype: string, shape: readonly number[]): SafetensorsEntry => {
    const found = file.tensors.get(name);
    if (!found || found.dtype !== dtype || found.shape.join() !== shape.join())
      throw new FormatError(
        'WEIGHTS_MISMATCH',
        `int8 model file: tensor "${name}": ${found ? `given ${found.dtype} [${found.shape.join(', ')}]` : 'missing'}, expected ${dtype} [${shape.join(', ')}]`,
      );
    return found;
  };
  const floats = (name: string, shape: readonly number[]): Tensor => {
    const tensor = toTensor(entry(name, 'F32', shape));
    if (!tensor.data.every(Number.isFinite)) return fail(`tensor "${name}" is not finite`);
    return tensor;
  };
  const filters = new Map<string, QuantizedFilter>();
  for (const [node, shape] of parts.filters) {
    const names = namesOf(node);
    const outputs = [shape[0] as number];
    const { bytes: stored } = entry(names.values, 'I8', shape);
    // not slice(): a Buffer's shares its memory with the whole file
    const values = Int8Array.from(new Int8Array(stored.buffer, stored.byteOffset, stored.byteLength));
    if (values.includes(-128)) fail(`tensor "${names.values}" holds -128, expected -127 to 127`);
    const { data: scales } = floats(names.scales, outputs);
    if (!scales.every(isScale)) fail(`tensor "${names.scales}" holds no scales`);
    filters.set(node, { values, scales, bias: floats(names.bias, outputs).data });
  }
  const weights = new Map<string, Tensor>();
  for (const name of parts.parameters) weights.set(name, floats(name, graph.parameters[name]?.shape ?? []));
  const values = new Map<string, readonly ScaleRun[]>();
  for (const [name, channels] of parts.values) {
    const given = Object.hasOwn(json.values, name) ? json.values[name] : undefined;
    values.set(name, readRuns(name, given, channels));
  }
  if (json.outputNames.length !== graph.outputs.length) fail('outputNames do not fit the outputs');
  return { graph, outputNames: json.outputNames, weights, filters, values };
}
