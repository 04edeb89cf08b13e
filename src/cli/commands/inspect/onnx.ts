/** What `ghostnet inspect` says of an ONNX file: its facts, its tensors, and all that is not supported at once. */
import { errorCode, FormatError } from '../../../errors.js';
import { externalDataBeside } from '../../../formats/node/onnx-external-data.js';
import { decodeOnnx, type OnnxFileValue } from '../../../formats/onnx/decode.js';
import { readOnnx } from '../../../formats/onnx/import.js';
import type { OnnxUnsupported } from '../../../formats/onnx/operation.js';
import { readTensor, tensorElements, typeName } from '../../../formats/onnx/tensor-data.js';
import type { Graph } from '../../../graph/graph.js';
import { type TensorFacts, tensorFacts } from './tensor-facts.js';

/** Part of the `--json` contract. */
export interface OnnxFacts {
  readonly opset: number;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** How often each operator is used, most used first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly unsupported: readonly OnnxUnsupported[];
}

export interface OnnxInspection {
  readonly onnx: OnnxFacts;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorFacts[];
  /** When all is supported. */
  readonly graph?: Graph;
}

/** `input [N, 3, 224, 224]`. */
function describe({ name, shape }: OnnxFileValue): string {
  return shape ? `${name} [${shape.map((size) => size ?? '?').join(', ')}]` : name;
}

/** Throws FormatError of `decodeOnnx` and of a tensor that does not fit; what stops the import is listed instead. */
export function inspectOnnx(path: string, bytes: Uint8Array): OnnxInspection {
  const file = decodeOnnx(bytes);
  const external = externalDataBeside(path);
  const counts = new Map<string, number>();
  for (const { op } of file.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  const readable = file.initializers.filter((tensor) => tensorElements(tensor) > 0);
  const tensors = readable.map((tensor) =>
    tensorFacts(tensor.name, typeName(tensor.dataType), readTensor(tensor, external)),
  );
  const { model, unsupported } = readAll();
  return {
    onnx: {
      opset: file.opset,
      irVersion: file.irVersion,
      producer: file.producer,
      inputs: file.inputs.filter(({ name }) => !tensors.some((tensor) => tensor.name === name)).map(describe),
      outputs: file.outputs.map(describe),
      operators: Object.fromEntries([...counts].sort((a, b) => b[1] - a[1])),
      unsupported,
    },
    metadata: Object.fromEntries(file.metadata),
    tensors,
    ...(model ? { graph: model.graph } : {}),
  };

  function readAll(): ReturnType<typeof readOnnx> {
    try {
      return readOnnx(file, { external, allowNonFinite: true });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const reason = error.message.replace(/^ONNX: /, '');
      return { unsupported: [{ node: file.name, op: errorCode(error) ?? 'graph', reason }] };
    }
  }
}
