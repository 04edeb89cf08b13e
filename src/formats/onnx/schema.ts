/**
 * The part of the ONNX protobuf schema (onnx.proto, IR version 8) that convolutional networks need, as protobufjs
 * reflection. Unknown fields in files are skipped by the protobuf rules. Node only by its dependency, not by `node:`.
 */
import protobuf from 'protobufjs/light.js';

const field = (id: number, type: string): protobuf.IField => ({ id, type });
const list = (id: number, type: string, packed = false): protobuf.IField => ({
  id,
  type,
  rule: 'repeated',
  options: { packed },
});

const root = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        StringPair: { fields: { key: field(1, 'string'), value: field(2, 'string') } },
        OperatorSet: { fields: { domain: field(1, 'string'), version: field(2, 'int64') } },
        Tensor: {
          fields: {
            dims: list(1, 'int64'),
            dataType: field(2, 'int32'),
            floatData: list(4, 'float', true),
            int32Data: list(5, 'int32', true),
            int64Data: list(7, 'int64', true),
            name: field(8, 'string'),
            rawData: field(9, 'bytes'),
            doubleData: list(10, 'double', true),
            uint64Data: list(11, 'uint64', true),
            externalData: list(13, 'StringPair'),
            dataLocation: field(14, 'int32'),
          },
        },
        Attribute: {
          fields: {
            name: field(1, 'string'),
            f: field(2, 'float'),
            i: field(3, 'int64'),
            s: field(4, 'bytes'),
            t: field(5, 'Tensor'),
            floats: list(7, 'float'),
            ints: list(8, 'int64'),
            strings: list(9, 'bytes'),
            type: field(20, 'int32'),
          },
        },
        Node: {
          fields: {
            input: list(1, 'string'),
            output: list(2, 'string'),
            name: field(3, 'string'),
            opType: field(4, 'string'),
            attribute: list(5, 'Attribute'),
            domain: field(7, 'string'),
          },
        },
        Dimension: { fields: { dimValue: field(1, 'int64'), dimParam: field(2, 'string') } },
        Shape: { fields: { dim: list(1, 'Dimension') } },
        TensorType: { fields: { elemType: field(1, 'int32'), shape: field(2, 'Shape') } },
        Type: { fields: { tensorType: field(1, 'TensorType') } },
        ValueInfo: { fields: { name: field(1, 'string'), type: field(2, 'Type') } },
        Graph: {
          fields: {
            node: list(1, 'Node'),
            name: field(2, 'string'),
            initializer: list(5, 'Tensor'),
            input: list(11, 'ValueInfo'),
            output: list(12, 'ValueInfo'),
            valueInfo: list(13, 'ValueInfo'),
            sparseInitializer: list(15, 'bytes'),
          },
        },
        Model: {
          fields: {
            irVersion: field(1, 'int64'),
            producerName: field(2, 'string'),
            producerVersion: field(3, 'string'),
            graph: field(7, 'Graph'),
            opsetImport: list(8, 'OperatorSet'),
            metadataProps: list(14, 'StringPair'),
          },
        },
      },
    },
  },
});

/** The message type of a whole file. */
export const OnnxModel: protobuf.Type = root.lookupType('onnx.Model');

/** TensorProto.DataType values. */
export const dataTypes = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;
/** AttributeProto.AttributeType values. */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
}
export interface OnnxAttribute {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  readonly ints?: readonly number[];
  readonly floats?: readonly number[];
}
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly OnnxAttribute[];
}
