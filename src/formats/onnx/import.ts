/**
 * An ONNX file to a graph and weights: convolutional networks of the standard operators, opset 7 to the newest known.
 * Everything that the file asks for and this package cannot do is collected and told at once, by node, operator and
 * attribute. The batch dimension becomes free, whatever the file says.
 */
import { errorCode, FormatError } from '../../errors.js';
import { type Graph, makeGraph, nodeParameters, type Weights } from '../../graph/graph.js';
import { checkFinite } from '../model-file.js';
import { decodeOnnx, type OnnxFile, type OnnxFileNode, type OnnxFileValue, onnxLimits } from './decode.js';
import { foldOperation } from './fold.js';
import { Importer } from './importer.js';
import { metaFromOnnx, modulesFromOnnx } from './metadata.js';
import { type OnnxUnsupported, Operation, Unsupported } from './operation.js';
import { checkAttributes, keepsShape } from './operators/attribute-rules.js';
import { operators } from './operators/index.js';
import { type ExternalData, isFloatType, typeName } from './tensor-data.js';
import { transposeView, valueShape, wholeView } from './values.js';

/** Versions of the standard operators that are read. */
export const onnxOpsets = { oldest: 7, newest: 26 } as const;

export interface OnnxImportOptions {
  /** Sizes [C, H, W] of inputs by name, for files that leave them free. */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** Sizes [C, H, W] of inputs that the file leaves free and `inputShapes` does not name. */
  readonly inputShape?: readonly number[];
  /** Reads the files in which a model keeps its weights beside itself; `readModelFile` gives one that stays in the folder. */
  readonly external?: ExternalData;
  /** Takes weights that hold NaN or infinities. Default false. */
  readonly allowNonFinite?: boolean;
}

export interface OnnxModelContents {
  readonly graph: Graph;
  readonly weights: Weights;
}

/**
 * Graph and weights of an ONNX file. Throws FormatError `ONNX_UNSUPPORTED` (all that is not supported, the first in
 * full), `ONNX_TORN`, `ONNX_GRAPH` (names that nobody makes, or twice, cycles, shapes that do not fit), `ONNX_TENSOR`,
 * `ONNX_LIMIT`, `ONNX_OPSET`, `ONNX_INPUT_SHAPE`, `ONNX_EXTERNAL_DATA`, `WEIGHTS_NOT_FINITE`.
 */
export function importOnnx(bytes: Uint8Array, options: OnnxImportOptions = {}): OnnxModelContents {
  const { model, unsupported } = readOnnx(decodeOnnx(bytes), options);
  if (model) return model;
  const [first] = unsupported;
  const more =
    unsupported.length > 1 ? `; and ${unsupported.length - 1} more ("ghostnet inspect" lists all)` : '';
  throw new FormatError('ONNX_UNSUPPORTED', `ONNX: ${describeUnsupported(first!)}${more}`);
}

/** One line for people: node, operator, attribute and reason. */
export function describeUnsupported({ node, op, attribute, reason }: OnnxUnsupported): string {
  return `node "${node}" (${op})${attribute === undefined ? '' : `, ${attribute}`}: ${reason}`;
}

/** A decoded file to a model, or to the list of what is not supported. Throws like `importOnnx` otherwise. */
export function readOnnx(
  file: OnnxFile,
  options: OnnxImportOptions = {},
): { readonly model?: OnnxModelContents; readonly unsupported: readonly OnnxUnsupported[] } {
  if (!(file.opset >= onnxOpsets.oldest && file.opset <= onnxOpsets.newest))
    throw new FormatError(
      'ONNX_OPSET',
      `ONNX: operators of version ${file.opset}, ${onnxOpsets.oldest} to ${onnxOpsets.newest} are read; save the model with a version between`,
    );
  const uses = consumers(file);
  const importer = new Importer(file.name || 'onnx', (name) => uses.get(name)?.length ?? 0, options.external);
  const unsupported: OnnxUnsupported[] = [];
  if (file.sparseInitializers > 0)
    unsupported.push({
      node: file.name,
      op: 'graph',
      attribute: 'sparse_initializer',
      reason: 'is not supported',
    });
  for (const tensor of file.initializers) importer.defineTensor(tensor);
  for (const input of file.inputs)
    if (!importer.isKnown(input.name)) defineInput(importer, input, uses.get(input.name) ?? [], options);
  const inner = new Map(file.inner.map((value) => [value.name, value]));
  const outputs = new Set(file.outputs.map((output) => output.name));
  const produced = new Set(file.nodes.flatMap((node) => node.outputs));
  for (const [position, node] of file.nodes.entries()) {
    importer.position = position;
    const name = nodeName(node, outputs);
    try {
      checkInputs(importer, node, produced);
      for (const extra of node.outputs.slice(node.op === 'Split' ? node.outputs.length : 1))
        if (extra !== '' && (uses.has(extra) || outputs.has(extra)))
          throw new Unsupported(`its output "${extra}" is used, only the first is supported`);
      readNode(new Operation(node, file.opset, name), importer);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw asFormatError(error, node);
      const { attribute, message: reason } = error;
      // what follows from something unsupported is not its own fault
      if (reason !== follows)
        unsupported.push({
          node: node.name || name,
          op: node.op,
          reason,
          ...(attribute === undefined ? {} : { attribute }),
        });
      for (const output of node.outputs)
        if (output !== '' && !importer.isKnown(output))
          definePlaceholder(importer, output, inner.get(output), node);
    }
  }
  importer.position = file.nodes.length;
  const results = file.outputs.map((output) => writeOutput(importer, output.name, unsupported));
  if (unsupported.length > 0) return { unsupported };
  return { model: finish(importer, results, file, options), unsupported };
}

const follows = 'one of its inputs is not supported';

function consumers(file: OnnxFile): Map<string, OnnxFileNode[]> {
  const uses = new Map<string, OnnxFileNode[]>();
  for (const node of file.nodes)
    for (const input of new Set(node.inputs)) {
      const list = uses.get(input);
      if (list) list.push(node);
      else uses.set(input, [node]);
    }
  return uses;
}

/** The name of the node to be made: that of the network's output, of the file's node, or of its value. */
function nodeName(node: OnnxFileNode, outputs: ReadonlySet<string>): string {
  const value = node.outputs[0] ?? '';
  if (outputs.has(value)) return value;
  const name = node.name || value || node.op;
  return outputs.has(name) ? `${name}.node` : name;
}

function checkInputs(importer: Importer, node: OnnxFileNode, produced: ReadonlySet<string>): void {
  for (const input of node.inputs) {
    if (input === '' || importer.isKnown(input)) continue;
    const why = produced.has(input)
      ? 'which is made later or by itself: the nodes are out of order or form a cycle'
      : 'which no node, input or initializer makes';
    throw new FormatError('ONNX_GRAPH', `ONNX: node "${node.name}" (${node.op}) reads "${input}", ${why}`);
  }
}

function readNode(op: Operation, importer: Importer): void {
  const { file } = op;
  const reader = operators.get(file.op);
  const standard = file.domain === '' || file.domain === 'ai.onnx';
  const inputs = op.inputs.filter((name) => name !== '').map((name) => importer.value(name));
  if (standard && inputs.length > 0 && inputs.every(({ kind }) => kind === 'constant')) {
    const constant = foldOperation(op, importer);
    if (constant) {
      const given = inputs.map((value) => (value.kind === 'constant' ? value.constant.data.length : 0));
      importer.spend(constant.data.length + given.reduce((a, b) => a + b, 0));
      if (constant.data.length > Math.max(...given)) importer.reserve(constant.data.length);
      importer.defineValue(op, { kind: 'constant', constant });
      return;
    }
  }
  if (!standard) throw new Unsupported(`the operator is of domain "${file.domain}"`);
  if (!reader) throw new Unsupported('the operator is not supported');
  checkAttributes(op);
  if (inputs.some(({ kind }) => kind === 'unknown')) throw new Unsupported(follows);
  if ((file.outputs[0] ?? '') === '') throw new Unsupported('it has no output');
  reader(op, importer);
  const [unread] = op.unread();
  if (unread !== undefined) throw new Unsupported('the attribute is not known', unread);
}

function asFormatError(error: unknown, node: OnnxFileNode): unknown {
  if (error instanceof RangeError && errorCode(error) !== undefined)
    return new FormatError('ONNX_GRAPH', `ONNX: node "${node.name}" (${node.op}): ${error.message}`, {
      cause: error,
    });
  return error;
}

/** Sizes of an input for one image. Throws FormatError `ONNX_INPUT_SHAPE` or `ONNX_LIMIT`. */
function inputSizes(input: OnnxFileValue, options: OnnxImportOptions): number[] {
  const refuse = (what: string): never => {
    throw new FormatError('ONNX_INPUT_SHAPE', `ONNX: input "${input.name}": ${what}`);
  };
  const { shape } = input;
  if (!isFloatType(input.elementType)) refuse(`is of ${typeName(input.elementType)}, expected a float type`);
  if (!shape || (shape.length !== 2 && shape.length !== 4))
    return refuse(`has ${shape ? shape.length : 'unknown'} dimensions, expected [N, C, H, W] or [N, C]`);
  const wanted = options.inputShapes?.[input.name] ?? options.inputShape;
  const sizes = shape.slice(1).map((size, axis) => {
    const chosen = typeof size === 'number' ? size : wanted?.[axis];
    if (chosen === undefined || !Number.isInteger(chosen) || chosen < 1)
      return refuse(
        `its shape [${shape.map((dim) => dim ?? '?').join(', ')}] leaves sizes free; say them: inputShape, or "ghostnet convert --input CxHxW"`,
      );
    return chosen;
  });
  if (sizes.reduce((a, b) => a * b, 1) > onnxLimits.elements)
    throw new FormatError(
      'ONNX_LIMIT',
      `ONNX: input "${input.name}" of [${sizes.join(', ')}], at most ${onnxLimits.elements} elements are handled`,
    );
  return sizes;
}

/** An input of [N, C, H, W] or [N, F]; of [N, H, W, C] when all that read it transpose it first. */
function defineInput(
  importer: Importer,
  input: OnnxFileValue,
  readers: readonly OnnxFileNode[],
  options: OnnxImportOptions,
): void {
  const sizes = inputSizes(input, options);
  const batch = input.shape?.[0];
  if (typeof batch === 'number' && batch > 1) importer.batch = batch;
  const turns = (node: OnnxFileNode): boolean =>
    node.op === 'Transpose' && node.attributes.find(({ name }) => name === 'perm')?.ints.join() === '0,3,1,2';
  const channelsLast = sizes.length === 3 && readers.length > 0 && readers.every(turns);
  const shape = channelsLast ? [sizes[2]!, sizes[0]!, sizes[1]!] : sizes;
  const name = importer.add({ kind: 'input', name: importer.unique(input.name), inputs: [], shape });
  const view = wholeView(name, [1, ...shape]);
  importer.define(input.name, channelsLast ? transposeView(view, [0, 2, 3, 1]) : view);
}

/** Stands for a value that could not be made, so that what follows can still be looked at. */
function definePlaceholder(
  importer: Importer,
  name: string,
  value: OnnxFileValue | undefined,
  maker: OnnxFileNode,
): void {
  const input = keepsShape.has(maker.op) ? maker.inputs[0] : undefined;
  const same = input === undefined ? undefined : valueShape(importer.value(input));
  const shape = (value?.shape ?? same)?.slice(1);
  const known = shape?.every((size): size is number => typeof size === 'number' && size >= 1 && size < 65536);
  if (!known || !shape || (shape.length !== 1 && shape.length !== 3)) {
    importer.define(name, { kind: 'unknown' });
    return;
  }
  const node = importer.add({
    kind: 'input',
    name: importer.unique(`${name}.unsupported`),
    inputs: [],
    shape,
  });
  importer.define(name, wholeView(node, importer.builder.shape(node)));
}

/** The node of a network's output, under the output's name; what waits is written out. */
function writeOutput(importer: Importer, name: string, unsupported: OnnxUnsupported[]): string {
  if (!importer.isKnown(name))
    throw new FormatError('ONNX_GRAPH', `ONNX: output "${name}" is made by no node`);
  try {
    if (importer.value(name).kind === 'unknown') return name;
    const node = importer.map(name);
    if (node === name) return node;
    return importer.add({ kind: 'identity', name: importer.unique(name), inputs: [node] });
  } catch (error) {
    if (!(error instanceof Unsupported)) throw asFormatError(error, { name, op: 'output' } as OnnxFileNode);
    unsupported.push({ node: name, op: 'output', reason: error.message });
    return name;
  }
}

/** The frozen graph of what the outputs need. */
function finish(
  importer: Importer,
  outputs: readonly string[],
  file: OnnxFile,
  options: OnnxImportOptions,
): OnnxModelContents {
  if (outputs.length === 0) throw new FormatError('ONNX_GRAPH', 'ONNX: the graph has no output');
  const whole = importer.builder.build(outputs);
  const needed = new Set(outputs);
  for (const node of whole.nodes.toReversed())
    if (needed.has(node.name)) for (const input of node.inputs) needed.add(input);
  const kept = whole.nodes.filter((node) => needed.has(node.name) || node.kind === 'input');
  const nodes = importer.inFileOrder(kept);
  const named = new Set(nodes.flatMap(nodeParameters));
  const weights = new Map([...importer.weights].filter(([name]) => named.has(name)));
  if (!options.allowNonFinite) checkFinite(weights);
  const parameters = Object.fromEntries(Object.entries(whole.parameters).filter(([name]) => named.has(name)));
  const ghostModules = modulesFromOnnx(file, new Set(nodes.map(({ name }) => name)));
  const meta = metaFromOnnx(file);
  return { graph: makeGraph({ ...whole, nodes, parameters, ghostModules, meta }), weights };
}
