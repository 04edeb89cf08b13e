/**
 * `ghostnet profile`: params and MACs of a network, layer by layer and in total, and what each Ghost module saves.
 * With --measure also the time of each layer on this machine, with --training that of a training step's
 * (profile-training.ts); to compare with other runtimes, see bench.ts.
 */

import type { Profile } from '../../analysis/profile.js';
import type { Graph, Weights } from '../../graph/graph.js';
import type { ModelOptions } from '../../models/model-entry.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { type NetworkFlags, networkOptions, withNetworkOptions } from '../input/network-options.js';
import { inputShape, wholeNumber } from '../input/options.js';
import { UsageError } from '../output/report-error.js';
import { byteSize, grouped, milliseconds, outColors, print, printJson, table } from '../output/terminal.js';
import type { MeasuredLayers } from './profile/measure-layers.js';

interface ProfileCommandOptions extends NetworkFlags {
  readonly network?: string;
  readonly input?: readonly [number, number, number];
  readonly batch?: number;
  readonly all?: boolean;
  readonly measure?: boolean;
  readonly training?: boolean;
  readonly recompute?: boolean;
  readonly json?: boolean;
}

export const registerProfile: Register = (program, act) => {
  const command = program
    .command('profile')
    .description('count the params and MACs of a network, per layer and in total')
    .argument('<name|file>', 'a network by name (ghostnet models lists them) or a model file')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)');
  withNetworkOptions(command)
    .option('--input <CxHxW>', 'count for pictures of this size (default: the network’s own)', inputShape)
    .option('--batch <n>', 'count for a batch of n pictures (default: 1, with --training 32)', wholeNumber(1))
    .option('--all', 'show the layers without MACs too')
    .option('--measure', 'time every layer on this machine (one thread, after a warm-up)')
    .option('--training', 'time every layer of a training step instead, forward and backward (one thread)')
    .option('--recompute', 'with --training: make outputs of batch norm again in the backward pass')
    .option(
      '--json',
      'print { name, params, macs, layers: [{ name, op, params, macs, outputShape, ... }], ... }',
    )
    .addHelpText(
      'after',
      `
MACs are the multiply-accumulates of convolutions and linear layers (what the paper calls FLOPs); params are the learned
numbers, without batch norm's running statistics.

Examples:
  ghostnet profile ghostnet-1.0x
  ghostnet profile ghostnet-1.0x --measure
  ghostnet profile ghost-vgg16-cifar --ratio 4 --cheap-kernel 5
  ghostnet profile ghost-resnet56-cifar --training --batch 128
  ghostnet profile ghostnet-1.0x --input 3x320x320 --json
  ghostnet profile model.safetensors`,
    )
    .action(act(profileCommand));
};

async function profileCommand(name: string, options: ProfileCommandOptions): Promise<number> {
  const { loadGraph, loadModelOrRandom } = await import('../input/load-model.js');
  if (options.recompute && !options.training) throw new UsageError('--recompute needs --training');
  const form = await formOf(name, options);
  if (options.training) {
    if (options.input || options.measure || options.all)
      throw new UsageError('--training does not go with --input, --measure and --all');
    const { printTrainingProfile, profileTraining } = await import('./profile/training.js');
    const { graph, weights } = await loadModelOrRandom(name, options.network, form);
    const { batch = 32, recompute = false } = options;
    const measured = await profileTraining(graph, weights, { batch, recompute });
    if (options.json) printJson(measured);
    else printTrainingProfile(measured);
    return exitCodes.ok;
  }
  const { profile } = await import('../../analysis/profile.js');
  const model = options.measure ? await loadModelOrRandom(name, options.network, form) : undefined;
  const graph: Graph = model?.graph ?? (await loadGraph(name, options.network, form));
  const counted = profile(graph, {
    batch: options.batch ?? 1,
    ...(options.input === undefined ? {} : { inputShape: options.input }),
  });
  const measured = model && (await measure(graph, model.weights, counted));
  if (options.json) printJson(measured ? withTimes(counted, measured) : counted);
  else printProfile(counted, measured, Boolean(options.all));
  return exitCodes.ok;
}

/** The form of a network by name: its settings, built for the size of --input where that is a square. */
async function formOf(name: string, options: ProfileCommandOptions): Promise<ModelOptions> {
  const [, height, width] = options.input ?? [];
  return {
    ...(await networkOptions(name, options)),
    ...(height !== undefined && height === width ? { inputSize: height } : {}),
  };
}

async function measure(graph: Graph, weights: Weights, counted: Profile): Promise<MeasuredLayers> {
  const { measureLayers } = await import('./profile/measure-layers.js');
  const { inputNodes } = await import('../../graph/graph.js');
  const inputs = inputNodes(graph).map((node, i) => [
    node.name,
    counted.inputShapes[i]?.slice(1) ?? node.shape,
  ]);
  return measureLayers(graph, weights, {
    batch: counted.inputShapes[0]?.[0] ?? 1,
    inputShapes: Object.fromEntries(inputs),
  });
}

/** Milliseconds by layer in the JSON: 0 where a layer is fused into another or costs nothing. */
function withTimes(counted: Profile, { layers, layoutMs, ms, relaxed }: MeasuredLayers): object {
  return {
    ...counted,
    layers: counted.layers.map((layer) => ({ ...layer, ms: layers.get(layer.name) ?? 0 })),
    measured: { ms, layoutMs, threads: 1, relaxed },
  };
}

function printProfile(counted: Profile, measured: MeasuredLayers | undefined, all: boolean): void {
  const { dim, bold } = outColors;
  const shape = (sizes: readonly number[]): string => sizes.join('x');
  const timed = (name: string): boolean => measured?.layers.has(name) ?? false;
  const shown = counted.layers.filter((layer) => all || layer.macs > 0 || timed(layer.name));
  const time = (layer: { readonly name: string; readonly macs: number }): string[] => {
    if (!measured) return [];
    const ms = measured.layers.get(layer.name);
    if (ms === undefined) return ['', '', ''];
    const rate = layer.macs > 0 ? `${((2 * layer.macs) / ms / 1e6).toFixed(1)} GFLOP/s` : '';
    return [`${ms.toFixed(3)} ms`, `${((100 * ms) / measured.ms).toFixed(1)} %`, rate];
  };
  const rows = shown.map((layer) => [
    layer.name,
    layer.op,
    shape(layer.outputShape.slice(1)),
    grouped(layer.params),
    grouped(layer.macs),
    counted.macs === 0 ? '' : `${((100 * layer.macs) / counted.macs).toFixed(1)} %`,
    shape(layer.receptiveField),
    ...time(layer),
  ]);
  const head = ['layer', 'op', 'output', 'params', 'MACs', 'of all', 'sees'];
  if (measured) head.push('measured', 'of all', 'speed');
  print(bold(`${counted.name}, input ${counted.inputShapes.map(shape).join(' and ')}`));
  print();
  print(table([head.map((text) => dim(text)), ...rows], 'lllrrrrrrr'));
  const hidden = counted.layers.filter((layer) => !shown.includes(layer));
  if (hidden.length > 0) {
    const params = grouped(hidden.reduce((sum, layer) => sum + layer.params, 0));
    print(
      dim(
        `${hidden.length} layers without MACs (batch norm and the like, ${params} params) need --all to show`,
      ),
    );
  }
  if (counted.ghostModules.length > 0) {
    print();
    const modules = counted.ghostModules.map((module) => [
      module.name,
      `${module.inChannels} to ${module.outChannels}`,
      `s=${module.ratio} k=${module.kernel} d=${module.cheapKernel}`,
      grouped(module.macs),
      grouped(module.plainMacs),
      `${module.speedUp.toFixed(2)}x`,
      `${module.compression.toFixed(2)}x`,
    ]);
    const moduleHead = ['Ghost module', 'channels', 'form', 'MACs', 'plain', 'speed-up', 'compression'];
    print(table([moduleHead.map((text) => dim(text)), ...modules], 'lllrrrr'));
  }
  print();
  print(
    table(
      [
        ['params', bold(grouped(counted.params))],
        ['MACs', bold(grouped(counted.macs))],
        ['activations', grouped(counted.activations)],
        ['memory traffic', byteSize(counted.bytes)],
        ...(measured
          ? [
              ['measured', bold(milliseconds(measured.ms))],
              ['of it, layout copies', milliseconds(measured.layoutMs)],
            ]
          : []),
      ],
      'lr',
    ),
  );
}
