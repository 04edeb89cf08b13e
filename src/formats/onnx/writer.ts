/** Collects the nodes and initialisers of an ONNX graph that is being written. Knows no graph of ours; see export.ts. */
import { rangeError } from '../../errors.js';
import { numberToFloat16 } from '../float16.js';
import { attributeTypes, dataTypes, type OnnxAttribute, type OnnxNode, type OnnxTensor } from './schema.js';

export type AttributeValue = number | readonly number[] | { readonly float: number };

function attribute(name: string, value: AttributeValue): OnnxAttribute {
  if (typeof value === 'number') return { name, type: attributeTypes.int, i: value };
  if ('float' in value) return { name, type: attributeTypes.float, f: value.float };
  return { name, type: attributeTypes.ints, ints: value };
}

function littleEndian(data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) view.setFloat32(i * 4, data[i] as number, true);
  return bytes;
}

/** Rounded to nearest even. Throws RangeError `FLOAT16_OVERFLOW`. */
function halves(name: string, data: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(data.length * 2));
  data.forEach((value, i) => {
    const bits = numberToFloat16(value);
    if ((bits & 0x7fff) === 0x7c00 && Number.isFinite(value))
      throw rangeError(
        'FLOAT16_OVERFLOW',
        `ONNX export: "${name}" holds ${value}, beyond 16-bit floats; keep f32`,
      );
    view.setUint16(i * 2, bits, true);
  });
  return new Uint8Array(view.buffer);
}

/** Collects nodes and initialisers; one method a way of adding. */
export class OnnxWriter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();

  node(
    opType: string,
    input: readonly string[],
    output: string,
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    const list = Object.entries(attributes).map(([name, value]) => attribute(name, value));
    this.nodes.push({ name: output, opType, input, output: [output], attribute: list });
    return output;
  }

  floats(name: string, dims: readonly number[], data: Float32Array): string {
    this.initializers.set(name, { name, dims, dataType: dataTypes.float, rawData: littleEndian(data) });
    return name;
  }

  /** Floats of 16 bits, cast to 32 under `name`. */
  halves(name: string, dims: readonly number[], data: Float32Array): string {
    const stored = `${name}.f16`;
    this.initializers.set(stored, {
      name: stored,
      dims,
      dataType: dataTypes.float16,
      rawData: halves(name, data),
    });
    return this.node('Cast', [stored], name, { to: dataTypes.float });
  }

  ints(name: string, values: readonly number[]): string {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of values.entries()) view.setBigInt64(i * 8, BigInt(value), true);
    this.initializers.set(name, { name, dims: [values.length], dataType: dataTypes.int64, rawData: bytes });
    return name;
  }
}

/** A text attribute. */
export function text(name: string, value: string): OnnxAttribute & { readonly s: Uint8Array } {
  return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
}
