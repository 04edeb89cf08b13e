/**
 * The container of a TFLite model: tensors, buffers, operators and their options as a flatbuffer (schema version 3).
 * Knows no network; tflite.ts says which operators a graph becomes. The builder is the `flatbuffers` package's.
 */

/** The part of the package that is used here. */
export interface FlatBuilder {
  prep(alignment: number, bytes: number): void;
  startObject(fields: number): void;
  endObject(): number;
  startVector(elementSize: number, count: number, alignment: number): void;
  endVector(): number;
  addInt32(value: number): void;
  addOffset(offset: number): void;
  addFieldInt8(field: number, value: number, standard: number): void;
  addFieldInt32(field: number, value: number, standard: number): void;
  addFieldFloat32(field: number, value: number, standard: number): void;
  addFieldOffset(field: number, offset: number, standard: number): void;
  createString(text: string): number;
  createByteVector(bytes: Uint8Array): number;
  finish(root: number, identifier: string): void;
  asUint8Array(): Uint8Array;
}

/** A table of options: its number in the schema's union, and fields by position. */
export interface OperatorOptions {
  readonly type: number;
  /** Integers of one byte (`i8`) or four (`i32`), or a float. */
  readonly fields: readonly (readonly [field: number, kind: 'i8' | 'i32' | 'f32', value: number])[];
  /** Fields in the schema's table. */
  readonly count: number;
}

interface Operator {
  readonly code: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: OperatorOptions | null;
}

interface TensorRecord {
  readonly name: string;
  readonly shape: readonly number[];
  /** 0: float32, 2: int32. */
  readonly type: 0 | 2;
  /** 0: none. */
  readonly buffer: number;
}

export class TfliteFile {
  readonly #buffers: (Float32Array | Int32Array)[] = [];
  readonly #tensors: TensorRecord[] = [];
  readonly #operators: Operator[] = [];

  /** A value that is computed, or a constant when `data` is given; returns its index. */
  tensor(name: string, shape: readonly number[], data?: Float32Array | Int32Array): number {
    const buffer = data ? this.#buffers.push(data) : 0;
    return this.#tensors.push({ name, shape, type: data instanceof Int32Array ? 2 : 0, buffer }) - 1;
  }

  operator(
    code: number,
    inputs: readonly number[],
    output: number,
    options: OperatorOptions | null = null,
  ): number {
    this.#operators.push({ code, inputs, outputs: [output], options });
    return output;
  }

  /** The file's bytes. */
  finish(b: FlatBuilder, inputs: readonly number[], outputs: readonly number[]): Uint8Array {
    const ints = (values: readonly number[]): number => {
      b.startVector(4, values.length, 4);
      for (const value of values.toReversed()) b.addInt32(value);
      return b.endVector();
    };
    const offsets = (values: readonly number[]): number => {
      b.startVector(4, values.length, 4);
      for (const value of values.toReversed()) b.addOffset(value);
      return b.endVector();
    };
    const codes = [...new Set(this.#operators.map(({ code }) => code))];
    const operators = this.#operators.map(({ code, inputs: from, outputs: to, options }) => {
      const [fromVector, toVector] = [ints(from), ints(to)];
      let table = 0;
      if (options) {
        b.startObject(options.count);
        for (const [field, kind, value] of options.fields)
          if (kind === 'i8') b.addFieldInt8(field, value, 0);
          else if (kind === 'i32') b.addFieldInt32(field, value, 0);
          else b.addFieldFloat32(field, value, 0);
        table = b.endObject();
      }
      b.startObject(9);
      b.addFieldInt32(0, codes.indexOf(code), 0);
      b.addFieldOffset(1, fromVector, 0);
      b.addFieldOffset(2, toVector, 0);
      if (options) {
        b.addFieldInt8(3, options.type, 0);
        b.addFieldOffset(4, table, 0);
      }
      return b.endObject();
    });
    const tensors = this.#tensors.map(({ name, shape, type, buffer }) => {
      const [shapeVector, text] = [ints(shape), b.createString(name)];
      b.startObject(10);
      b.addFieldOffset(0, shapeVector, 0);
      b.addFieldInt8(1, type, 0);
      b.addFieldInt32(2, buffer, 0);
      b.addFieldOffset(3, text, 0);
      return b.endObject();
    });
    const [tensorVector, inputVector, outputVector] = [offsets(tensors), ints(inputs), ints(outputs)];
    const [operatorVector, graphName] = [offsets(operators), b.createString('main')];
    b.startObject(5);
    [tensorVector, inputVector, outputVector, operatorVector, graphName].forEach((offset, field) => {
      b.addFieldOffset(field, offset, 0);
    });
    const subgraphs = offsets([b.endObject()]);
    const empty = (): number => {
      b.startObject(1);
      return b.endObject();
    };
    const buffers = [empty(), ...this.#buffers.map((data) => bufferTable(b, data))];
    const bufferVector = offsets(buffers);
    const codeVector = offsets(
      codes.map((code) => {
        b.startObject(4);
        b.addFieldInt8(0, Math.min(code, 127), 0);
        b.addFieldInt32(2, 1, 0);
        b.addFieldInt32(3, code, 0);
        return b.endObject();
      }),
    );
    const description = b.createString('ghostnet');
    b.startObject(8);
    b.addFieldInt32(0, 3, 0);
    [codeVector, subgraphs, description, bufferVector].forEach((offset, i) => {
      b.addFieldOffset(i + 1, offset, 0);
    });
    b.finish(b.endObject(), 'TFL3');
    return b.asUint8Array();
  }
}

/** Constants aligned to 16 bytes, as the runtime wants them. */
function bufferTable(b: FlatBuilder, data: Float32Array | Int32Array): number {
  b.prep(16, data.byteLength);
  const vector = b.createByteVector(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  b.startObject(1);
  b.addFieldOffset(0, vector, 0);
  return b.endObject();
}
