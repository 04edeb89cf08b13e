/**
 * One node of an ONNX file as the operators' readers see it: its attributes by name and kind, and which of them nobody
 * asked for. An attribute that no reader knows is never passed over in silence. Also the error for what is not supported.
 */
import type { OnnxFileAttribute, OnnxFileNode, OnnxFileTensor } from './decode.js';
import { attributeTypes } from './schema.js';

/** Something that the file asks for and this package cannot do. */
export interface OnnxUnsupported {
  /** The node's name. */
  readonly node: string;
  readonly op: string;
  /** The attribute or input at fault, when it is one. */
  readonly attribute?: string;
  readonly reason: string;
}

/** Thrown by readers of operators; import.ts collects them. */
export class Unsupported extends Error {
  readonly attribute: string | undefined;
  constructor(reason: string, attribute?: string) {
    super(reason);
    this.attribute = attribute;
  }
}

/** Attributes of old or of training files that change nothing. */
const harmless: ReadonlySet<string> = new Set(['consumed_inputs', 'is_test']);

export class Operation {
  readonly #attributes: ReadonlyMap<string, OnnxFileAttribute>;
  readonly #asked = new Set<string>();
  readonly file: OnnxFileNode;
  /** Version of the operators. */
  readonly opset: number;
  /** Name of the graph node to be made; unique. */
  readonly name: string;

  constructor(file: OnnxFileNode, opset: number, name: string) {
    this.file = file;
    this.opset = opset;
    this.name = name;
    this.#attributes = new Map(file.attributes.map((attribute) => [attribute.name, attribute]));
  }

  get inputs(): readonly string[] {
    return this.file.inputs;
  }

  /** Name of an input, or '' when it is left out. */
  input(index: number): string {
    return this.file.inputs[index] ?? '';
  }

  has(name: string): boolean {
    return this.#attributes.has(name);
  }

  #get(name: string, types: readonly number[], kind: string): OnnxFileAttribute | undefined {
    this.#asked.add(name);
    const attribute = this.#attributes.get(name);
    // files of IR version 1 leave the type out
    if (attribute && attribute.type !== 0 && !types.includes(attribute.type))
      throw new Unsupported(`is not ${kind}`, name);
    return attribute;
  }

  int(name: string, otherwise: number): number {
    return this.#get(name, [attributeTypes.int], 'a whole number')?.int ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.#get(name, [attributeTypes.float], 'a number')?.float ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    return this.#get(name, [attributeTypes.string], 'text')?.text ?? otherwise;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#get(name, [attributeTypes.ints], 'a list of whole numbers')?.ints;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#get(name, [attributeTypes.floats], 'a list of numbers')?.floats;
  }

  tensor(name: string): OnnxFileTensor | undefined {
    return this.#get(name, [attributeTypes.tensor], 'a tensor')?.tensor;
  }

  /** Refuses an attribute whose value is not the only one that is supported. Throws `Unsupported`. */
  only(name: string, given: number | string, supported: number | string): void {
    if (given !== supported) throw new Unsupported(`is ${given}, only ${supported} is supported`, name);
  }

  /** Attributes that no one asked for. */
  unread(): string[] {
    return [...this.#attributes.keys()].filter((name) => !this.#asked.has(name) && !harmless.has(name));
  }
}
