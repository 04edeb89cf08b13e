/**
 * `ghostnet inspect`: what is in a model or weights file: its format, the network and its facts if it holds one, and
 * every tensor with its shape and range of values. Runs nothing of the file.
 */
import type { Graph, Tensor } from '../graph/graph.js';
import type { Register } from './command.js';
import { exitCodes } from './exit-codes.js';
import { byteSize, grouped, outColors, print, printJson, table } from './terminal.js';

/** The `--json` output. */
export interface Inspection {
  readonly file: string;
  readonly format: 'ghostnet' | 'safetensors' | 'pytorch';
  readonly bytes: number;
  readonly values: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of a native model file. */
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

interface TensorFacts {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly min: number | null;
  readonly max: number | null;
  readonly notFinite: number;
}

interface InspectOptions {
  readonly graph?: boolean;
  readonly json?: boolean;
}

export const registerInspect: Register = (program, act) => {
  program
    .command('inspect')
    .description('show what is in a model or weights file: network, tensors, shapes, ranges')
    .argument('<file>', 'safetensors, or a PyTorch state dict (.pth)')
    .option('--graph', 'print the network node by node too, where the file holds one')
    .option('--json', 'print { file, format, bytes, values, metadata, network?, tensors }')
    .addHelpText(
      'after',
      `
Nothing in the file is executed: of a PyTorch pickle only what tensors need is read, the rest is refused by name.

Examples:
  ghostnet inspect model.safetensors
  ghostnet inspect model.safetensors --graph
  ghostnet inspect state_dict_73.98.pth --json`,
    )
    .action(act(inspectCommand));
};

async function inspectCommand(file: string, options: InspectOptions): Promise<number> {
  const { readBytes } = await import('../formats/node/model-file.js');
  const { FormatError } = await import('../errors.js');
  const bytes = await readBytes(file);
  try {
    const { inspection, graph } = await inspectBytes(file, bytes);
    if (options.json) printJson(inspection);
    else {
      printInspection(inspection);
      if (options.graph && graph) {
        const { printGraph } = await import('../graph/print.js');
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
  const { isPytorch, readPytorch } = await import('../formats/pytorch.js');
  const { readSafetensors, toTensor } = await import('../formats/safetensors.js');
  const { graphKey } = await import('../formats/model-file.js');
  const facts = (name: string, dtype: string, tensor: Tensor): TensorFacts => {
    let [min, max, notFinite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
    for (const value of tensor.data) {
      if (!Number.isFinite(value)) notFinite++;
      else {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
    const none = notFinite === tensor.data.length;
    return { name, dtype, shape: tensor.shape, min: none ? null : min, max: none ? null : max, notFinite };
  };
  const count = (tensors: readonly TensorFacts[]): number =>
    tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  if (isPytorch(bytes)) {
    const tensors = [...readPytorch(bytes)].map(([name, tensor]) => facts(name, 'F32', tensor));
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
  const tensors = [...contents.tensors].map(([name, entry]) => facts(name, entry.dtype, toTensor(entry)));
  const { [graphKey]: json, ...metadata } = contents.metadata;
  const head = { file, bytes: bytes.length, values: count(tensors), metadata };
  if (json === undefined) return { inspection: { ...head, format: 'safetensors', tensors } };
  const { fromJson } = await import('../graph/json.js');
  const graph = fromJson(json);
  return { inspection: { ...head, format: 'ghostnet', network: await networkFacts(graph), tensors }, graph };
}

async function networkFacts(graph: Graph): Promise<NonNullable<Inspection['network']>> {
  const { profile } = await import('../analysis/profile.js');
  const { inputNodes } = await import('../graph/graph.js');
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

const formatNames: Record<Inspection['format'], string> = {
  ghostnet: 'ghostnet model (safetensors with its network)',
  safetensors: 'safetensors, weights only',
  pytorch: 'PyTorch checkpoint, weights only',
};

function printInspection({ file, format, bytes, values, metadata, network, tensors }: Inspection): void {
  const { bold, dim, red } = outColors;
  const facts: string[][] = [
    ['file', bold(file)],
    ['format', formatNames[format]],
    ['size', `${byteSize(bytes)}, ${grouped(tensors.length)} tensors, ${grouped(values)} values`],
  ];
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
      const { resizeShortSide, interpolation, mean, std } = preprocessing;
      const resize =
        resizeShortSide === undefined ? 'whole picture' : `short side to ${resizeShortSide}, centre crop`;
      facts.push(['pictures', `${resize}, ${interpolation}, mean ${mean.join(' ')}, std ${std.join(' ')}`]);
    }
    if (labels) {
      const more = labels.length > 10 ? `, ... (${labels.length} in all)` : '';
      facts.push(['labels', `${labels.slice(0, 10).join(', ')}${more}`]);
    }
    for (const [key, text] of Object.entries(notes ?? {})) facts.push([key, text]);
  }
  for (const [key, text] of Object.entries(metadata)) facts.push([`metadata ${key}`, text]);
  print(
    table(
      facts.map(([key, text]) => [dim(key!), text!]),
      'll',
    ),
  );
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
