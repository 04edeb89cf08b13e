/**
 * `ghostnet train`: trains a network by name or a model file on CIFAR-10 or a folder of class folders. Turns flags and
 * a configuration file into one configuration, shows progress, and leaves the rest to train/node/run-training.ts.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import type { RunConfig, Settings } from '../../train/config.js';
import { recipeNames, recipes } from '../../train/recipes.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { commandLine } from '../input/command-words.js';
import { defaultModel } from '../input/default-model.js';
import { networkOptions } from '../input/network-options.js';
import { decimal, list, wholeNumber } from '../input/options.js';
import { finishOnInterrupt } from '../output/interrupt.js';
import { UsageError } from '../output/report-error.js';
import { note, printJson } from '../output/terminal.js';
import { trainingView } from '../output/train-view.js';
import { rateRules } from './train/options.js';

interface TrainFlags {
  readonly config?: string;
  readonly resume?: string;
  readonly run?: string;
  readonly json?: boolean;
  readonly teacher?: string;
  readonly temperature?: number;
  readonly teacherWeight?: number;
  readonly mixup?: number;
  readonly cutout?: number;
  readonly monochrome?: number;
  readonly [setting: string]: unknown;
}

const recipeHelp = Object.entries(recipes)
  .map(([name, { summary }]) => `  ${name.padEnd(15)} ${summary}`)
  .join('\n');

export const registerTrain: Register = (program, act) => {
  program
    .command('train')
    .description('train a network on CIFAR-10 or on a folder with one folder of pictures for each class')
    .argument('[network]', 'network by name, or a model file to go on from ("default": the package’s own)')
    .option('--data <path>', 'CIFAR-10 folder, or folder of class folders (perhaps with train/ and val/)')
    .option('--out <file>', 'the model file to write, e.g. model.safetensors')
    .option('--config <file>', 'settings from a YAML or JSON file; flags go first')
    .option('--run <folder>', 'the run folder; default: the name of --out with "-run"')
    .option('--resume <folder>', 'go on with the run in this folder, with its own settings')
    .addOption(new Option('--recipe <name>', 'settings by name, see below').choices(recipeNames))
    .option('--epochs <n>', 'how often all pictures are seen', wholeNumber(1))
    .option('--batch <n>', 'pictures of one step', wholeNumber(2))
    .option('--learning-rate <x>', "the schedule's peak", decimal(0))
    .option('--label-smoothing <x>', 'share of the target spread over all classes', decimal(0, 0.9))
    .option('--ema <x>', 'decay of the moving average of the weights; 0: none', decimal(0, 1))
    .option('--clip-norm <x>', 'largest norm of the gradient; 0: no limit', decimal(0))
    .option('--mixup <alpha>', 'mix pictures in pairs; 0: not', decimal(0, 1))
    .option('--cutout <side>', 'side of the square that is hidden; 0: none', wholeNumber(0))
    .option('--monochrome <x>', 'share of the pictures that lose their colours', decimal(0, 1))
    .option('--dropout <x>', 'rate of the dropout before the last layer', decimal(0, 0.9))
    .option('--validation <x>', 'share of the pictures that chooses the epoch', decimal(0, 0.9))
    .option('--limit <n>', 'train on at most so many pictures, as many of each class', wholeNumber(1))
    .option('--input-size <n>', 'side of the pictures the network sees', wholeNumber(8))
    .option('--width <x>', 'all channels of the network times x', decimal(0.01, 16))
    .option('--ratio <s>', 's of the Ghost modules', wholeNumber(1))
    .option('--cheap-kernel <d>', 'd of the Ghost modules', wholeNumber(1, 7))
    .option(
      '--from <file>',
      'start from these weights (file, or name of pulled ones); new last layer where classes differ',
    )
    .option('--freeze <patterns>', 'parameters that stay as they are, e.g. "conv_stem*,bn1*"', list)
    .option('--learning-rates <rules>', 'factors by pattern, e.g. "blocks.*=0.1,classifier*=2"', rateRules)
    .option('--teacher <file>', 'learn from the answers of this model too')
    .option('--temperature <x>', 'of the distillation', decimal(0))
    .option('--teacher-weight <x>', "the teacher's share of the loss", decimal(0, 1))
    .option('--recompute', 'less memory: make outputs of batch norm again in the backward pass (same bits)')
    .addOption(
      new Option('--bad-pictures <what>', 'pictures that cannot be decoded, empty classes').choices([
        'stop',
        'skip',
      ]),
    )
    .addOption(new Option('--dtype <type>', 'of the model file').choices(['f32', 'f16']))
    .option('--seed <n>', 'of everything that is drawn', wholeNumber(0))
    .option('--threads <n>', 'threads of the training step', wholeNumber(1, 32))
    .option('--workers <n>', 'threads that decode and augment', wholeNumber(0, 32))
    .option('--json', 'print the outcome as JSON at the end')
    .addHelpText(
      'after',
      `
Recipes (--recipe):
${recipeHelp}

Ctrl-C finishes the current step, writes a checkpoint and ends with exit code 130; --resume goes on from it with the
same bits as an unbroken run; with --epochs N the rest of the run is stretched or shortened. The run folder holds config.json, metrics.csv, last and best.safetensors, report.html.

Examples:
  ghostnet data cifar10 data/cifar10
  ghostnet train ghostnet-32 --data data/cifar10 --out my.safetensors
  ghostnet train --resume my-run
  ghostnet train ghostnet-1.0x --from ghostnet-1.0x --data photos/ --out photos.safetensors
  ghostnet train ghostnet-1.0x --input-size 96 --data photos/ --out photos.safetensors
  ghostnet train my.safetensors --data photos/ --out photos.safetensors --freeze "conv_stem*,stages.0*"
  ghostnet train --config training.yaml`,
    )
    .action(act(trainCommand));
};

const settingFlags = [
  'data',
  'out',
  'recipe',
  'epochs',
  'batch',
  'learningRate',
  'labelSmoothing',
  'ema',
  'clipNorm',
  'dropout',
  'validation',
  'limit',
  'inputSize',
  'width',
  'ratio',
  'cheapKernel',
  'from',
  'freeze',
  'learningRates',
  'recompute',
  'badPictures',
  'dtype',
  'seed',
  'threads',
  'workers',
] as const;

/** The settings that flags give, unchecked. */
function settingsOf(network: string | undefined, flags: TrainFlags): Record<string, unknown> {
  const named = network === 'default' ? defaultModel().path : network;
  const settings: Record<string, unknown> = named === undefined ? {} : { network: named };
  for (const name of settingFlags) if (flags[name] !== undefined) settings[name] = flags[name];
  if (flags.teacher !== undefined)
    settings['teacher'] = {
      model: flags.teacher,
      ...(flags.temperature === undefined ? {} : { temperature: flags.temperature }),
      ...(flags.teacherWeight === undefined ? {} : { weight: flags.teacherWeight }),
    };
  else if (flags.temperature !== undefined || flags.teacherWeight !== undefined)
    throw new UsageError('--temperature and --teacher-weight need --teacher');
  return settings;
}

/** Single augmentations that flags change. */
function withAugmentFlags(config: RunConfig, flags: TrainFlags): RunConfig {
  const augment: Record<string, unknown> = { ...config.augment };
  for (const name of ['mixup', 'cutout', 'monochrome'] as const) {
    const value = flags[name];
    if (value === 0) delete augment[name];
    else if (value !== undefined) augment[name] = value;
  }
  return { ...config, augment };
}

async function configOf(network: string | undefined, flags: TrainFlags): Promise<RunConfig> {
  const { checkSettings, parseConfig, resolveConfig } = await import('../../train/config.js');
  const { dataKind } = await import('../../train/node/training-data.js');
  const { hasModel } = await import('../../models/registry.js');
  const { readBytes } = await import('../../formats/node/model-file.js');
  let file: Settings = {};
  if (flags.config !== undefined)
    file = parseConfig(new TextDecoder().decode(await readBytes(flags.config)), flags.config);
  const given = checkSettings(settingsOf(network, flags), 'command line');
  const merged = { ...file, ...given };
  for (const key of ['network', 'data', 'out'] as const)
    if (merged[key] === undefined)
      throw new UsageError(
        key === 'network'
          ? 'name a network or a model file to train ("ghostnet models" lists the networks)'
          : `--${key} is missing`,
      );
  const { network: named = '', width, ratio, cheapKernel } = merged;
  await networkOptions(named, {
    ...(width === undefined ? {} : { width }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(cheapKernel === undefined ? {} : { cheapKernel }),
  });
  const defaults = {
    data: await dataKind(merged.data ?? ''),
    threads: 1,
    trained: !hasModel(merged.network ?? ''),
  };
  return withPulled(withAugmentFlags(resolveConfig(file, given, defaults), flags));
}

/** `--from NAME`: the weights that `ghostnet pull NAME` fetched. */
async function withPulled(config: RunConfig): Promise<RunConfig> {
  if (config.from === undefined || existsSync(config.from)) return config;
  const { pulledModel } = await import('../../formats/node/pull.js');
  const pulled = pulledModel(config.from);
  return pulled ? { ...config, from: pulled.path } : config;
}

async function trainCommand(
  network: string | undefined,
  flags: TrainFlags,
  command: Command,
): Promise<number> {
  if (flags.resume !== undefined && (network !== undefined || Object.keys(flags).some(isNewSetting)))
    throw new UsageError(
      '--resume goes on with the settings of the run; only --epochs (another length), --data (moved) and --json go with it',
    );
  const config = flags.resume === undefined ? await configOf(network, flags) : undefined;
  const folder =
    flags.resume ??
    flags.run ??
    join(dirname(config!.out), `${basename(config!.out).replace(/\.safetensors$/, '')}-run`);
  const { runTraining } = await import('../../train/node/run-training.js');
  const view = trainingView();
  try {
    const run = {
      folder,
      ...(config ? { config } : {}),
      ...(typeof flags['epochs'] === 'number' ? { epochs: flags['epochs'] } : {}),
      ...(typeof flags['data'] === 'string' ? { data: flags['data'] } : {}),
      command: commandLine(command),
      ...view,
    };
    const outcome = await finishOnInterrupt((signal) => runTraining({ ...run, signal }));
    view.stop();
    if (outcome.state === 'interrupted') {
      note(`ghostnet: stopped; go on with: ghostnet train --resume ${folder}`);
      return exitCodes.interrupted;
    }
    if (flags.json) printJson(outcomeJson(outcome));
    else view.summary(outcome);
    return exitCodes.ok;
  } finally {
    view.stop();
  }
}

function isNewSetting(name: string): boolean {
  return !['resume', 'epochs', 'data', 'json'].includes(name);
}

function outcomeJson({
  folder,
  config,
  trainedOn,
  bestEpoch,
  evaluation,
}: Awaited<ReturnType<typeof import('../../train/node/run-training.js').runTraining>>): unknown {
  const { worst: _, confusion: __, ...numbers } = evaluation?.result ?? { worst: 0, confusion: 0 };
  const { out, recipe, epochs } = config;
  return { out, run: folder, recipe, epochs, trainedOn, bestEpoch, of: evaluation?.of, ...numbers };
}
