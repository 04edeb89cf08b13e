/**
 * `ghostnet inspect`: what is in a model or weights file: its format, the network and its facts if it holds one, and
 * every tensor with its shape and range of values. Runs nothing of the file.
 */
import type { Graph, Preprocessing } from '../../graph/graph.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { byteSize, grouped, outColors, print, printJson, table } from '../output/terminal.js';
import type { OnnxFacts } from './inspect/onnx.js';
import { type TensorFacts, tensorFacts } from './inspect/tensor-facts.js';

/** The `--json` output. */
export interface Inspection {
  readonly file: string;
  /** `int8`: what `ghostnet quantize` writes. */
  readonly format: 'ghostnet' | 'int8' | 'safetensors' | 'pytorch' | 'onnx';
  readonly bytes: number;
  readonly values: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of an ONNX file. */
  readonly onnx?: OnnxFacts;
  /** Of a native model file, and of an ONNX file that can be read whole. */
  readonly network?: {
    readonly name: string;
    readonly inputs: readonly (readonly number[])[];
    readonly outputs: readonly string[];
    readonly nodes: number;
    readonly params: number;
    readonly macs: number;
    readonly preprocessing?: Graph['meta']['preprocessing'];
    readonly labels?: readonly string[];
    readonly notes?: Readonly<Record<string, string>>;
  };
  readonly tensors: readonly TensorFacts[];
}

interface InspectOptions {
  readonly graph?: boolean;
  readonly json?: boolean;
}

export const registerInspect: Register = (program, act) => {
  program
    .command('inspect')
    .description('show what is in a model or weights file: network, tensors, shapes, ranges')
    .argument('<file>', 'safetensors, ONNX, or a PyTorch state dict (.pth)')
    .option('--graph', 'print the network node by node too, where the file holds one')
    .option('--json', 'print { file, format, bytes, values, metadata, onnx?, network?, tensors }')
    .addHelpText(
      'after',
      `
Nothing in the file is executed: of a PyTorch pickle only what tensors need is read, the rest is refused by name.
Of an ONNX file all that this package does not support is listed, by node, operator and attribute.

Examples:
  ghostnet inspect model.safetensors
  ghostnet inspect model.safetensors --graph
  ghostnet inspect state_dict_73.98.pth --json
  ghostnet inspect mobilenetv2.onnx`,
    )
    .action(act(inspectCommand));
};

async function inspectCommand(file: string, options: InspectOptions): Promise<number> {
  const { readBytes } = await import('../../formats/node/model-file.js');
  const { FormatError } = await import('../../errors.js');
  const bytes = await readBytes(file);
  try {
    const { inspection, graph } = await inspectBytes(file, bytes);
    if (options.json) printJson(inspection);
    else {
      printInspection(inspection);
      if (options.graph && graph) {
        const { printGraph } = await import('../../graph/print.js');
        print();
        print(printGraph(graph).trimEnd());
      }
    }
    return exitCodes.ok;
  } catch (cause) {
    if (cause instanceof FormatError)
      throw new FormatError(cause.code, `${file}: ${cause.message}`, { cause });
    throw cause;
  }
}

async function inspectBytes(
  file: string,
  bytes: Uint8Array,
): Promise<{ inspection: Inspection; graph?: Graph }> {
  const { isPytorch, readPytorch } = await import('../../formats/pytorch.js');
  const { readSafetensors, toTensor } = await import('../../formats/safetensors.js');
  const { graphKey, int8Key, isQuantizedMetadata } = await import('../../formats/model-file.js');
  const { looksLikeOnnx } = await import('../../formats/node/model-file.js');
  const count = (tensors: readonly TensorFacts[]): number =>
    tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (looksLikeOnnx(bytes)) {
    const { inspectOnnx } = await import('./inspect/onnx.js');
    const { onnx, metadata, tensors, graph } = inspectOnnx(file, bytes);
    const head = {
      file,
      format: 'onnx',
      bytes: bytes.length,
      values: count(tensors),
      metadata,
      onnx,
    } as const;
    if (!graph) return { inspection: { ...head, tensors } };
    return { inspection: { ...head, network: await networkFacts(graph), tensors }, graph };
  }
  if (isPytorch(bytes)) {
    const tensors = [...readPytorch(bytes)].map(([name, tensor]) => tensorFacts(name, 'F32', tensor));
    const head = {
      file,
      format: 'pytorch',
      bytes: bytes.length,
      values: count(tensors),
      metadata: {},
    } as const;
    return { inspection: { ...head, tensors } };
  }
  const contents = readSafetensors(bytes);
  const tensors = [...contents.tensors].map(([name, entry]) =>
    tensorFacts(name, entry.dtype, toTensor(entry)),
  );
  const { [graphKey]: json, [int8Key]: _scales, ...metadata } = contents.metadata;
  const head = { file, bytes: bytes.length, values: count(tensors), metadata };
  if (json === undefined) return { inspection: { ...head, format: 'safetensors', tensors } };
  const { fromJson } = await import('../../graph/json.js');
  const graph = fromJson(json);
  const format = isQuantizedMetadata(contents.metadata) ? 'int8' : 'ghostnet';
  return { inspection: { ...head, format, network: await networkFacts(graph), tensors }, graph };
}

async function networkFacts(graph: Graph): Promise<NonNullable<Inspection['network']>> {
  const { profile } = await import('../../analysis/profile.js');
  const { inputNodes } = await import('../../graph/graph.js');
  const { params, macs } = profile(graph);
  const { preprocessing, labels, notes } = graph.meta;
  return {
    name: graph.name,
    inputs: inputNodes(graph).map((node) => node.shape),
    outputs: graph.outputs,
    nodes: graph.nodes.length,
    params,
    macs,
    ...(preprocessing === undefined ? {} : { preprocessing }),
    ...(labels === undefined ? {} : { labels }),
    ...(notes === undefined ? {} : { notes }),
  };
}

/** `short side to 256, centre crop, bilinear, mean 0.5 ..., std 0.5 ...`. */
function describePreprocessing(preprocessing: Preprocessing): string {
  const { resizeShortSide, keepSize, shrink = 1, interpolation, mean, std } = preprocessing;
  const resized =
    resizeShortSide === undefined ? 'whole picture' : `short side to ${resizeShortSide}, centre crop`;
  const steps = [
    keepSize ? 'centre crop' : `${resized}, ${interpolation}`,
    ...(shrink === 1 ? [] : [`means of ${shrink}x${shrink} pixels`]),
  ];
  const list = (values: readonly number[]): string =>
    values.map((value) => Number(value.toPrecision(6))).join(' ');
  return `${steps.join(', ')}, mean ${list(mean)}, std ${list(std)}`;
}

function onnxRows({ opset, irVersion, producer, inputs, outputs, operators }: OnnxFacts): string[][] {
  const used = Object.entries(operators).map(([name, count]) => `${name} ${count}`);
  return [
    ['opset', `${opset} (IR version ${irVersion}${producer === '' ? '' : `, by ${producer}`})`],
    ['file input', inputs.join(', ')],
    ['file output', outputs.join(', ')],
    ['operators', used.join(', ')],
  ];
}

const formatNames: Record<Inspection['format'], string> = {
  ghostnet: 'ghostnet model (safetensors with its network)',
  int8: 'ghostnet int8 model (safetensors with its network)',
  safetensors: 'safetensors, weights only',
  pytorch: 'PyTorch checkpoint, weights only',
  onnx: 'ONNX',
};

function printInspection(inspection: Inspection): void {
  const { file, format, bytes, values, metadata, onnx, network, tensors } = inspection;
  const { bold, dim, red } = outColors;
  const facts: string[][] = [
    ['file', bold(file)],
    ['format', formatNames[format]],
    ['size', `${byteSize(bytes)}, ${grouped(tensors.length)} tensors, ${grouped(values)} values`],
  ];
  if (onnx) facts.push(...onnxRows(onnx));
  if (network) {
    const { preprocessing, labels, notes } = network;
    facts.push(
      ['network', `${network.name}, ${network.nodes} nodes`],
      ['input', network.inputs.map((shape) => shape.join('x')).join(' and ')],
      ['output', network.outputs.join(', ')],
      ['params', grouped(network.params)],
      ['MACs', grouped(network.macs)],
    );
    if (preprocessing) {
      facts.push(['pictures', describePreprocessing(preprocessing)]);
    }
    if (labels) {
      const more = labels.length > 10 ? `, ... (${labels.length} in all)` : '';
      facts.push(['labels', `${labels.slice(0, 10).join(', ')}${more}`]);
    }
    for (const [key, text] of Object.entries(notes ?? {})) facts.push([key, text]);
  }
  // what an ONNX file's network knows was said above
  const rest = onnx && network ? [] : Object.entries(metadata);
  for (const [key, text] of rest)
    facts.push([`metadata ${key}`, text.length > 200 ? `${text.slice(0, 200)}...` : text]);
  print(
    table(
      facts.map(([key, text]) => [dim(key!), text!]),
      'll',
    ),
  );
  if (onnx && onnx.unsupported.length > 0) {
    print();
    print(bold(red(`Not supported: ${onnx.unsupported.length}`)));
    const head = ['node', 'op', 'attribute', 'reason'].map((text) => dim(text));
    const rows = onnx.unsupported.map(({ node, op, attribute, reason }) => [
      node,
      op,
      attribute ?? '',
      reason,
    ]);
    print(table([head, ...rows], 'llll'));
  }
  print();
  const number = (value: number | null): string =>
    value === null ? '' : Number(value.toPrecision(4)).toString();
  const rows = tensors.map(({ name, dtype, shape, min, max, notFinite }) => [
    name,
    dtype,
    `[${shape.join(', ')}]`,
    number(min),
    number(max),
    notFinite > 0 ? red(`${notFinite} not finite`) : '',
  ]);
  print(
    table([['tensor', 'type', 'shape', 'least', 'greatest', ''].map((text) => dim(text)), ...rows], 'lllrrl'),
  );
}
