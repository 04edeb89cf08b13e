/**
 * `ghostnet toy`: the paper's experiment that Ghost modules come from (section 4.1.1, figure 1 and table 2), on a network
 * and a picture of one's own: feature maps that are nearly filtered copies of each other.
 */
import { join } from 'node:path';
import type { Graph } from '../../graph/graph.js';
import type { MapStack } from '../../passes/ghostify/ghost-pairs.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { pairColor } from '../output/pair-colors.js';
import { UsageError } from '../output/report-error.js';
import { note, outColors, print, printJson, table } from '../output/terminal.js';

interface ToyOptions {
  readonly model?: string;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly node?: string;
  readonly pairs: number;
  readonly pair: readonly (readonly [number, number])[];
  readonly out?: string;
  readonly json?: boolean;
}

function pairOption(
  text: string,
  before: readonly (readonly [number, number])[],
): readonly (readonly [number, number])[] {
  const match = /^(\d+):(\d+)$/.exec(text);
  if (!match) throw new UsageError(`--pair: ${text}: expected FROM:TO, two channel numbers, e.g. 3:17`);
  return [...before, [Number(match[1]), Number(match[2])]];
}

export const registerToy: Register = (program, act) => {
  program
    .command('toy')
    .description('find feature maps that are ghosts of each other (the paper’s figure 1 and table 2)')
    .argument('<picture>', 'a picture file')
    .option('--model <name|file>', 'a network by name or a model file (default: the one that classify takes)')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--node <name>', 'whose maps (default: the first residual block, or the second convolution)')
    .option('--pairs <n>', 'how many of the most ghost-like pairs', wholeNumber(1, 6), 3)
    .option('--pair <from:to>', 'this pair of channels instead; can be given again', pairOption, [])
    .option('--out <folder>', 'write maps.png (figure 1), one PNG a pair and index.html there')
    .option('--json', 'print { node, pairs: [{ from, to, errors: [{ d, mse }] }] }')
    .addHelpText(
      'after',
      `
Maps are scaled to 0..1; a d x d filter of one map, found by least squares, makes the other, for d = 1, 3, 5 and 7. The
errors are means over pixels. All pairs are tried with 3x3 filters to find the most ghost-like.

Examples:
  ghostnet toy photo.jpg
  ghostnet toy photo.jpg --model resnet50.safetensors --node layer1.0.relu --out figure1/
  ghostnet toy photo.jpg --pair 3:17 --pair 8:40 --json`,
    )
    .action(act(toyCommand));
};

/** The first residual sum and its activation, or what the second convolution makes. */
function defaultNode(graph: Graph): string {
  const after = (name: string): string => {
    const next = graph.nodes.find((node) => node.inputs[0] === name);
    return next?.kind === 'activation' || next?.kind === 'batchNorm' ? after(next.name) : name;
  };
  const sum = graph.nodes.find((node) => node.kind === 'add');
  const convolutions = graph.nodes.filter((node) => node.kind === 'conv2d');
  const chosen = sum ?? convolutions[1] ?? convolutions[0];
  if (!chosen) throw new UsageError(`${graph.name} has no convolution`);
  return after(chosen.name);
}

/** The maps that one node makes of a picture, each scaled to 0..1. Throws UsageError when the node is none or has no maps. */
export async function toyMaps(
  picture: string,
  options: Pick<ToyOptions, 'model' | 'network' | 'preprocessing' | 'node'>,
): Promise<{ stack: MapStack; node: string; network: string; description: string }> {
  const { loadModel } = await import('../input/load-model.js');
  const { calibrationOf } = await import('../../calibration.js');
  const { readInputs } = await import('../input/picture-inputs.js');
  const { scaledMaps } = await import('../../passes/ghostify/ghost-pairs.js');
  const loaded = await loadModel(options.model, options.network);
  const prepared = await withPreprocessing(loaded, options.preprocessing);
  const { graph, weights, description } = prepared;
  noteUsualPreprocessing(prepared);
  const node = options.node ?? defaultNode(graph);
  if (!graph.nodes.some((one) => one.name === node))
    throw new UsageError(`--node: ${graph.name} has no node "${node}"; ghostnet inspect lists them`);
  const { inputs } = await readInputs(picture, graph, 1, false);
  let stack = scaledMaps([1, 1, 1], [0]);
  await calibrationOf(inputs).run(graph, weights, [node], (values) => {
    const { shape, data } = values.get(node)!;
    if (shape.length !== 4) throw new UsageError(`--node: "${node}" makes no maps`);
    stack = scaledMaps(shape.slice(1), data);
  });
  return { stack, node, network: graph.name, description };
}

async function toyCommand(picture: string, options: ToyOptions): Promise<number> {
  const { mostGhostly, pairErrors } = await import('../../passes/ghostify/ghost-pairs.js');
  const { stack, node, network, description } = await toyMaps(picture, options);
  const { channels, height, width } = stack;
  for (const [from, to] of options.pair)
    if (from >= channels || to >= channels)
      throw new UsageError(`--pair: ${from}:${to}: "${node}" has the channels 0 to ${channels - 1}`);
  const chosen =
    options.pair.length > 0
      ? options.pair.map(([from, to]) => ({ from, to }))
      : mostGhostly(stack, options.pairs);
  if (chosen.length === 0) throw new UsageError(`"${node}": no two maps that vary on this picture`);
  const pairs = chosen.map(({ from, to }) => pairErrors(stack, from, to));
  if (options.json) printJson({ network, node, channels, height, width, pairs });
  else {
    const { dim } = outColors;
    print(`${description}: ${channels} maps of ${height}x${width} of ${node}`);
    print();
    const head = ['pair', 'from', 'to', ...(pairs[0]?.errors.map(({ d }) => `d=${d}`) ?? [])];
    const rows = pairs.map((pair, k) => [
      pairColor(k).name,
      String(pair.from),
      String(pair.to),
      ...pair.errors.map(({ mse }) => (1000 * mse).toFixed(3)),
    ]);
    print(table([head.map((text) => dim(text)), ...rows], 'lrrrrrr'));
    print(dim('mean squared error in thousandths, maps scaled to 0..1'));
  }
  if (options.out !== undefined) {
    await draw(options.out, stack, pairs, [
      ['network', description],
      ['layer', `${node}, ${channels} maps of ${height}x${width}`],
      ['picture', picture],
    ]);
    note(`written to ${join(options.out, 'index.html')}`);
  }
  return exitCodes.ok;
}

async function draw(
  folder: string,
  stack: MapStack,
  pairs: readonly import('../../passes/ghostify/ghost-pairs.js').GhostPair[],
  facts: readonly (readonly [string, string])[],
): Promise<void> {
  const { writeFolderAtomically } = await import('../../ship/node/stage-folder.js');
  const { fitFilters } = await import('../../passes/ghostify/ghost-pairs.js');
  const { mapPicture, mapSheet, pairStrip } = await import('../output/draw-maps.js');
  const { toyPage } = await import('./toy/page.js');
  const files = new Map<string, Uint8Array | string>();
  const size = stack.height * stack.width;
  const one = (map: ArrayLike<number>): Promise<Buffer> => mapPicture(map, stack.width, stack.height);
  const map = (c: number): Promise<Buffer> => one(stack.data.subarray(c * size, (c + 1) * size));
  const frames = new Map(
    pairs.flatMap((pair, k) => {
      const { rgb } = pairColor(k);
      return [[pair.from, rgb] as const, [pair.to, rgb] as const];
    }),
  );
  const sheet = await mapSheet(stack, frames);
  const drawn = [];
  for (const [k, pair] of pairs.entries()) {
    const made: Buffer[] = [];
    for (const { d } of pair.errors) made.push(await one(fitFilters(stack, pair.from, [pair.to], d)[0]!.map));
    const pictures = { from: await map(pair.from), to: await map(pair.to), made };
    drawn.push({ ...pair, color: pairColor(k), pictures });
    const strip = await pairStrip([pictures.from, pictures.to, ...made]);
    files.set(`pair-${pairColor(k).name.replace(' ', '-')}.png`, strip);
  }
  files.set('maps.png', sheet);
  const title = 'Feature maps that are ghosts of each other';
  files.set('index.html', toyPage({ title, facts, sheet, pairs: drawn }));
  await writeFolderAtomically(folder, files);
}
