/**
 * The state of reading an ONNX graph: named values, the graph that grows, its weights. Operators' readers get values
 * from here, give values back, and ask for a map (a node of the graph) where they need one; then waiting reshapes and
 * formulas are written out. Knows no operator.
 */
import { FormatError } from '../../errors.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Parameter, Tensor } from '../../graph/graph.js';
import type { Node } from '../../graph/nodes.js';
import { type OnnxFileTensor, onnxLimits } from './decode.js';
import { writeFormula } from './formula.js';
import type { GraphWriter } from './graph-writer.js';
import { type Operation, Unsupported } from './operation.js';
import { type Constant, type ExternalData, isFloat, readTensor } from './tensor-data.js';
import { type Value, type ViewValue, valueShape, wholeView } from './values.js';
import { writeView } from './write-view.js';

/** A named value; names that mean the same value share a cell. */
interface Cell {
  value: Value | { readonly kind: 'tensor'; readonly tensor: OnnxFileTensor };
  /** Name for the node that it may become. */
  readonly name: string;
  /** Position in the file of what makes it. */
  readonly position: number;
}

export class Importer implements GraphWriter {
  readonly builder: GraphBuilder;
  readonly weights = new Map<string, Tensor>();
  /** How many nodes of the file read a value. */
  readonly readers: (name: string) => number;
  /** N that the file states, or 1 when it is free. Values here are of one image. */
  batch = 1;
  readonly #cells = new Map<string, Cell>();
  readonly #external: ExternalData | undefined;
  readonly #taken = new Set<string>();
  #made = 0;
  #folded = 0;
  readonly #nodes = new Map<string, Node>();
  readonly #positions = new Map<string, number>();
  /** Position in the file of the node that is being read. */
  position = -1;

  constructor(name: string, readers: (name: string) => number, external: ExternalData | undefined) {
    this.readers = readers;
    this.builder = new GraphBuilder(name);
    this.#external = external;
  }

  /** Room for `count` elements that the file does not hold itself. Throws `Unsupported` beyond the limit. */
  reserve(count: number): void {
    this.#made += count;
    if (this.#made > onnxLimits.made)
      this.refuse(`needs ${this.#made} elements of made-up weights, at most ${onnxLimits.made} are made`);
  }

  /** Work of folding constants. Throws `Unsupported` beyond the limit. */
  spend(count: number): void {
    this.#folded += count;
    if (this.#folded > onnxLimits.folded)
      this.refuse(`folding constants takes more than ${onnxLimits.folded} elements`);
  }

  /** `wanted`, or with a number behind when it is taken. */
  unique(wanted: string): string {
    let name = wanted === '' ? 'node' : wanted;
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}.${i}`;
    this.#taken.add(name);
    return name;
  }

  isKnown(name: string): boolean {
    return this.#cells.has(name);
  }

  /** Gives a name its value. Throws FormatError `ONNX_GRAPH` when it has one. */
  define(name: string, value: Value, nodeName = name): void {
    this.#set(name, { value, name: nodeName, position: this.position });
  }

  /** Gives an operation's first output its value, to be written under the operation's name when needed. */
  defineValue(op: Operation, value: Value): void {
    this.define(op.file.outputs[0] ?? '', value, op.name);
  }

  /** Makes a node the operation's first output. */
  defineNode(op: Operation, node: string): void {
    this.defineValue(op, wholeView(node, this.builder.shape(node)));
  }

  defineTensor(tensor: OnnxFileTensor): void {
    this.#set(tensor.name, {
      value: { kind: 'tensor', tensor },
      name: tensor.name,
      position: this.position,
    });
  }

  /** Makes `name` another name of the value `same`. */
  alias(name: string, same: string): void {
    this.#set(name, this.#cell(same));
  }

  #set(name: string, cell: Cell): void {
    if (this.#cells.has(name))
      throw new FormatError('ONNX_GRAPH', `ONNX: two nodes, inputs or initializers make "${name}"`);
    this.#cells.set(name, cell);
  }

  #cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (!cell) throw new Unsupported(`an input is missing`);
    return cell;
  }

  /** A value by name. Throws `Unsupported` when the input is left out. */
  value(name: string): Value {
    const cell = this.#cell(name);
    if (cell.value.kind !== 'tensor') return cell.value;
    const value: Value = { kind: 'constant', constant: readTensor(cell.value.tensor, this.#external) };
    cell.value = value;
    return value;
  }

  /** The shape of a value for one image. Throws `Unsupported`. */
  shape(name: string): readonly number[] {
    return valueShape(this.value(name)) ?? [];
  }

  /** The tensor of a constant, or undefined when the value comes from the network's input. */
  constant(name: string): Constant | undefined {
    const value = this.value(name);
    return value.kind === 'constant' ? value.constant : undefined;
  }

  /** A constant that an operator needs as one. Throws `Unsupported` naming `what`. */
  needConstant(name: string, what: string): Constant {
    return this.constant(name) ?? this.refuse(`must be a constant, not computed from the input`, what);
  }

  /** Whole numbers of a constant. Throws `Unsupported`. */
  needInts(name: string, what: string): number[] {
    return [...this.needConstant(name, what).data];
  }

  refuse(reason: string, attribute?: string): never {
    throw new Unsupported(reason, attribute);
  }

  /** The value as a view: a constant's is refused; formulas and the like are written out first. */
  view(name: string): ViewValue {
    const { value } = this.#cell(name);
    if (value.kind === 'view') return value;
    const node = this.map(name);
    return wholeView(node, this.builder.shape(node));
  }

  /** The node that makes a value, [N, C, H, W] or [N, F]; written out once. Throws `Unsupported`. */
  map(name: string): string {
    const cell = this.#cell(name);
    // what waited takes its place in the file's order
    const { position } = this;
    this.position = cell.position;
    const node = this.write(this.value(name), cell.name);
    this.position = position;
    cell.value = wholeView(node, this.builder.shape(node));
    return node;
  }

  /** Writes a value out as nodes, the last of which gets `name` when it is free. Throws `Unsupported`. */
  write(value: Value, name: string): string {
    switch (value.kind) {
      case 'view':
        return writeView(this, value, name);
      case 'formula':
        return writeFormula(this, value, name);
      case 'padded': {
        if (value.fill !== 'zero') this.refuse('a padding of -infinity must go into a max pool');
        const channels = value.shape[1]!;
        this.reserve(channels);
        const ones = new Float32Array(channels).fill(1);
        return this.fixedFilter(name, value.base, ones, [1, 1], value.padding);
      }
      case 'product':
        return this.linear(name, value.base, value.weight, value.weightName, undefined, '');
      case 'constant':
        return this.refuse('a constant stands where a value computed from the input is expected');
      default:
        return this.refuse('its input is not supported');
    }
  }

  /** A depthwise convolution with filters that are not learned, [C, 1, kh, kw]. */
  fixedFilter(
    name: string,
    x: string,
    data: Float32Array,
    kernel: readonly [number, number],
    padding: readonly [number, number, number, number],
    stride: readonly [number, number] = [1, 1],
  ): string {
    const channels = this.builder.channels(x);
    const weight = this.parameter(`${name}.weight`, [channels, 1, ...kernel], data);
    return this.add(
      {
        kind: 'conv2d',
        name: this.unique(name),
        inputs: [x],
        inChannels: channels,
        outChannels: channels,
        kernel,
        stride,
        padding,
        dilation: [1, 1],
        groups: channels,
        weight,
      },
      { [weight]: { shape: [channels, 1, ...kernel], role: 'constant' } },
    );
  }

  linear(
    name: string,
    x: string,
    weight: Constant,
    weightName: string,
    bias: Float32Array | undefined,
    biasName: string,
  ): string {
    const [outFeatures = 0, inFeatures = 0] = weight.shape;
    const weightKey = this.parameter(weightName, weight.shape, weight.data);
    const biasKey = bias && this.parameter(biasName || `${name}.bias`, [outFeatures], bias);
    return this.add(
      {
        kind: 'linear',
        name: this.unique(name),
        inputs: [x],
        inFeatures,
        outFeatures,
        weight: weightKey,
        ...(biasKey === undefined ? {} : { bias: biasKey }),
      },
      {
        [weightKey]: { shape: weight.shape, role: 'weight' },
        ...(biasKey === undefined ? {} : { [biasKey]: { shape: [outFeatures], role: 'bias' as const } }),
      },
    );
  }

  /**
   * Keeps a weight under a name, or under that name with a number behind when another holds it; equal values of one
   * shape share a name. Throws FormatError `WEIGHTS_NOT_FINITE`.
   */
  parameter(wanted: string, shape: readonly number[], data: Float32Array | Float64Array): string {
    const values = data instanceof Float32Array ? data : Float32Array.from(data);
    for (let i = 1; ; i++) {
      const name = i === 1 ? wanted : `${wanted}.${i}`;
      const known = this.weights.get(name);
      if (!known) {
        this.weights.set(name, { shape: [...shape], data: values });
        return name;
      }
      const same = known.shape.join() === shape.join() && known.data.every((value, k) => value === values[k]);
      if (same) return name;
    }
  }

  /** A weight from an initializer: floats of the shape wanted. Throws `Unsupported`. */
  needFloats(name: string, what: string, shape?: readonly number[]): Constant {
    const constant = this.needConstant(name, what);
    if (!isFloat(constant)) this.refuse('must hold floats', what);
    if (shape && constant.shape.join() !== shape.join())
      this.refuse(`has shape [${constant.shape.join(', ')}], expected [${shape.join(', ')}]`, what);
    return constant;
  }

  /** Adds a node; sizes beyond the limit are refused. Throws RangeError of the builder, FormatError `ONNX_LIMIT`. */
  add(node: Node, parameters: Readonly<Record<string, Parameter>> = {}): string {
    this.builder.addNode(node, parameters);
    this.#nodes.set(node.name, node);
    this.#positions.set(node.name, this.position);
    const count = this.builder.shape(node.name).reduce((a, b) => a * b, 1);
    if (count > onnxLimits.elements)
      throw new FormatError(
        'ONNX_LIMIT',
        `ONNX: node "${node.name}" makes ${count} elements, at most ${onnxLimits.elements} are handled`,
      );
    return node.name;
  }

  /** The graph node of a name that `add` made. */
  node(name: string): Node | undefined {
    return this.#nodes.get(name);
  }

  /** Nodes in the order of the file, which is a topological one. */
  inFileOrder(nodes: readonly Node[]): readonly Node[] {
    const at = (node: Node): number => this.#positions.get(node.name) ?? -1;
    return [...nodes].sort((a, b) => at(a) - at(b));
  }
}
