/**
 * `ghostnet compress`: any of the compression passes on a model, with the same plan, report and questions as
 * `ghostnet ghostify`. The passes are in src/passes; this file goes from options to a written model.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import type { Graph } from '../../graph/graph.js';
import type { Calibration, CompressionPlan, CompressionResult } from '../../passes/compression.js';
import { type RoundingMethod, roundingMethods } from '../../passes/quantize/least-squares.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { acceptedPlan } from '../input/ask-plan.js';
import { list, wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { UsageError } from '../output/report-error.js';
import { note, print, printJson } from '../output/terminal.js';
import {
  type AnyPass,
  type CommonOptions,
  loadPass,
  type MethodName,
  methodNames,
  optionsFor,
} from './compress/methods.js';
import type { Measuring, Model } from './compress/outcome.js';

interface CompressOptions extends CommonOptions {
  readonly method: MethodName;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly out?: string;
  readonly plan?: string;
  readonly savePlan?: string;
  readonly calibrate?: string;
  readonly recalibrate: boolean;
  readonly biasCorrection: boolean;
  readonly rounding?: RoundingMethod;
  readonly data?: string;
  readonly pictures: number;
  readonly train?: string;
  readonly epochs: number;
  readonly threads: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 1 && value <= 1000))
    throw new InvalidArgumentError('Expected a number of at least 1, e.g. 2 for half the MACs.');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (text === '' || !(value > 0 && value <= 1))
    throw new InvalidArgumentError('Expected a share above 0 and up to 1, e.g. 0.5.');
  return value;
}

export const registerCompress: Register = (program, act) => {
  program
    .command('compress')
    .description('make a network smaller by pruning, decomposition, Ghost modules or int8')
    .argument('<name|file>', 'a network by name or a model file')
    .addOption(new Option('--method <name>', 'which pass').choices(methodNames).makeOptionMandatory())
    .option('--out <file>', 'where the new model goes: .safetensors, or .onnx')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--ratio <s>', 'how many times fewer MACs (for ghost: s of the modules); default 2', atLeastOne)
    .option('--keep <share>', 'instead of --ratio: the share of channels that stays', share)
    .option('--skip <layers>', 'layers to leave, with commas; * stands for any text', list, [])
    .option('--only <layers>', 'the only layers to change', list)
    .option('--min-channels <n>', 'channels that stay at least', wholeNumber(1))
    .option('--round-to <n>', 'keep multiples of n channels (4 suits the runtime)', wholeNumber(1))
    .option('--calibrate <pictures>', 'a folder of pictures, or CIFAR-10: what layers see and say')
    .option('--no-recalibrate', 'leave batch-norm statistics as they are')
    .option('--no-bias-correction', 'for int8: leave biases as they are')
    .addOption(new Option('--rounding <how>', 'for int8: how weights are rounded').choices(roundingMethods))
    .option('--data <pictures>', 'class folders, or CIFAR-10: measures accuracy before and after')
    .option(
      '--pictures <n>',
      'use at most so many to calibrate (ten times as many to measure)',
      wholeNumber(1),
      64,
    )
    .option('--train <pictures>', 'for sfp: class folders, or CIFAR-10, to train on between prunings')
    .option('--epochs <n>', 'for sfp: epochs of training', wholeNumber(1), 1)
    .option('--threads <n>', 'for running and training', wholeNumber(1, 64), 1)
    .option('--plan <file>', 'apply this (edited) plan instead of making one')
    .option('--save-plan <file>', 'write the plan as JSON')
    .option('--yes', 'apply the plan without asking')
    .option('--json', 'print { plan, params, macs, comparison } as JSON')
    .addHelpText(
      'after',
      `
Methods:
  l1        filters with the smallest l1 norm go (Li et al. 2017)
  cp        channels that the next layers miss least go, those layers are refitted (He et al. 2017); needs --calibrate
  slimming  channels with the smallest batch-norm scales go, layers competing (Liu et al. 2017)
  sfp       filters with the smallest l2 norm are zeroed between epochs of --train, then go (He et al. 2018)
  width     the same network, uniformly narrower, with fresh weights: to be trained
  lowrank   layers become products of thinner ones: SVD and Tucker-2 (Kim et al. 2016)
  ghost     convolutions become Ghost modules; ghostnet ghostify has more options
  int8      the same network in 8 bits, one scale a channel; needs --calibrate, writes .safetensors that run here

What hangs together goes together: residual sums, concatenations, shuffles, depthwise convolutions, gates, Ghost modules.
With --calibrate, batch-norm statistics are measured anew afterwards, also where batch norm had been folded away.
Without any training after it, a compressed network answers much worse: see docs/compression.md for measurements.

Examples:
  ghostnet compress resnet50 --method l1                          only show the plan
  ghostnet compress model.onnx --method cp --ratio 1.5 --calibrate photos/ --out small.onnx --yes
  ghostnet compress model.safetensors --method slimming --skip conv1 --save-plan plan.json
  ghostnet compress model.safetensors --method sfp --train cifar10/ --epochs 5 --out small.safetensors`,
    )
    .action(act(compressCommand));
};

async function readPictures(
  graph: Graph,
  options: CompressOptions,
): Promise<{ calibration: Calibration | undefined; measuring: Measuring | undefined }> {
  const { calibrationOf } = await import('../../calibration.js');
  const { readInputs } = await import('../input/picture-inputs.js');
  const { calibrate, data, pictures, threads } = options;
  const fit = calibrate === undefined ? undefined : await readInputs(calibrate, graph, pictures, false);
  const from = data ?? calibrate;
  const test =
    from === undefined ? undefined : await readInputs(from, graph, 10 * pictures, data !== undefined);
  return {
    calibration: fit && calibrationOf(fit.inputs, { threads }),
    measuring: test && {
      inputs: test.inputs,
      calibration: calibrationOf(test.inputs, { threads }),
      ...(test.labels ? { labels: test.labels } : {}),
    },
  };
}

/** A plan of a file, perhaps edited, with its layers and totals counted anew. */
async function readPlan(
  path: string,
  pass: AnyPass,
  { graph, weights }: Model,
  common: CommonOptions,
  calibration: Calibration | undefined,
): Promise<CompressionPlan> {
  const { planFromJson } = await import('../../passes/compression.js');
  if (!existsSync(path)) throw new UsageError(`--plan: ${path}: no such file`);
  const plan = planFromJson(await readFile(path, 'utf8'), path);
  return pass.recount(graph, weights, plan, common, calibration);
}

async function compressCommand(name: string, options: CompressOptions): Promise<number> {
  const { method, out } = options;
  if (out !== undefined && !/\.(safetensors|onnx)$/.test(out))
    throw new UsageError(`--out: ${out}: expected a name that ends in .safetensors or .onnx`);
  if (method === 'int8' && out?.endsWith('.onnx'))
    throw new UsageError(`--out: ${out}: int8 models are written as .safetensors`);
  if (!options.biasCorrection && method !== 'int8')
    throw new UsageError(`--no-bias-correction: only int8 corrects biases, ${method} does not`);
  if (options.rounding !== undefined && method !== 'int8')
    throw new UsageError(`--rounding: only int8 rounds weights, ${method} does not`);
  if (options.train !== undefined && method !== 'sfp')
    throw new UsageError(`--train: only sfp trains; fine-tune what ${method} gives with ghostnet train`);
  const common = commonOptions(options);
  const { loadModelOrRandom } = await import('../input/load-model.js');
  const { planToJson } = await import('../../passes/compression.js');
  const { writeFileAtomically } = await import('../../formats/node/model-file.js');
  const { printCompressionPlan } = await import('./compress/print-plan.js');
  const loaded = await loadModelOrRandom(name, options.network);
  const model = await withPreprocessing(loaded, options.preprocessing);
  if (options.calibrate !== undefined || options.data !== undefined)
    noteUsualPreprocessing({ ...model, description: name });
  const pass = await loadPass(method);
  const { calibration, measuring } = await readPictures(model.graph, options);
  const read = (path: string): Promise<CompressionPlan> => readPlan(path, pass, model, common, calibration);
  const plan =
    options.plan === undefined
      ? await pass.plan(model.graph, model.weights, common, calibration)
      : await read(options.plan);
  const show = (shown: CompressionPlan): void => print(printCompressionPlan(shown));
  const write = (shown: CompressionPlan, path: string): Promise<void> =>
    writeFileAtomically(path, planToJson(shown));
  if (!options.json) show(plan);
  if (options.savePlan !== undefined) {
    await write(plan, options.savePlan);
    note(`plan written to ${options.savePlan}: edit "apply" and "settings", then give it with --plan`);
  }
  if (out === undefined) {
    if (options.json) printJson({ plan });
    return exitCodes.ok;
  }
  const answer = await acceptedPlan(plan, options, {
    file: options.savePlan ?? `${out}.plan.json`,
    ...{ read, write, show },
  });
  if (typeof answer === 'string') {
    if (options.json) printJson({ plan });
    note(`nothing changed${answer === 'nobody to ask' ? '; add --yes to apply the plan' : ''}`);
    return answer === 'interrupted' ? exitCodes.interrupted : exitCodes.ok;
  }
  return applyPlan(model, answer.accepted, { options, common, calibration, measuring, out });
}

function commonOptions(options: CompressOptions): CommonOptions {
  const { method, ratio, keep, skip, only, minChannels, roundTo } = options;
  return optionsFor(method, {
    skip,
    ...(ratio === undefined ? {} : { ratio }),
    ...(keep === undefined ? {} : { keep }),
    ...(only === undefined ? {} : { only }),
    ...(minChannels === undefined ? {} : { minChannels }),
    ...(roundTo === undefined ? {} : { roundTo }),
  });
}

/** Applies, with batch norm put back while the pass works where it had been folded, and statistics measured anew. */
async function applied(
  model: Model,
  plan: CompressionPlan,
  options: CompressOptions,
  common: CommonOptions,
  calibration: Calibration | undefined,
): Promise<CompressionResult> {
  const pass = await loadPass(options.method);
  const { progress } = await import('../output/progress.js');
  const training = options.method === 'sfp' && options.train !== undefined ? options.train : undefined;
  let more: object = common;
  const line = training === undefined ? undefined : progress('training', 1);
  if (training !== undefined) {
    const { softTraining } = await import('./compress/soft-training.js');
    const { epochs, threads } = options;
    const onStep = (done: number, steps: number): void => line?.update(done / steps);
    more = {
      ...common,
      epochs,
      train: await softTraining(training, model.graph, epochs, { threads, onStep }),
    };
  }
  if (options.method === 'int8') {
    const { quantizeProgress } = await import('../output/quantize-progress.js');
    const { onCorrection, stop } = quantizeProgress(0);
    const { biasCorrection, rounding = 'least-squares' } = options;
    const int8Options = { biasCorrection, rounding, onCorrection };
    return pass.apply(model.graph, model.weights, plan, int8Options, calibration).finally(stop);
  }
  const recalibrate = options.recalibrate && calibration !== undefined;
  const { restoreBatchNorm } = await import('../../passes/restore-batch-norm.js');
  const start = recalibrate ? await restoreBatchNorm(model.graph, model.weights, calibration) : model;
  const result = await pass.apply(start.graph, start.weights, plan, more, calibration);
  line?.stop();
  if (!recalibrate) return result;
  const { recalibrateBatchNorm } = await import('../../passes/recalibrate-batch-norm.js');
  const weights = await recalibrateBatchNorm(result.graph, result.weights, calibration);
  if (start.graph === model.graph) return { ...result, weights };
  const { foldBatchNorm } = await import('../../passes/fold-batch-norm.js');
  return { ...foldBatchNorm(result.graph, weights), plan: result.plan };
}

async function applyPlan(
  model: Model,
  plan: CompressionPlan,
  task: {
    readonly options: CompressOptions;
    readonly common: CommonOptions;
    readonly calibration: Calibration | undefined;
    readonly measuring: Measuring | undefined;
    readonly out: string;
  },
): Promise<number> {
  const { options, common, calibration, measuring, out } = task;
  const { profile } = await import('../../analysis/profile.js');
  const { printComparison } = await import('../measure/compare.js');
  const { compared, writeCompressed } = await import('./compress/outcome.js');
  const { grouped } = await import('../output/terminal.js');
  const started = performance.now();
  const result = await applied(model, plan, options, common, calibration);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const { params, macs } = profile(result.graph);
  const how = `${options.method}, ${grouped(macs)} MACs of ${grouped(plan.before.macs)}`;
  await writeCompressed(out, result, how);
  const comparison = measuring && (await compared(model, result, measuring, options.threads));
  if (options.json)
    printJson({ plan: result.plan, params, macs, ...(comparison ? { comparison } : {}), out });
  else if (comparison) {
    print();
    print(printComparison(comparison));
  }
  note(
    `${options.method}: ${grouped(params)} params, ${grouped(macs)} MACs, in ${seconds} s; written to ${out}`,
  );
  return exitCodes.ok;
}
