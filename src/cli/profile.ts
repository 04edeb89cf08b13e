/**
 * `ghostnet profile`: params and MACs of a network, layer by layer and in total, and what each Ghost module saves.
 * Counts only; nothing is run (see bench.ts).
 */

import type { Profile } from '../analysis/profile.js';
import type { Graph } from '../graph/graph.js';
import type { Register } from './command.js';
import { exitCodes } from './exit-codes.js';
import { inputShape, wholeNumber } from './options.js';
import { byteSize, grouped, outColors, print, printJson, table } from './terminal.js';

interface ProfileCommandOptions {
  readonly network?: string;
  readonly input?: readonly [number, number, number];
  readonly batch: number;
  readonly all?: boolean;
  readonly json?: boolean;
}

export const registerProfile: Register = (program, act) => {
  program
    .command('profile')
    .description('count the params and MACs of a network, per layer and in total')
    .argument('<name|file>', 'a network by name (ghostnet models lists them) or a model file')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--input <CxHxW>', 'count for pictures of this size (default: the network’s own)', inputShape)
    .option('--batch <n>', 'count for a batch of n pictures', wholeNumber(1), 1)
    .option('--all', 'show the layers without MACs too')
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
  ghostnet profile ghostnet-1.0x --input 3x320x320 --json
  ghostnet profile model.safetensors`,
    )
    .action(act(profileCommand));
};

async function profileCommand(name: string, options: ProfileCommandOptions): Promise<number> {
  const { loadGraph } = await import('./load-model.js');
  const { profile } = await import('../analysis/profile.js');
  const graph: Graph = await loadGraph(name, options.network);
  const counted = profile(graph, {
    batch: options.batch,
    ...(options.input === undefined ? {} : { inputShape: options.input }),
  });
  if (options.json) printJson(counted);
  else printProfile(counted, Boolean(options.all));
  return exitCodes.ok;
}

function printProfile(counted: Profile, all: boolean): void {
  const { dim, bold } = outColors;
  const shape = (sizes: readonly number[]): string => sizes.join('x');
  const shown = counted.layers.filter((layer) => all || layer.macs > 0);
  const rows = shown.map((layer) => [
    layer.name,
    layer.op,
    shape(layer.outputShape.slice(1)),
    grouped(layer.params),
    grouped(layer.macs),
    counted.macs === 0 ? '' : `${((100 * layer.macs) / counted.macs).toFixed(1)} %`,
    shape(layer.receptiveField),
  ]);
  print(bold(`${counted.name}, input ${counted.inputShapes.map(shape).join(' and ')}`));
  print();
  print(
    table(
      [['layer', 'op', 'output', 'params', 'MACs', 'of all', 'sees'].map((text) => dim(text)), ...rows],
      'lllrrrr',
    ),
  );
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
    const head = ['Ghost module', 'channels', 'form', 'MACs', 'plain', 'speed-up', 'compression'];
    print(table([head.map((text) => dim(text)), ...modules], 'lllrrrr'));
  }
  print();
  print(
    table(
      [
        ['params', bold(grouped(counted.params))],
        ['MACs', bold(grouped(counted.macs))],
        ['activations', grouped(counted.activations)],
        ['memory traffic', byteSize(counted.bytes)],
      ],
      'lr',
    ),
  );
}
