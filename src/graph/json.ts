/**
 * A graph as stable JSON and back: same graph, same text, whatever built it. The reader trusts nothing: the text may
 * come from a model file. Weights are not part of it.
 */
import { FormatError } from '../errors.js';
import type { GhostModuleInfo, Graph, GraphMeta } from './graph.js';
import { makeGraph } from './graph.js';
import { activationNames, type Node, nodeKinds } from './nodes.js';
import { inferShapes } from './shapes.js';

/** Raised when the meaning of the JSON changes; readers refuse newer ones. */
export const graphVersion = 1;

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sortKeys(item)]),
  );
}

/** The graph as JSON text with sorted keys; `space` as JSON.stringify's. */
export function toJson(graph: Graph, space?: number): string {
  return JSON.stringify(sortKeys({ version: graphVersion, ...graph }), null, space);
}

type Check = (value: unknown) => boolean;
const isString: Check = (value) => typeof value === 'string' && value.length <= 4096;
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isBoolean: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 2 ** 31;
const isPositive: Check = (value) => isCount(value) && (value as number) > 0;
const listOf =
  (check: Check, length?: number): Check =>
  (value) =>
    Array.isArray(value) && (length === undefined || value.length === length) && value.every(check);
const isInteger: Check = (value) => Number.isInteger(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const windowFields = {
  kernel: listOf(isPositive, 2),
  stride: listOf(isPositive, 2),
  padding: listOf(isCount, 4),
};
const nodeFields: Readonly<Record<Node['kind'], Readonly<Record<string, Check>>>> = {
  input: { shape: listOf(isPositive) },
  conv2d: {
    inChannels: isPositive,
    outChannels: isPositive,
    ...windowFields,
    dilation: listOf(isPositive, 2),
    groups: isPositive,
    weight: isString,
    bias: optional(isString),
  },
  batchNorm: {
    channels: isPositive,
    eps: isNumber,
    momentum: isNumber,
    scale: isString,
    shift: isString,
    mean: isString,
    variance: isString,
  },
  activation: { function: (value) => (activationNames as readonly unknown[]).includes(value) },
  add: {},
  mul: {},
  concat: {},
  slice: { start: isCount, end: isPositive },
  padChannels: { before: isCount, after: isCount },
  shuffle: { groups: isPositive },
  permuteChannels: { order: listOf(isCount) },
  shift: { offsets: listOf(listOf(isInteger, 2)) },
  maxPool: { ...windowFields, ceilMode: isBoolean },
  avgPool: { ...windowFields, ceilMode: isBoolean, countIncludePad: isBoolean },
  globalAvgPool: {},
  flatten: {},
  linear: { inFeatures: isPositive, outFeatures: isPositive, weight: isString, bias: optional(isString) },
  softmax: {},
  upsample: { scale: listOf(isPositive, 2) },
  dropout: { rate: isNumber },
  identity: {},
};
const roles = ['weight', 'bias', 'scale', 'shift', 'statistic', 'constant'];
const cheapOperations = ['depthwise', 'identity', 'affine', 'haar', 'shift'];
const ghostFields: Readonly<Record<string, Check>> = {
  name: isString,
  input: isString,
  output: isString,
  nodes: listOf(isString),
  inChannels: isPositive,
  outChannels: isPositive,
  intrinsicChannels: isPositive,
  ratio: isPositive,
  kernel: isPositive,
  cheapKernel: isPositive,
  cheapOperation: (value) => cheapOperations.includes(value as string),
};
const preprocessingFields: Readonly<Record<string, Check>> = {
  resizeShortSide: optional(isPositive),
  interpolation: (value) => value === 'bilinear' || value === 'bicubic',
  keepSize: optional(isBoolean),
  cropRounding: optional((value) => value === 'even' || value === 'down'),
  shrink: optional((value) => isPositive(value) && (value as number) <= 64),
  mean: listOf(isNumber),
  std: listOf((value) => isNumber(value) && (value as number) > 0),
};

/**
 * The graph in JSON text made by `toJson`; checked field by field, then by shape inference.
 * Throws FormatError `GRAPH_JSON` (not our JSON, a wrong field), `GRAPH_VERSION` (written by a newer version),
 * RangeError `GRAPH_INVALID` or `SHAPE_MISMATCH`.
 */
export function fromJson(text: string): Graph {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError('GRAPH_JSON', `graph: not JSON: ${(cause as Error).message}`, { cause });
  }
  return fromJsonValue(value);
}

function fail(what: string): never {
  throw new FormatError('GRAPH_JSON', `graph: ${what}`);
}

function fields(where: string, record: unknown, checks: Readonly<Record<string, Check>>): void {
  const entries = isRecord(record) ? record : fail(`${where}: expected an object`);
  for (const [key, check] of Object.entries(checks))
    if (!check(entries[key]))
      fail(
        `${where}: field "${key}": given ${JSON.stringify(entries[key])?.slice(0, 80)}, which is not valid`,
      );
}

/** Preprocessing, labels and notes from a parsed JSON value. Throws FormatError `GRAPH_JSON`. */
export function readMeta(value: unknown): GraphMeta {
  fields('meta', value, { labels: optional(listOf(isString)), notes: optional(isRecord) });
  const { preprocessing } = value as Record<string, unknown>;
  if (preprocessing !== undefined) fields('preprocessing', preprocessing, preprocessingFields);
  return value as GraphMeta;
}

/** Ghost modules' records from a parsed JSON value. Throws FormatError `GRAPH_JSON`. */
export function readGhostModules(value: unknown): readonly GhostModuleInfo[] {
  if (!Array.isArray(value)) return fail('ghost modules: expected a list');
  for (const info of value as unknown[]) fields('ghost module', info, ghostFields);
  return value as GhostModuleInfo[];
}

function fromJsonValue(value: unknown): Graph {
  if (!isRecord(value)) return fail('expected an object');
  if (value['version'] !== graphVersion)
    throw new FormatError(
      'GRAPH_VERSION',
      `graph: version ${JSON.stringify(value['version'])?.slice(0, 80)}, this release reads version ${graphVersion}; use a newer release`,
    );
  fields('graph', value, {
    name: isString,
    outputs: listOf(isString),
    nodes: Array.isArray,
    ghostModules: Array.isArray,
  });
  for (const node of value['nodes'] as unknown[]) {
    fields('node', node, {
      kind: (kind) => (nodeKinds as readonly unknown[]).includes(kind),
      name: isString,
    });
    const record = node as Record<string, unknown>;
    fields(`node "${record['name']}"`, node, {
      inputs: listOf(isString),
      ...nodeFields[record['kind'] as Node['kind']],
    });
  }
  if (!isRecord(value['parameters'])) fail('field "parameters": expected an object');
  const parameters = Object.entries(value['parameters'] as Record<string, unknown>);
  for (const [name, parameter] of parameters)
    fields(`parameter "${name}"`, parameter, {
      shape: listOf(isPositive),
      role: (r) => roles.includes(r as string),
    });
  const meta = readMeta(value['meta'] ?? {});
  const graph = makeGraph({
    name: value['name'] as string,
    nodes: value['nodes'] as Node[],
    outputs: value['outputs'] as string[],
    parameters: value['parameters'] as Graph['parameters'],
    ghostModules: readGhostModules(value['ghostModules']),
    meta,
  });
  checkWeightShapes(graph);
  inferShapes(graph);
  return graph;
}

/** Parameters must have the shapes that their nodes imply. */
function checkWeightShapes(graph: Graph): void {
  const expectShape = (name: string, shape: readonly number[]): void => {
    const given = graph.parameters[name]?.shape ?? [];
    if (given.join() !== shape.join())
      fail(`parameter "${name}": given shape [${given.join(', ')}], expected [${shape.join(', ')}]`);
  };
  for (const node of graph.nodes) {
    if (node.kind === 'conv2d') {
      if (node.inChannels % node.groups !== 0 || node.outChannels % node.groups !== 0)
        fail(
          `node "${node.name}": groups = ${node.groups} must divide ${node.inChannels} and ${node.outChannels}`,
        );
      expectShape(node.weight, [node.outChannels, node.inChannels / node.groups, ...node.kernel]);
      if (node.bias !== undefined) expectShape(node.bias, [node.outChannels]);
    } else if (node.kind === 'linear') {
      expectShape(node.weight, [node.outFeatures, node.inFeatures]);
      if (node.bias !== undefined) expectShape(node.bias, [node.outFeatures]);
    } else if (node.kind === 'batchNorm') {
      for (const name of [node.scale, node.shift, node.mean, node.variance])
        expectShape(name, [node.channels]);
    }
  }
}
