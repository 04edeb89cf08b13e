/**
 * `ghostnet features`: what the layers of a network see on a picture, how alike their maps are (the paper's motivation,
 * figures 1 and 4, measured), and each ghost beside the map it is made of. Writes PNGs, a CSV and a page.
 */
import { join } from 'node:path';
import type { GhostModuleInfo, Graph, Tensor, Weights } from '../../graph/graph.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { list, wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { codeOf, UsageError } from '../output/report-error.js';
import { note, outColors, print, printJson, table } from '../output/terminal.js';
import type { LayerFeatures } from './features/report.js';

interface FeaturesOptions {
  readonly out: string;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly layer?: readonly string[];
  readonly layers: number;
  readonly pairs: number;
  readonly json?: boolean;
}

export const registerFeatures: Register = (program, act) => {
  program
    .command('features')
    .description('show what the layers of a network see on a picture, and how alike their maps are')
    .argument('<model>', '"default", a network by name or a model file')
    .argument('<picture>', 'JPEG, PNG, WebP, AVIF or GIF')
    .requiredOption('--out <folder>', 'where the pictures and the page go')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option('--layer <names>', 'nodes to show, with commas between; * stands for anything', list)
    .option('--layers <n>', 'without --layer: how many layers, spread over the depth', wholeNumber(1), 8)
    .option('--pairs <n>', 'pairs to show of each layer', wholeNumber(1), 6)
    .option('--json', 'print [{ layer, shape, score, twins, pairs, ghosts }]')
    .addHelpText(
      'after',
      `
Without --layer the Ghost modules of the network are shown, or its activations where it has none. A network by name
without pulled weights is shown with random weights, and that is said. The folder gets <layer>.png (all maps),
<layer>-pair-<n>.png, features.csv and index.html.

Examples:
  ghostnet features default photo.jpg --out features/
  ghostnet features ghostnet-1.0x photo.jpg --out features/ --layer "blocks.1.0.ghost1,blocks.3.0.*"`,
    )
    .action(act(featuresCommand));
};

/** A pattern with `*` as an expression for whole names. */
function patternOf(text: string): RegExp {
  return new RegExp(`^${text.split('*').map(escapeRegExp).join('.*')}$`);
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

interface Tap {
  readonly name: string;
  readonly node: string;
  readonly module?: GhostModuleInfo;
}

/** Nodes with maps to look at: those named, or Ghost modules, or activations. Throws UsageError when a name fits none. */
function chooseTaps(
  graph: Graph,
  maps: ReadonlySet<string>,
  options: Pick<FeaturesOptions, 'layer' | 'layers'>,
): Tap[] {
  const modules = graph.ghostModules
    .filter(({ output }) => maps.has(output))
    .map((module): Tap => ({ name: module.name, node: module.output, module }));
  const nodes = graph.nodes
    .filter(({ name }) => maps.has(name))
    .map(({ name }): Tap => ({ name, node: name }));
  if (options.layer)
    return options.layer.flatMap((text) => {
      const found = [...modules, ...nodes].filter(({ name }) => patternOf(text).test(name));
      if (found.length === 0)
        throw new UsageError(
          `--layer: no feature map of "${graph.name}" is named "${text}"; "ghostnet profile --all" lists the layers`,
        );
      return found;
    });
  const activations = graph.nodes.filter(({ kind, name }) => kind === 'activation' && maps.has(name));
  const all = modules.length > 0 ? modules : activations.map(({ name }): Tap => ({ name, node: name }));
  const wanted = Math.min(options.layers, all.length);
  return Array.from({ length: wanted }, (_, i) => all[Math.floor((i * all.length) / wanted)] as Tap);
}

/** The maps of the chosen nodes on one picture. */
async function runTaps(
  graph: Graph,
  weights: Weights,
  taps: readonly Tap[],
  input: Float32Array,
): Promise<Map<string, Tensor>> {
  const { makeGraph } = await import('../../graph/graph.js');
  const { createNetwork } = await import('../../create-network.js');
  const outputs = [...new Set(taps.map(({ node }) => node))];
  const network = await createNetwork(makeGraph({ ...graph, outputs }), weights);
  try {
    const name = graph.nodes.find(({ kind }) => kind === 'input')?.name ?? 'input';
    const values = network.runAll({ [name]: input });
    return new Map(
      network.outputs.map(({ name: output, shape }) => [
        output,
        { shape, data: (values[output] ?? new Float32Array()).slice() },
      ]),
    );
  } finally {
    await network.dispose();
  }
}

async function describeLayer(tap: Tap, maps: Tensor, count: number): Promise<LayerFeatures> {
  const { ghostPairs, redundancy } = await import('../../analysis/feature-maps.js');
  const { gridPng, pairPng } = await import('./features/pictures.js');
  const found = redundancy(maps, count);
  const { module } = tap;
  const ghosts =
    module && module.ratio > 1 ? ghostPairs(maps, module.intrinsicChannels, module.ratio) : undefined;
  const shown = (ghosts ?? found.pairs).slice(0, count);
  return {
    layer: tap.name,
    shape: maps.shape.slice(1),
    redundancy: found,
    ...(ghosts ? { ghosts } : {}),
    grid: await gridPng(maps),
    pairPictures: await Promise.all(
      shown.map(async (pair) => ({ pair, png: await pairPng(maps, pair.a, pair.b) })),
    ),
  };
}

/** Trained weights where they are at hand, else random ones. */
async function trainedOrRandom(model: string, network: string | undefined) {
  const { loadModel, loadModelOrRandom } = await import('../input/load-model.js');
  try {
    const loaded = await loadModel(model === 'default' ? undefined : model, network);
    return { ...loaded, random: false };
  } catch (error) {
    if (codeOf(error) !== 'NO_WEIGHTS') throw error;
    const loaded = await loadModelOrRandom(model, network);
    return { ...loaded, description: `${loaded.graph.name} with random weights`, random: true };
  }
}

/** What the chosen layers see on a picture. Throws UsageError when a layer is none or the network makes no maps. */
export async function layerFeatures(
  model: string,
  picture: string,
  options: Pick<FeaturesOptions, 'network' | 'preprocessing' | 'layer' | 'layers' | 'pairs'>,
): Promise<{ graph: Graph; layers: LayerFeatures[]; description: string; random: boolean }> {
  const { decodePictureFile } = await import('../../data/node/decode.js');
  const { preprocess } = await import('../../data/preprocess.js');
  const { classifierShape, usualPreprocessing } = await import('../../graph/classifier.js');
  const { inferShapes } = await import('../../graph/shapes.js');
  const loaded = await trainedOrRandom(model, options.network);
  const prepared = await withPreprocessing(loaded, options.preprocessing);
  const { graph, weights, description, random } = prepared;
  noteUsualPreprocessing(prepared);
  const { width, height } = classifierShape(graph, 'features');
  const source = await decodePictureFile(picture);
  const input = preprocess(
    source,
    graph.meta.preprocessing ?? usualPreprocessing(height, width),
    width,
    height,
  );
  const maps = new Set(
    [...inferShapes(graph)]
      .filter(([, shape]) => shape.length === 4 && (shape[2] ?? 1) * (shape[3] ?? 1) > 1)
      .map(([name]) => name),
  );
  for (const { kind, name } of graph.nodes) if (kind === 'input') maps.delete(name);
  const taps = chooseTaps(graph, maps, options);
  const values = await runTaps(graph, weights, taps, input);
  const layers: LayerFeatures[] = [];
  for (const tap of taps) {
    const value = values.get(tap.node);
    if (value) layers.push(await describeLayer(tap, value, options.pairs));
  }
  return { graph, layers, description, random };
}

async function featuresCommand(model: string, picture: string, options: FeaturesOptions): Promise<number> {
  const { graph, layers, description, random } = await layerFeatures(model, picture, options);
  await writeAll(layers, { out: options.out, picture, description, name: graph.name });
  if (options.json) printJson(layers.map(jsonOf));
  else await printLayers(layers, options.out);
  if (random) note(`${graph.name} has random weights here: its maps say nothing about a trained network`);
  return exitCodes.ok;
}

function jsonOf({ layer, shape, redundancy, ghosts }: LayerFeatures): unknown {
  const { score, twins, pairs } = redundancy;
  return { layer, shape, score, twins, pairs, ...(ghosts ? { ghosts } : {}) };
}

async function printLayers(layers: readonly LayerFeatures[], out: string): Promise<void> {
  const { meanGhost } = await import('./features/report.js');
  const head = ['layer', 'maps', 'redundancy', 'with a twin', 'ghosts to intrinsic'].map(outColors.dim);
  const rows = layers.map(({ layer, shape, redundancy, ghosts }) => [
    layer,
    shape.join('x'),
    redundancy.score.toFixed(3),
    `${(100 * redundancy.twins).toFixed(0)} %`,
    meanGhost(ghosts)?.toFixed(3) ?? '-',
  ]);
  print(table([head, ...rows], 'lrrrr'));
  print(`pictures and page: ${join(out, 'index.html')}`);
}

async function writeAll(
  layers: readonly LayerFeatures[],
  about: {
    readonly out: string;
    readonly picture: string;
    readonly description: string;
    readonly name: string;
  },
): Promise<void> {
  const { writeFolderAtomically } = await import('../../ship/node/stage-folder.js');
  const { csvLine } = await import('../../paper/csv.js');
  const { featuresPage } = await import('./features/report.js');
  const { default: sharp } = await import('sharp');
  const { out } = about;
  const files = new Map<string, Uint8Array | string>();
  const file = (layer: string): string => layer.replaceAll(/[^\w.-]/g, '_');
  let csv = csvLine(['layer', 'a', 'b', 'correlation', 'kind']);
  for (const { layer, grid, pairPictures, ghosts, redundancy } of layers) {
    files.set(`${file(layer)}.png`, grid);
    for (const [i, { png }] of pairPictures.entries()) files.set(`${file(layer)}-pair-${i + 1}.png`, png);
    for (const { a, b, correlation } of ghosts ?? redundancy.pairs)
      csv += csvLine([layer, a, b, correlation.toFixed(6), ghosts ? 'ghost' : 'pair']);
  }
  files.set('features.csv', csv);
  const small = await sharp(about.picture).autoOrient().resize(224).png().toBuffer();
  const title = `Feature maps of ${about.name}`;
  const text = `${about.description}; ${layers.length} layers on one picture.`;
  files.set('index.html', featuresPage(layers, { title, text, picture: small }));
  await writeFolderAtomically(out, files);
}
