/**
 * `ghostnet ghostify`: turns a network's convolutions into Ghost modules. Shows the plan, asks, applies it with the best
 * weights that pictures allow, and says what became of the answers. The pass itself is src/passes/ghostify.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option } from 'commander';
import type { Graph, Weights } from '../graph/graph.js';
import type { Calibration } from '../passes/compression.js';
import type { GhostifyOptions } from '../passes/ghostify/options.js';
import type { GhostPlan } from '../passes/ghostify/plan.js';
import type { Register } from './command.js';
import { exitCodes } from './exit-codes.js';
import type { PictureInputs } from './ghostify/pictures.js';
import { list, wholeNumber } from './options.js';
import { UsageError } from './report-error.js';
import { note, print, printJson } from './terminal.js';

interface GhostifyCommandOptions {
  readonly network?: string;
  readonly out?: string;
  readonly ratio: number;
  readonly cheapKernel: number;
  readonly cheapOperation: NonNullable<GhostifyOptions['cheapOperation']>;
  readonly placement: 'inside' | 'after';
  readonly selection: NonNullable<GhostifyOptions['selection']>;
  readonly skip: readonly string[];
  readonly only?: readonly string[];
  readonly minChannels: number;
  readonly roundTo: number;
  readonly allowSlower?: boolean;
  readonly measure?: boolean;
  readonly threads: number;
  readonly plan?: string;
  readonly savePlan?: string;
  readonly calibrate?: string;
  readonly data?: string;
  readonly pictures: number;
  readonly targetMacs?: number;
  readonly targetMs?: number;
  readonly maxDrop?: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

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
    .option('--target-macs <n>', 'search s of each layer for at most n MACs, e.g. 150M', positive)
    .option('--target-ms <ms>', 'search for at most so many milliseconds in convolutions', positive)
    .option('--max-drop <points>', 'search for the most savings at so many points of accuracy lost', percent)
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
  ghostnet ghostify model.safetensors --calibrate photos/ --target-macs 150M --out ghost.onnx`,
    )
    .action(act(ghostifyCommand));
};

interface Loaded {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly fitting: Calibration | undefined;
  readonly measuring: { readonly calibration: Calibration; readonly labels?: readonly number[] } | undefined;
}

async function load(name: string, options: GhostifyCommandOptions): Promise<Loaded> {
  const { loadModelOrRandom } = await import('./load-model.js');
  const { calibrationOf } = await import('../calibration.js');
  const { readInputs } = await import('./ghostify/pictures.js');
  const model = await loadModelOrRandom(name, options.network);
  const { threads, pictures } = options;
  const read = async (path: string, most: number, labelled: boolean): Promise<PictureInputs> =>
    readInputs(path, model.graph, most, labelled);
  const fit = options.calibrate === undefined ? undefined : await read(options.calibrate, pictures, false);
  const test =
    options.data === undefined
      ? options.calibrate === undefined
        ? undefined
        : await read(options.calibrate, 10 * pictures, false)
      : await read(options.data, 10 * pictures, true);
  return {
    ...model,
    fitting: fit && calibrationOf(fit.inputs, { threads }),
    measuring: test && {
      calibration: calibrationOf(test.inputs, { threads }),
      ...(test.labels ? { labels: test.labels } : {}),
    },
  };
}

function passOptions(options: GhostifyCommandOptions): GhostifyOptions {
  const { ratio, cheapKernel, cheapOperation, placement, selection } = options;
  const { skip, only, minChannels, roundTo, allowSlower = false } = options;
  return {
    ...{ ratio, cheapKernel, cheapOperation, placement, selection, skip, minChannels, roundTo, allowSlower },
    ...(only ? { only } : {}),
  };
}

async function makePlan(loaded: Loaded, options: GhostifyCommandOptions): Promise<GhostPlan> {
  const { graph } = loaded;
  const { planGhostify, withTotals } = await import('../passes/ghostify/plan.js');
  const { checkPlan, planFromJson } = await import('../passes/compression.js');
  const { progress } = await import('./progress.js');
  let plan: GhostPlan;
  if (options.plan === undefined) plan = planGhostify(graph, passOptions(options));
  else {
    if (!existsSync(options.plan)) throw new UsageError(`--plan: ${options.plan}: no such file`);
    plan = planFromJson(await readFile(options.plan, 'utf8'), options.plan) as unknown as GhostPlan;
    checkPlan(plan, 'ghostify', graph);
    plan = withTotals(graph, plan);
  }
  if (options.measure) {
    const { measurePlan } = await import('./ghostify/measure-plan.js');
    const line = progress('measuring layers', plan.layers.length);
    const allowSlower = options.allowSlower ?? false;
    plan = await measurePlan(graph, plan, { threads: options.threads, allowSlower, onLayer: line.update });
    line.stop();
    plan = withTotals(graph, plan);
  }
  const target = targetOf(options);
  if (!target) return plan;
  const { fitting, measuring } = loaded;
  if (!fitting || !measuring)
    throw new UsageError('--target-macs, --target-ms and --max-drop need --calibrate <pictures>');
  const { searchPlan } = await import('./ghostify/search.js');
  const { answersOf, agreement } = await import('./ghostify/answers.js');
  const old = (await answersOf(graph, loaded.weights, measuring.calibration)).first;
  const right = measuring.labels ?? old;
  const before = agreement(old, right);
  const line = progress('measuring sensitivities', 1);
  const found = await searchPlan(
    {
      ...{ graph, weights: loaded.weights, plan, options: passOptions(options), ratios: [2, 3, 4] },
      pictures: fitting,
      dropOf: async (ghost, weights) =>
        before - agreement((await answersOf(ghost, weights, measuring.calibration)).first, right),
      onTrial: (done, total) => line.update(done / total),
    },
    target,
  );
  line.stop();
  return found;
}

function targetOf(options: GhostifyCommandOptions): import('./ghostify/search.js').Target | undefined {
  const { targetMacs, targetMs, maxDrop } = options;
  const targets = [
    ...(targetMacs === undefined ? [] : [{ kind: 'macs', most: targetMacs } as const]),
    ...(targetMs === undefined ? [] : [{ kind: 'ms', most: targetMs } as const]),
    ...(maxDrop === undefined ? [] : [{ kind: 'drop', most: maxDrop } as const]),
  ];
  if (targets.length > 1) throw new UsageError('--target-macs, --target-ms and --max-drop: give one of them');
  return targets[0];
}

/** What the user wants: only on a terminal is there somebody to ask. */
async function accepted(options: GhostifyCommandOptions): Promise<'yes' | 'no' | 'edit'> {
  if (options.yes) return 'yes';
  if (!process.stdin.isTTY || options.json) return 'no';
  const { createInterface } = await import('node:readline/promises');
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  const answer = (await ask.question('Apply this plan? [y]es, [n]o, [e]dit as JSON: ')).trim().toLowerCase();
  ask.close();
  return answer.startsWith('y') ? 'yes' : answer.startsWith('e') ? 'edit' : 'no';
}

async function ghostifyCommand(name: string, options: GhostifyCommandOptions): Promise<number> {
  if (options.out !== undefined && !/\.(safetensors|onnx)$/.test(options.out))
    throw new UsageError(`--out: ${options.out}: expected a name that ends in .safetensors or .onnx`);
  const { writeFileAtomically } = await import('../formats/node/model-file.js');
  const { planToJson } = await import('../passes/compression.js');
  const { printPlanTable } = await import('./ghostify/print-plan.js');
  const loaded = await load(name, options);
  const plan = await makePlan(loaded, options);
  const savePlan = async (path: string): Promise<void> => {
    await writeFileAtomically(path, planToJson(plan as never));
    note(`plan written to ${path}: edit "apply" and "settings", then give it with --plan`);
  };
  if (!options.json) print(printPlanTable(plan));
  if (options.savePlan !== undefined) await savePlan(options.savePlan);
  if (options.out === undefined) {
    if (options.json) printJson({ plan });
    return exitCodes.ok;
  }
  const answer = await accepted(options);
  if (answer === 'edit') await savePlan(options.savePlan ?? `${options.out}.plan.json`);
  if (answer !== 'yes') {
    if (options.json) printJson({ plan });
    note(`nothing changed${process.stdin.isTTY ? '' : '; add --yes to apply the plan'}`);
    return exitCodes.ok;
  }
  return applyPlan(loaded, plan, options, options.out);
}

async function applyPlan(
  loaded: Loaded,
  plan: GhostPlan,
  options: GhostifyCommandOptions,
  out: string,
): Promise<number> {
  const { graph, weights, fitting, measuring } = loaded;
  const { applyGhostify } = await import('../passes/ghostify/apply.js');
  const { progress } = await import('./progress.js');
  const { writeModel } = await import('./ghostify/write-model.js');
  const { compareModels, printComparison } = await import('./ghostify/compare.js');
  const { printErrors } = await import('./ghostify/print-plan.js');
  const line = progress('fitting layers', plan.layers.length);
  const started = performance.now();
  const result = await applyGhostify(
    graph,
    weights,
    plan,
    { ...passOptions(options), onLayer: (_, done) => line.update(done) },
    fitting,
  );
  line.stop();
  const seconds = (performance.now() - started) / 1000;
  const compared = measuring && (await compareModels({ graph, weights }, result, measuring));
  await writeModel(out, result.graph, result.weights, plan);
  if (options.json) {
    printJson({ plan: result.plan, ...(compared ?? {}), out });
    return exitCodes.ok;
  }
  print();
  print(printErrors(result.plan));
  print();
  if (compared) print(printComparison(compared));
  note(`fitted in ${seconds.toFixed(1)} s; written to ${out}`);
  return exitCodes.ok;
}
