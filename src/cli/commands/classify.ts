/**
 * `ghostnet classify`: what is on these pictures. Decodes, preprocesses as the model file says, runs the compiled
 * network and prints the best classes. A bad picture is reported and does not stop the others.
 */
import type { RgbPicture } from '../../data/picture.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import type { Found } from '../input/find-pictures.js';
import type { OpenModel } from '../input/open-model.js';
import { wholeNumber } from '../input/options.js';
import { preprocessingHelp } from '../input/preprocessing-option.js';
import { codeOf, oneLine, warn } from '../output/report-error.js';
import { bar, milliseconds, outColors, print, printJson, table } from '../output/terminal.js';

/** One class of a picture's answer. Part of the `--json` contract. */
export interface Prediction {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
}

/** One picture's entry in the `--json` output: an answer, or the error that it gave. */
export type PictureResult =
  | { readonly file: string; readonly predictions: readonly Prediction[]; readonly ms: number }
  | { readonly file: string; readonly error: { readonly code: string; readonly message: string } };

interface ClassifyOptions {
  readonly model?: string;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly top: number;
  readonly threads: number;
  readonly json?: boolean;
}

export const registerClassify: Register = (program, act) => {
  program
    .command('classify')
    .description('say what is on pictures: JPEG, PNG, WebP, AVIF, GIF (first frame)')
    .argument('<files or folders...>', 'pictures, and folders that are searched for pictures')
    .option('--model <name|file>', 'network by name (its pulled weights are used) or model file')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--top <n>', 'how many classes to give for each picture', wholeNumber(1), 5)
    .option('--threads <n>', 'threads that run the network', wholeNumber(1, 64), 1)
    .option('--json', 'print [{ file, predictions: [{ index, label, probability }], ms }]')
    .addHelpText(
      'after',
      `
Without --model the package's own trained weights are used. "ms" is the time of the network alone, without reading and
scaling the picture. Pictures stand as their EXIF orientation says; transparent parts show white.
With --json a picture that failed has { file, error: { code, message } } in its place.

Exit codes: 0 all pictures done; 1 none could be done; 2 wrong command line; 3 some failed, the others were done.

Examples:
  ghostnet classify cat.jpg
  ghostnet classify holiday/ --top 1
  ghostnet classify cat.jpg --model ghostnet-1.0x --threads 4
  ghostnet classify cat.jpg --model state_dict_73.98.pth --network ghostnet-1.0x
  ghostnet classify *.jpg --model my-model.safetensors --json > answers.json`,
    )
    .action(act(classifyCommand));
};

async function classifyCommand(paths: readonly string[], options: ClassifyOptions): Promise<number> {
  const { openModel } = await import('../input/open-model.js');
  const { findPictures } = await import('../input/find-pictures.js');
  const model = await openModel(options.model, options);
  try {
    const found = await findPictures(paths);
    const results: PictureResult[] = [];
    for await (const result of classifyPictures(model, found, options.top)) {
      results.push(result);
      if ('error' in result) warn(result.error.message);
      else if (!options.json) printResult(result);
    }
    if (options.json) printJson(results);
    else printSummary(model, results);
    return exitCodeOf(results);
  } finally {
    await model.network.dispose();
  }
}

/** 0 when all pictures were done, 3 when some failed, 1 when all did. */
export function exitCodeOf(results: readonly PictureResult[]): number {
  const failed = results.filter((result) => 'error' in result).length;
  if (failed === 0) return exitCodes.ok;
  return failed === results.length ? exitCodes.failure : exitCodes.someFailed;
}

/** Answers in order; the next pictures are decoded while the network runs. */
export async function* classifyPictures(
  model: OpenModel,
  found: readonly Found[],
  top: number,
): AsyncGenerator<PictureResult> {
  const { decodePictureFile } = await import('../../data/node/decode.js');
  const ahead = 2;
  const decode = async (entry: Found): Promise<RgbPicture | Error> =>
    'error' in entry ? entry.error : decodePictureFile(entry.file).catch((error: Error) => error);
  const waiting = found.slice(0, ahead).map(decode);
  for (const [index, { file }] of found.entries()) {
    const next = found[index + ahead];
    const picture = await waiting.shift()!;
    if (next) waiting.push(decode(next));
    try {
      if (picture instanceof Error) throw picture;
      const input = model.prepare(picture);
      const started = performance.now();
      const output = await model.network.run(input);
      const ms = performance.now() - started;
      yield { file, predictions: best(model, output, top), ms: Number(ms.toFixed(3)) };
    } catch (error) {
      yield { file, error: { code: codeOf(error), message: oneLine(error) } };
    }
  }
}

function best(model: OpenModel, output: Float32Array, top: number): Prediction[] {
  const probabilities = model.endsInSoftmax ? output : softmax(output);
  return [...probabilities.keys()]
    .sort((a, b) => probabilities[b]! - probabilities[a]!)
    .slice(0, top)
    .map((index) => ({ index, label: model.label(index), probability: probabilities[index]! }));
}

/** Softmax in 64 bits, shifted by the largest value. */
export function softmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

function printResult(result: Extract<PictureResult, { predictions: unknown }>): void {
  const { bold, dim, cyan } = outColors;
  const rows = result.predictions.map(({ label, probability }, rank) => [
    rank === 0 ? bold(label) : label,
    cyan(bar(probability, 24)),
    `${(100 * probability).toFixed(1)} %`,
  ]);
  print(`${bold(result.file)}  ${dim(milliseconds(result.ms))}`);
  print(table(rows, 'llr').replaceAll(/^/gm, '  '));
  print();
}

function printSummary(model: OpenModel, results: readonly PictureResult[]): void {
  const done = results.filter((result) => 'predictions' in result).length;
  const failed = results.length - done;
  const count = `${done} picture${done === 1 ? '' : 's'}${failed > 0 ? `, ${failed} failed` : ''}`;
  print(outColors.dim(`${count}; ${model.description}; ${model.backend}`));
}
