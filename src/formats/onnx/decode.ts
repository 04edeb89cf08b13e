/**
 * The bytes of an ONNX file to plain records: nodes, initialisers, inputs and outputs, with 64-bit numbers as numbers.
 * Counts and lengths are looked at before anything is made of them, since files may come from anywhere. What operators
 * mean is not known here; tensors' values are read by tensor-data.ts.
 */
import protobuf from 'protobufjs/light.js';
import { FormatError } from '../../errors.js';
import { OnnxModel } from './schema.js';

/** What is read at most; more gives FormatError `ONNX_LIMIT`. */
export const onnxLimits = {
  /** Nodes, attributes, tensors, dimensions and other messages of a file. */
  messages: 1_000_000,
  /** 64-bit whole numbers in fields of their own (raw bytes do not count). */
  integers: 4_000_000,
  /** Nodes of the graph. */
  nodes: 50_000,
  /** Elements of one tensor or feature map. */
  elements: 2 ** 31 - 1,
  /** Elements of filters, affine steps and orders that the import makes up beside the file's own weights. */
  made: 2 ** 24,
  /** Elements that folding constants may compute. */
  folded: 2 ** 30,
  /** Characters of a name. */
  name: 4096,
} as const;

export interface OnnxFileTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** TensorProto.DataType. */
  readonly dataType: number;
  readonly rawData: Uint8Array | undefined;
  readonly floats: readonly number[];
  readonly doubles: readonly number[];
  readonly int32s: readonly number[];
  readonly int64s: readonly number[];
  readonly uint64s: readonly number[];
  /** Key-value pairs that say where the values lie, when they are not in the file. */
  readonly external: ReadonlyMap<string, string> | undefined;
}

export interface OnnxFileAttribute {
  readonly name: string;
  readonly type: number;
  readonly float: number;
  readonly int: number;
  readonly text: string;
  readonly tensor: OnnxFileTensor | undefined;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
}

export interface OnnxFileNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly OnnxFileAttribute[];
}

/** An input, output or inner value: `shape` has numbers, names of free dimensions, or undefined for unknown ones. */
export interface OnnxFileValue {
  readonly name: string;
  readonly elementType: number;
  readonly shape: readonly (number | string | undefined)[] | undefined;
}

export interface OnnxFile {
  readonly irVersion: number;
  readonly producer: string;
  /** Version of the standard operators (domain `` or `ai.onnx`). */
  readonly opset: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly name: string;
  readonly nodes: readonly OnnxFileNode[];
  readonly initializers: readonly OnnxFileTensor[];
  readonly sparseInitializers: number;
  readonly inputs: readonly OnnxFileValue[];
  readonly outputs: readonly OnnxFileValue[];
  readonly inner: readonly OnnxFileValue[];
}

/** protobufjs gives 64-bit numbers as objects with `toNumber`. */
type Wide = number | { toNumber(): number };
type Message = Record<string, unknown>;

const wide = (value: unknown): number =>
  typeof value === 'number' ? value : (value as Exclude<Wide, number>).toNumber();
const wides = (value: unknown): number[] => (value as readonly Wide[]).map(wide);
const list = (value: unknown): readonly Message[] => value as readonly Message[];

/** Counts what decoding would make. Throws what the protobuf reader throws, and FormatError `ONNX_LIMIT`. */
function survey(bytes: Uint8Array): void {
  const reader = protobuf.Reader.create(bytes);
  let [messages, integers] = [0, 0];
  const walk = (type: protobuf.Type, end: number): void => {
    if (++messages > onnxLimits.messages) refuse('messages', onnxLimits.messages);
    while (reader.pos < end) {
      const tag = reader.uint32();
      const field = type.fieldsById[tag >>> 3]?.resolve();
      const isWide = field?.repeated && (field.type === 'int64' || field.type === 'uint64');
      if (field?.resolvedType instanceof protobuf.Type && (tag & 7) === 2) {
        const length = reader.uint32();
        const inner = reader.pos + length;
        if (inner > end) throw new RangeError('index out of range');
        walk(field.resolvedType, inner);
        continue;
      }
      const before = reader.pos;
      reader.skipType(tag & 7);
      if (isWide) integers += (tag & 7) === 2 ? reader.pos - before : 1;
      if (integers > onnxLimits.integers) refuse('64-bit numbers outside raw data', onnxLimits.integers);
    }
    if (reader.pos !== end) throw new RangeError('index out of range');
  };
  walk(OnnxModel, bytes.length);
}

function refuse(what: string, most: number): never {
  throw new FormatError('ONNX_LIMIT', `ONNX: the file has more than ${most} ${what}; none is read`);
}

function tensor(message: Message): OnnxFileTensor {
  const external = list(message['externalData']);
  return {
    name: name(message['name']),
    dims: wides(message['dims']),
    dataType: message['dataType'] as number,
    rawData: Object.hasOwn(message, 'rawData') ? (message['rawData'] as Uint8Array) : undefined,
    floats: message['floatData'] as readonly number[],
    doubles: message['doubleData'] as readonly number[],
    int32s: message['int32Data'] as readonly number[],
    int64s: wides(message['int64Data']),
    uint64s: wides(message['uint64Data']),
    external:
      message['dataLocation'] === 1
        ? new Map(external.map((entry) => [entry['key'] as string, entry['value'] as string]))
        : undefined,
  };
}

function name(value: unknown): string {
  const text = value as string;
  if (text.length > onnxLimits.name)
    throw new FormatError(
      'ONNX_LIMIT',
      `ONNX: a name of ${text.length} characters, at most ${onnxLimits.name} are read: "${text.slice(0, 40)}..."`,
    );
  return text;
}

const decoder = new TextDecoder();

function attribute(message: Message): OnnxFileAttribute {
  return {
    name: name(message['name']),
    type: message['type'] as number,
    float: message['f'] as number,
    int: wide(message['i']),
    text: decoder.decode(Uint8Array.from((message['s'] as Uint8Array).slice(0, onnxLimits.name))),
    tensor: message['t'] ? tensor(message['t'] as Message) : undefined,
    floats: message['floats'] as readonly number[],
    ints: wides(message['ints']),
  };
}

function node(message: Message): OnnxFileNode {
  return {
    name: name(message['name']),
    op: name(message['opType']),
    domain: name(message['domain']),
    inputs: (message['input'] as readonly unknown[]).map(name),
    outputs: (message['output'] as readonly unknown[]).map(name),
    attributes: list(message['attribute']).map(attribute),
  };
}

function value(message: Message): OnnxFileValue {
  const type = (message['type'] as Message | null)?.['tensorType'] as Message | null | undefined;
  const shape = type?.['shape'] as Message | null | undefined;
  return {
    name: name(message['name']),
    elementType: (type?.['elemType'] as number | undefined) ?? 0,
    shape: shape
      ? list(shape['dim']).map((dim) => {
          if (Object.hasOwn(dim, 'dimValue')) return wide(dim['dimValue']);
          return Object.hasOwn(dim, 'dimParam') ? name(dim['dimParam']) : undefined;
        })
      : undefined,
  };
}

/**
 * Reads a whole file. Throws FormatError `ONNX_TORN` (no protobuf message, or a torn one), `ONNX_LIMIT`,
 * `ONNX_NO_GRAPH` or `ONNX_OPSET` (no version of the standard operators is named).
 */
export function decodeOnnx(bytes: Uint8Array): OnnxFile {
  let message: Message;
  try {
    survey(bytes);
    message = OnnxModel.decode(bytes) as unknown as Message;
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError('ONNX_TORN', `ONNX: the file is torn or not ONNX: ${(cause as Error).message}`, {
      cause,
    });
  }
  const graph = message['graph'] as Message | null;
  if (!graph) throw new FormatError('ONNX_NO_GRAPH', 'ONNX: the file holds no graph');
  const opset = list(message['opsetImport']).find((entry) =>
    ['', 'ai.onnx'].includes(entry['domain'] as string),
  );
  if (!opset)
    throw new FormatError('ONNX_OPSET', 'ONNX: the file does not say which version of the operators it uses');
  if (list(graph['node']).length > onnxLimits.nodes) refuse('nodes', onnxLimits.nodes);
  return {
    irVersion: wide(message['irVersion']),
    producer: [message['producerName'], message['producerVersion']].filter(Boolean).join(' '),
    opset: wide(opset['version']),
    metadata: new Map(
      list(message['metadataProps']).map((entry) => [entry['key'] as string, entry['value'] as string]),
    ),
    name: name(graph['name']),
    nodes: list(graph['node']).map(node),
    initializers: list(graph['initializer']).map(tensor),
    sparseInitializers: (graph['sparseInitializer'] as readonly unknown[]).length,
    inputs: list(graph['input']).map(value),
    outputs: list(graph['output']).map(value),
    inner: list(graph['valueInfo']).map(value),
  };
}
