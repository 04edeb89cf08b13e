/** Writes small ONNX files for tests, node by node, with our schema of the format. Test code only. */
import { attributeTypes, dataTypes, OnnxModel } from '../../src/formats/onnx/schema.js';

type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly tensor: object };

export interface TestNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly name?: string;
  readonly domain?: string;
}

export interface TestFile {
  readonly opset?: number;
  readonly inputs?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs?: readonly string[];
  readonly nodes: readonly TestNode[];
  readonly initializers?: readonly object[];
  readonly metadata?: Readonly<Record<string, string>>;
}

function attribute(name: string, value: AttributeValue): object {
  if (typeof value === 'number') return { name, type: attributeTypes.int, i: value };
  if (typeof value === 'string')
    return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
  if ('float' in value) return { name, type: attributeTypes.float, f: value.float };
  if ('tensor' in value) return { name, type: attributeTypes.tensor, t: value.tensor };
  return { name, type: attributeTypes.ints, ints: value };
}

/** A tensor of 32-bit floats in raw bytes. */
export function floats(name: string, dims: readonly number[], values?: readonly number[]): object {
  const count = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from(values ?? Array.from({ length: count }, (_, i) => Math.sin(i + 1)));
  return { name, dims, dataType: dataTypes.float, rawData: new Uint8Array(data.buffer) };
}

/** A tensor of 64-bit whole numbers in their own field. */
export function ints(name: string, values: readonly number[]): object {
  return { name, dims: [values.length], dataType: dataTypes.int64, int64Data: values };
}

/** The bytes of a file. Default: one input `x` [N, 2, 4, 4], one output `y`, opset 17. */
export function onnxFile(file: TestFile): Uint8Array {
  const { opset = 17, inputs = { x: ['N', 2, 4, 4] }, outputs = ['y'], nodes, initializers = [] } = file;
  const message = OnnxModel.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(file.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'test',
      initializer: initializers,
      input: Object.entries(inputs).map(([name, shape]) => ({
        name,
        type: {
          tensorType: {
            elemType: dataTypes.float,
            shape: {
              dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })),
            },
          },
        },
      })),
      output: outputs.map((name) => ({ name })),
      node: nodes.map(({ op, inputs: input, outputs: output, attributes = {}, name = '', domain = '' }) => ({
        name,
        opType: op,
        domain,
        input,
        output,
        attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      })),
    },
  });
  return OnnxModel.encode(message).finish();
}

/** One operator from x to y. */
export function single(
  op: string,
  attributes: TestNode['attributes'] = {},
  extra: Partial<TestFile> = {},
): Uint8Array {
  const names = (extra.initializers ?? []).map((tensor) => (tensor as { name: string }).name);
  return onnxFile({ nodes: [{ op, inputs: ['x', ...names], outputs: ['y'], attributes }], ...extra });
}
