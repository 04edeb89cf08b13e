/**
 * `ghostnet ghostify`: turns a network's convolutions into Ghost modules. Shows the plan, asks, applies it with the best
 * weights that pictures allow, and says what became of the answers. The pass itself is src/passes/ghostify.
 */
import { basename, dirname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Graph, Weights } from '../../graph/graph.js';
import type { GhostPlan } from '../../passes/ghostify/plan.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { acceptedPlan } from '../input/ask-plan.js';
import { commandLine } from '../input/command-words.js';
import { list, wholeNumber } from '../input/options.js';
import { preprocessingHelp } from '../input/preprocessing-option.js';
import { UsageError } from '../output/report-error.js';
import { note, print, printJson } from '../output/terminal.js';
import type { TuningData } from './ghostify/finetune-recipe.js';
import type { FinetuneRun } from './ghostify/finetune-run.js';
import {
  type GhostifyCommandOptions,
  type Loaded,
  load,
  makePlan,
  passOptions,
  readPlan,
} from './ghostify/make-plan.js';

function positive(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kMG]?)$/.exec(text);
  const value = Number(match?.[1]) * ({ k: 1e3, M: 1e6, G: 1e9 }[match?.[2] ?? ''] ?? 1);
  if (!match || !(value > 0)) throw new InvalidArgumentError('Expected a number above 0, e.g. 12.5 or 150M.');
  return value;
}

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (text === '' || !(value >= 0 && value <= 100))
    throw new InvalidArgumentError('Expected a number of points from 0 to 100, e.g. 1.5.');
  return value / 100;
}

export const registerGhostify: Register = (program, act) => {
  program
    .command('ghostify')
    .description('turn the convolutions of a network into Ghost modules, keeping what it learned')
    .argument('<name|file>', 'a network by name or a model file')
    .option('--out <file>', 'where the new model goes: .safetensors, or .onnx')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--ratio <s>', 'of n channels n/s stay, the others become ghosts', wholeNumber(2, 64), 2)
    .option('--cheap-kernel <d>', 'side of the cheap filters: 1, 3, 5 or 7', wholeNumber(1, 7), 3)
    .addOption(
      new Option('--cheap-operation <name>', 'what makes ghosts')
        .choices(['depthwise', 'affine', 'identity', 'haar', 'shift'])
        .default('depthwise'),
    )
    .addOption(
      new Option(
        '--placement <where>',
        'batch norm and activation inside both halves, or once after the module',
      )
        .choices(['inside', 'after'])
        .default('inside'),
    )
    .addOption(
      new Option('--selection <how>', 'how the filters that stay are chosen')
        .choices(['first', 'norm', 'pivoted', 'grouping'])
        .default('grouping'),
    )
    .option('--skip <layers>', 'layers to leave, with commas; name* for all that begin so', list, [])
    .option('--only <layers>', 'the only layers to change', list)
    .option('--min-channels <n>', 'leave layers with fewer output channels', wholeNumber(2), 8)
    .option(
      '--round-to <n>',
      'round intrinsic channels up to a multiple (4 suits the runtime)',
      wholeNumber(1),
      1,
    )
    .option('--measure', 'time every layer in both forms on this machine; leave what gets slower')
    .option('--allow-slower', 'change layers that get slower too')
    .option('--threads <n>', 'for measuring and running', wholeNumber(1, 64), 1)
    .option('--plan <file>', 'apply this (edited) plan instead of making one')
    .option('--save-plan <file>', 'write the plan as JSON')
    .option(
      '--calibrate <pictures>',
      'a folder of pictures, or CIFAR-10: weights are fitted to what they show',
    )
    .option('--data <pictures>', 'class folders, or CIFAR-10: measures accuracy before and after')
    .option(
      '--pictures <n>',
      'use at most so many for fitting (ten times as many for measuring)',
      wholeNumber(1),
      64,
    )
    .option('--finetune <pictures>', 'class folders, or CIFAR-10: train on with the old network as teacher')
    .option('--epochs <n>', 'of fine-tuning (with --layerwise: of each layer)', wholeNumber(1), 1)
    .option('--learning-rate <rate>', 'highest of fine-tuning', positive, 0.05)
    .option('--seed <n>', 'of fine-tuning', wholeNumber(0), 1)
    .option('--run <folder>', 'the run folder of fine-tuning; default: the name of --out with "-run"')
    .option('--layerwise', 'change and fine-tune one layer after the other, the others frozen')
    .option('--target-macs <n>', 'search s of each layer for at most n MACs, e.g. 150M', positive)
    .option('--target-ms <ms>', 'search for at most so many milliseconds in convolutions', positive)
    .option('--max-drop <points>', 'search for the most savings at so many points of accuracy lost', percent)
    .addOption(
      new Option('--dtype <type>', 'of the model file; ONNX is f32').choices(['f32', 'f16']).default('f32'),
    )
    .option('--yes', 'apply the plan without asking')
    .option('--json', 'print { plan, before, after } as JSON')
    .addHelpText(
      'after',
      `
The plan is shown before anything changes; nothing is written without --out and your yes (or --yes). With --calibrate
the cheap filters are fitted, by least squares, to what the old layers put out on the pictures; without, from the weights
alone, which is much less exact. Searching (--target-..., --max-drop) needs --calibrate; --max-drop counts accuracy on
--data, or without it the share of pictures whose first answer changed.

Examples:
  ghostnet ghostify resnet50                                   only show the plan
  ghostnet ghostify model.safetensors --calibrate photos/ --out ghost.safetensors
  ghostnet ghostify model.safetensors --skip conv1,layer1* --ratio 4 --measure
  ghostnet ghostify model.safetensors --save-plan plan.json    then edit it, and:
  ghostnet ghostify model.safetensors --plan plan.json --calibrate photos/ --out ghost.safetensors --yes
  ghostnet ghostify model.safetensors --calibrate cifar10/ --finetune cifar10/ --epochs 3 --out ghost.safetensors
  ghostnet ghostify model.safetensors --calibrate photos/ --target-macs 150M --out ghost.onnx`,
    )
    .action(act(ghostifyCommand));
};

async function ghostifyCommand(
  name: string,
  options: GhostifyCommandOptions,
  command: Command,
): Promise<number> {
  if (options.out !== undefined && !/\.(safetensors|onnx)$/.test(options.out))
    throw new UsageError(`--out: ${options.out}: expected a name that ends in .safetensors or .onnx`);
  const { writeFileAtomically } = await import('../../formats/node/model-file.js');
  const { planToJson } = await import('../../passes/compression.js');
  const { printPlanTable } = await import('./ghostify/print-plan.js');
  const loaded = await load(name, options);
  const tuning = await tuningOf(loaded.graph, options, command);
  const plan = await makePlan(loaded, options);
  const show = (shown: GhostPlan): void => print(printPlanTable(shown));
  const write = (shown: GhostPlan, path: string): Promise<void> =>
    writeFileAtomically(path, planToJson(shown as never));
  if (!options.json) show(plan);
  if (options.savePlan !== undefined) {
    await write(plan, options.savePlan);
    note(`plan written to ${options.savePlan}: edit "apply" and "settings", then give it with --plan`);
  }
  if (options.out === undefined) {
    if (options.json) printJson({ plan });
    return exitCodes.ok;
  }
  const answer = await acceptedPlan(plan, options, {
    file: options.savePlan ?? `${options.out}.plan.json`,
    read: (path) => readPlan(loaded.graph, path),
    ...{ write, show },
  });
  if (typeof answer === 'string') {
    if (options.json) printJson({ plan });
    note(`nothing changed${answer === 'nobody to ask' ? '; add --yes to apply the plan' : ''}`);
    return answer === 'interrupted' ? exitCodes.interrupted : exitCodes.ok;
  }
  if (!answer.accepted.layers.some((layer) => layer.apply)) note('the plan changes no layer');
  return applyPlan(loaded, answer.accepted, options, options.out, tuning);
}

/** The plan applied, and trained on where that is asked for; undefined when Ctrl-C ended the run. */
async function fitted(
  { graph, weights, fitting }: Loaded,
  plan: GhostPlan,
  options: GhostifyCommandOptions,
  tuning: Tuning | undefined,
): Promise<{ graph: Graph; weights: Weights; plan: GhostPlan } | undefined> {
  const { applyGhostify } = await import('../../passes/ghostify/apply.js');
  const { withNotes } = await import('./ghostify/write-model.js');
  const { progress } = await import('../output/progress.js');
  const old = { graph, weights };
  if (tuning && options.layerwise) {
    const { finetuneLayers } = await import('./ghostify/finetune-layers.js');
    const how = { ...tuning.options, say: note };
    const result = await finetuneLayers(old, plan, passOptions(options), fitting, tuning.about, how);
    return { ...result, graph: withNotes(result.graph, result.plan) };
  }
  const line = progress('fitting layers', plan.layers.length);
  const pass = { ...passOptions(options), onLayer: (_: unknown, done: number) => line.update(done) };
  const result = await applyGhostify(graph, weights, plan, pass, fitting);
  line.stop();
  const student = { ...result, graph: withNotes(result.graph, result.plan) };
  if (!tuning) return student;
  const { finetuneRun } = await import('./ghostify/finetune-run.js');
  const tuned = await finetuneRun(student, old, tuning.about, tuning.options);
  return tuned && { ...tuned, plan: result.plan };
}

interface Tuning {
  readonly about: TuningData;
  readonly options: FinetuneRun;
}

/** What --finetune asks for, checked before anything takes time. */
async function tuningOf(
  graph: Graph,
  options: GhostifyCommandOptions,
  command: Command,
): Promise<Tuning | undefined> {
  const { finetune, out, run, epochs, learningRate, seed, threads, dtype } = options;
  if (finetune === undefined || out === undefined) return undefined;
  const { checkClasses, tuningData } = await import('./ghostify/finetune-recipe.js');
  const about = await tuningData(finetune);
  checkClasses(graph, about);
  const folder = run ?? join(dirname(out), `${basename(out).replace(/\.[a-z]+$/, '')}-run`);
  if (!options.layerwise) {
    const { refuseSecondRun } = await import('../../train/node/run-folder.js');
    refuseSecondRun(folder);
  }
  return {
    about,
    options: {
      ...{ data: finetune, epochs, learningRate, seed, threads, folder, dtype },
      out: out.endsWith('.onnx') ? join(folder, 'model.safetensors') : out,
      command: commandLine(command),
      summary: !options.json,
    },
  };
}

async function applyPlan(
  loaded: Loaded,
  plan: GhostPlan,
  options: GhostifyCommandOptions,
  out: string,
  tuning: Tuning | undefined,
): Promise<number> {
  const { graph, weights, measuring } = loaded;
  const { writeModel } = await import('./ghostify/write-model.js');
  const { compareModels, printComparison } = await import('../measure/compare.js');
  const { printErrors } = await import('./ghostify/print-plan.js');
  const started = performance.now();
  const result = await fitted(loaded, plan, options, tuning);
  if (!result) {
    note(`ghostnet: stopped; go on with: ghostnet train --resume ${tuning?.options.folder}`);
    // the run writes its own format
    const trained = tuning?.options.out;
    if (trained !== undefined && trained !== out) note(`and then: ghostnet convert ${trained} ${out}`);
    return exitCodes.interrupted;
  }
  const seconds = (performance.now() - started) / 1000;
  const compared = measuring && (await compareModels({ graph, weights }, result, measuring));
  await writeModel(out, result.graph, result.weights, options.dtype);
  if (options.json) {
    printJson({ plan: result.plan, ...(compared ?? {}), out });
    return exitCodes.ok;
  }
  print();
  print(printErrors(result.plan));
  print();
  if (compared) print(printComparison(compared));
  note(`done in ${seconds.toFixed(1)} s; written to ${out}`);
  return exitCodes.ok;
}
