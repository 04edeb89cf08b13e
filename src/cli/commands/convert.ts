/**
 * `ghostnet convert`: a model from one file format to another. Reads what every command reads; writes safetensors with the
 * network inside, or ONNX. The numbers stay the same, but for batch norm folded or 16-bit floats where asked for.
 */
import { extname } from 'node:path';
import type { Graph, GraphMeta, Weights } from '../../graph/graph.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { inputShape, oneOf } from '../input/options.js';
import { UsageError } from '../output/report-error.js';
import { byteSize, grouped, outColors, print, printJson, table } from '../output/terminal.js';

interface ConvertOptions {
  readonly network?: string;
  readonly dtype: 'f32' | 'f16';
  readonly fold?: boolean;
  readonly input?: readonly number[];
  readonly preprocessing?: string;
  readonly labels?: string;
  readonly json?: boolean;
}

/** The `--json` output. */
export interface Conversion {
  readonly from: string;
  readonly to: string;
  readonly format: 'safetensors' | 'onnx';
  readonly network: string;
  readonly nodes: number;
  readonly params: number;
  readonly dtype: 'f32' | 'f16';
  readonly folded: boolean;
  readonly bytes: number;
}

export const registerConvert: Register = (program, act) => {
  program
    .command('convert')
    .description('convert a model between safetensors and ONNX; PyTorch checkpoints can be read')
    .argument('<from>', '.safetensors, .onnx, .pth, or a network by name with its pulled weights')
    .argument('<to>', 'the file to write; its ending says the format: .safetensors or .onnx')
    .option('--network <name>', 'the network of a file that holds weights only (.pth and such)')
    .option('--dtype <type>', 'how weights are stored: f32 or f16', oneOf(['f32', 'f16']), 'f32')
    .option(
      '--fold',
      'fold batch norm and parallel branches (GhostNetV3) into the convolutions: faster, not for training',
    )
    .option('--input <CxHxW>', 'the input’s size, for ONNX files that leave it free', inputShape)
    .option('--preprocessing <file>', 'JSON that says how pictures become the input; kept in the model')
    .option('--labels <file>', 'class names, one a line, by output index; kept in the model')
    .option('--json', 'print { from, to, format, network, nodes, params, dtype, folded, bytes }')
    .addHelpText(
      'after',
      `
--preprocessing takes { "interpolation": "bilinear" or "bicubic", "mean": [r, g, b], "std": [r, g, b] } of values 0..1, and
"resizeShortSide" (pixels), or "keepSize": true to crop without a resize, "cropRounding": "even" or "down", "shrink": n.

Examples:
  ghostnet convert mobilenetv2.onnx mobilenetv2.safetensors --labels names.txt
  ghostnet convert state_dict_73.98.pth ghostnet.onnx --network ghostnet-1.0x --fold
  ghostnet convert model.safetensors small.safetensors --dtype f16`,
    )
    .action(act(convertCommand));
};

async function convertCommand(from: string, to: string, options: ConvertOptions): Promise<number> {
  const ending = extname(to).toLowerCase();
  if (ending !== '.onnx' && ending !== '.safetensors')
    throw new UsageError(`${to}: expected a name that ends in .onnx or .safetensors`);
  const { loadModel } = await import('../input/load-model.js');
  const { writeFileAtomically } = await import('../../formats/node/model-file.js');
  const loaded = await loadModel(from, options.network, options.input);
  const graph = { ...loaded.graph, meta: await metaOf(loaded.graph, options) };
  const folded = options.fold ? await fold(graph, loaded.weights) : { graph, weights: loaded.weights };
  const bytes = await encode(folded.graph, folded.weights, ending, options.dtype);
  await writeFileAtomically(to, bytes);
  const { profile } = await import('../../analysis/profile.js');
  const conversion: Conversion = {
    from,
    to,
    format: ending === '.onnx' ? 'onnx' : 'safetensors',
    network: folded.graph.name,
    nodes: folded.graph.nodes.length,
    params: profile(folded.graph).params,
    dtype: options.dtype,
    folded: Boolean(options.fold),
    bytes: bytes.length,
  };
  if (options.json) printJson(conversion);
  else printConversion(conversion);
  return exitCodes.ok;
}

async function fold(graph: Graph, weights: Weights): Promise<{ graph: Graph; weights: Weights }> {
  const { foldForInference } = await import('../../passes/fold-for-inference.js');
  return foldForInference(graph, weights);
}

async function encode(
  graph: Graph,
  weights: Weights,
  ending: string,
  dtype: 'f32' | 'f16',
): Promise<Uint8Array> {
  const type = dtype === 'f16' ? 'F16' : 'F32';
  if (ending === '.onnx') {
    const { exportOnnx } = await import('../../formats/onnx/export.js');
    return exportOnnx(graph, weights, { dtype: type });
  }
  const { saveModel } = await import('../../formats/model-file.js');
  return saveModel(graph, weights, { dtype: type });
}

/** The model's own facts, with those of the options in their place. */
async function metaOf(graph: Graph, options: ConvertOptions): Promise<GraphMeta> {
  const { readBytes } = await import('../../formats/node/model-file.js');
  const { readMeta } = await import('../../graph/json.js');
  const { FormatError } = await import('../../errors.js');
  const text = async (file: string): Promise<string> => new TextDecoder().decode(await readBytes(file));
  let meta = graph.meta;
  if (options.preprocessing !== undefined) {
    const file = options.preprocessing;
    const json = await text(file);
    try {
      meta = { ...meta, ...readMeta({ preprocessing: JSON.parse(json) as unknown }) };
    } catch (cause) {
      throw new FormatError('BAD_PREPROCESSING', `"${file}": ${(cause as Error).message}`, { cause });
    }
  }
  if (options.labels !== undefined) {
    const labels = (await text(options.labels)).trimEnd().split(/\r?\n/);
    const { inferShapes } = await import('../../graph/shapes.js');
    const classes = inferShapes(graph).get(graph.outputs[0]!)?.[1];
    if (labels.length !== classes)
      throw new FormatError(
        'BAD_LABELS',
        `"${options.labels}": ${labels.length} lines, expected one for each of the ${classes} outputs`,
      );
    meta = { ...meta, labels };
  }
  return meta;
}

function printConversion(conversion: Conversion): void {
  const { bold, dim } = outColors;
  const { from, to, network, nodes, params, dtype, folded, bytes } = conversion;
  const rows = [
    ['from', from],
    ['to', bold(to)],
    ['network', `${network}, ${nodes} nodes, ${grouped(params)} params`],
    ['stored as', `${dtype}${folded ? ', folded' : ''}, ${byteSize(bytes)}`],
  ];
  print(
    table(
      rows.map(([key, text]) => [dim(key!), text!]),
      'll',
    ),
  );
}
