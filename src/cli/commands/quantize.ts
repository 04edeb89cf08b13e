/**
 * `ghostnet quantize`: a model in int8, calibrated on pictures, as a file that the commands which only run a network
 * take. The pass is in src/passes/quantize.
 */
import { statSync } from 'node:fs';
import { Option } from 'commander';
import { granularities } from '../../passes/quantize/granularity.js';
import { type RoundingMethod, roundingMethods } from '../../passes/quantize/least-squares.js';
import type { QuantizeOptions } from '../../passes/quantize/quantize.js';
import { rangeMethods } from '../../passes/quantize/ranges.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { quantizeProgress } from '../output/quantize-progress.js';
import { byteSize, outColors, print, printJson, table } from '../output/terminal.js';

interface QuantizeCommandOptions {
  readonly data: string;
  readonly out: string;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly pictures: number;
  readonly granularity: NonNullable<QuantizeOptions['granularity']>;
  readonly ranges: NonNullable<QuantizeOptions['ranges']>;
  readonly rounding: RoundingMethod;
  readonly biasCorrection: boolean;
  readonly json?: boolean;
}

export const registerQuantize: Register = (program, act) => {
  program
    .command('quantize')
    .description('make an int8 model: a quarter of the bytes, less time, nearly the same answers')
    .argument('<name|file>', '"default", a network by name (its pulled weights) or a model file')
    .requiredOption('--data <pictures>', 'a folder of pictures, or CIFAR-10 (training part): sets the ranges')
    .requiredOption('--out <file>', 'the int8 model file to write')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--pictures <n>', 'use at most so many', wholeNumber(1), 128)
    .addOption(
      new Option(
        '--granularity <what>',
        'what has a range; equalised: channels, balanced with weights; half: of a Ghost module',
      )
        .choices(granularities)
        .default('equalised'),
    )
    .addOption(new Option('--ranges <how>', 'how ranges are chosen').choices(rangeMethods).default('tail'))
    .addOption(
      new Option(
        '--rounding <how>',
        'how weights are rounded; least-squares: so that sums change least on the pictures',
      )
        .choices(roundingMethods)
        .default('least-squares'),
    )
    .option(
      '--no-bias-correction',
      'leave biases as they are: no correction of mean errors, layer after layer',
    )
    .option('--json', 'print { out, bytes, pictures, values: [{ value, kind, sqnr, ranges }] }')
    .addHelpText(
      'after',
      `
classify, eval, bench, build and inspect take the file; what changes weights (train, ghostify, convert) does not. Measure what
the rounding costs with "ghostnet eval" on both files. The noisiest values are listed: 20 dB and more are harmless.

Examples:
  ghostnet quantize default --data data/cifar10 --out small.safetensors
  ghostnet quantize mobilenetv2.onnx --data photos/ --out small.safetensors
  ghostnet eval small.safetensors --data data/cifar10`,
    )
    .action(act(quantizeCommand));
};

async function quantizeCommand(name: string, options: QuantizeCommandOptions): Promise<number> {
  const { loadModel } = await import('../input/load-model.js');
  const { readInputs } = await import('../input/picture-inputs.js');
  const { writeQuantizedFile } = await import('../../formats/node/model-file.js');
  const { quantize } = await import('../../quantize-network.js');
  const loaded = await loadModel(name === 'default' ? undefined : name, options.network);
  const model = await withPreprocessing(loaded, options.preprocessing);
  const { graph, weights, description } = model;
  noteUsualPreprocessing(model);
  const { inputs } = await readInputs(options.data, graph, options.pictures, false);
  const line = quantizeProgress(inputs.length);
  const { granularity, ranges, rounding, biasCorrection } = options;
  const { network, plan } = await quantize(graph, weights, {
    calibration: inputs,
    ...line,
    granularity,
    ranges,
    rounding,
    biasCorrection,
  }).finally(line.stop);
  await writeQuantizedFile(options.out, network);
  const bytes = statSync(options.out).size;
  if (options.json) {
    const values = plan.map(({ value, kind, sqnr, runs }) => ({
      value,
      kind,
      sqnr,
      ranges: runs.map(({ channels, scale, zeroPoint }) => ({
        channels,
        min: -zeroPoint * scale,
        max: (127 - zeroPoint) * scale,
      })),
    }));
    printJson({ out: options.out, bytes, pictures: inputs.length, values });
    return exitCodes.ok;
  }
  const { bold, dim } = outColors;
  const noisy = [...plan].sort((a, b) => a.sqnr - b.sqnr).slice(0, 5);
  const rows = noisy.map(({ value, kind, sqnr }) => [value, kind, `${sqnr.toFixed(1)} dB`]);
  print(dim(`noisiest of ${plan.length} values`));
  print(table([['value', 'operation', 'signal to noise'].map((text) => dim(text)), ...rows], 'llr'));
  print();
  print(`${bold(options.out)}: ${byteSize(bytes)}, int8; ${inputs.length} pictures; from ${description}`);
  return exitCodes.ok;
}
